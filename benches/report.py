"""What the records of a bench say: a table for the terminal, and `docs/benchmarks.md`."""

import os
import platform
import statistics

from data import SIZES

NAMES = {"expert": "numpy/numba by hand", "decode": "reading and decoding alone",
         "opd": "openeo-processes-dask", "xr": "xarray and dask", "odc": "odc-stac, xarray and dask", "plain": "numpy"}
# Largest resident size under `--memory 1G`, in 10^6 bytes; planning, in seconds.
HUGE_RSS = 1.0 * 1024**3 / 1e6
PLAN_S = 0.010


def machine():
    """The machine in one line."""
    try:
        with open("/proc/cpuinfo", encoding="utf8") as file:
            models = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
        with open("/proc/meminfo", encoding="utf8") as file:
            memory = f"{int(file.readline().split()[1]) / 1e6:.0f} GB"
    except (OSError, IndexError, ValueError):
        models, memory = [], "unknown memory"
    model = models[0] if models else platform.processor() or platform.machine()
    return f"{model}, {os.cpu_count()} cores, {memory}, {platform.system()} {platform.release().split('-')[0]}"


def text(records, limits):
    """For the terminal."""
    parts = []
    for title, header, rows in tables(records, limits):
        widths = [max(len(str(row[i])) for row in [header, *rows]) for i in range(len(header))]
        lines = ["  ".join(str(cell).ljust(width) for cell, width in zip(row, widths)).rstrip()
                 for row in [header, *rows]]
        parts.append("\n".join([title, *lines]))
    return "\n\n".join(parts) if parts else "nothing was measured"


def document(records, limits):
    """`docs/benchmarks.md`."""
    sessions = [record for record in records if record["kind"] == "session"]
    last = sessions[-1]
    works = "\n".join(f"- **{name}**: {of['what']}." for name, of in limits.items())
    parts = [METHOD.format(works=works, machine=last["machine"], commit=last["commit"], day=last["at"][:10])]
    for title, header, rows in tables(records, limits):
        lines = [header, ["---"] * len(header), *rows]
        parts.append("\n".join([f"## {title}", "", *("| " + " | ".join(map(str, line)) + " |" for line in lines)]))
    loads = [record["load"] for record in records if record.get("load") is not None]
    if loads:
        parts.append(f"Load average before a pair: {min(loads):.1f} to {max(loads):.1f}. A load above one is mostly the "
                     "runs themselves; anything else on the machine makes the figures worse.")
    return "\n\n".join(parts) + "\n"


def tables(records, limits):
    """Title, header and rows of everything that was measured."""
    made = [
        ("Beside the peers", PAIRED, list(paired(records, limits))),
        ("Against the limit of the machine", LIMITED, list(limited(records, limits))),
        ("Numbers", CHECKED, list(checked(records))),
        ("Growth", GROWN, list(grown(records))),
        ("Planning", PLANNED, list(planned(records))),
        ("A cube of 100 GB under 1 GiB", HUGE, list(huge(records))),
        ("Not measured", ["work", "size", "what", "why"], list(left_out(records))),
    ]
    return [table for table in made if table[2]]


PAIRED = ["work", "size", "pairs", "Eolith s", "CPU s", "MB", "peer", "peer s", "CPU s", "MB",
          "ratio (min to max)", "wanted", ""]


def paired(records, limits):
    for (work, size, peer), pairs in sorted(matched(records).items()):
        mine, others = [mine for mine, _ in pairs], [other for _, other in pairs]
        ratios = [a["wall_s"] / b["wall_s"] for a, b in pairs]
        middle = statistics.median(ratios)
        goal = limits[work]["peers"].get(peer, {})
        wanted, met = "", ""
        if "at_most" in goal:
            wanted, met = f"≤ {goal['at_most']}", verdict(middle <= goal["at_most"])
        elif "faster" in goal:
            wanted, met = f"≤ {1 / goal['faster']:.3f} ({goal['faster']}x)", verdict(middle <= 1 / goal["faster"])
        yield [work, size, len(pairs), f"{of(mine, 'wall_s'):.3f}", f"{of(mine, 'cpu_s'):.2f}",
               f"{of(mine, 'rss_mb'):.0f}", NAMES.get(peer, peer), f"{of(others, 'wall_s'):.3f}",
               f"{of(others, 'cpu_s'):.2f}", f"{of(others, 'rss_mb'):.0f}",
               f"{middle:.3f} ({min(ratios):.3f} to {max(ratios):.3f})", wanted, met if size == "small" else ""]


LIMITED = ["work", "size", "runs", "Eolith s", "min", "max", "limit s", "times the limit", "wanted", "", "MB",
           "result MB", "MB wanted", "", "outside the request s", "open s", "plan ms", "write s"]


def limited(records, limits):
    results = {(r["work"], r["size"]): r["result_bytes"] / 1e6
               for r in records if r["kind"] == "check" and "result_bytes" in r}
    for (work, size), runs in sorted(grouped(records, "run", engine="eolith").items()):
        limit = limits[work]["limit_s"]
        if not limits[work].get("fixed"):
            rows, columns = SIZES[size]
            limit *= rows * columns / 2048**2
        wall, rss, result = of(runs, "wall_s"), of(runs, "rss_mb"), results.get((work, size))
        wanted = f"≤ {limits[work]['times_limit']}" if "times_limit" in limits[work] else ""
        met = verdict(wall / limit <= limits[work]["times_limit"]) if wanted else ""
        most = limits[work]["rss_mb"] + (result or 0)
        walls = [run["wall_s"] for run in runs]
        yield [work, size, len(runs), f"{wall:.3f}", f"{min(walls):.3f}", f"{max(walls):.3f}", f"{limit:.2f}",
               f"{wall / limit:.2f}", wanted, met, f"{rss:.0f}", "?" if result is None else f"{result:.0f}",
               f"≤ {most:.0f}", verdict(rss <= most), f"{of(runs, 'process_s') - wall - figure(runs, 'checksum_s'):.3f}",
               f"{figure(runs, 'open_s'):.3f}", f"{figure(runs, 'plan_s') * 1e3:.2f}", f"{figure(runs, 'write_s'):.3f}"]


CHECKED = ["work", "size", "compared with", "values", "largest difference", "bound", "no-data mismatches",
           "within 0.5 of GDAL", "largest from GDAL", ""]


def checked(records):
    latest = {(r["work"], r["size"], r["peer"] or ""): r for r in records if r["kind"] == "check"}
    for (work, size, peer), one in sorted(latest.items()):
        exact = "the data" if work.startswith("W9") else "exact transformation"
        other = exact if work.startswith(("W9", "W5")) else NAMES.get(peer, peer)
        difference = one.get("largest_relative", one.get("largest_difference", one.get("differing")))
        shown = "" if difference is None else f"{difference:.2g}"
        share = f"{one['gdal_within_half']:.4%}" if "gdal_within_half" in one else ""
        largest = f"{one['gdal_largest']:.2f}" if "gdal_largest" in one else ""
        yield [work, size, other, one.get("compared", ""), shown, one.get("bound", ""),
               one.get("no_data_mismatches", ""), share, largest,
               "agree" if one["agrees"] else f"DISAGREE {one.get('why', '')}".strip()]


GROWN = ["work", "size", "runs", "s", "CPU s", "bytes read", "ns per byte", "of small", "MB", "MB more than small"]


def grown(records):
    sizes = list(SIZES)
    runs = grouped(records, "growth")
    small = {work: of_each for (work, size), of_each in runs.items() if size == "small"}
    for (work, size), each in sorted(runs.items(), key=lambda item: (item[0][0], sizes.index(item[0][1]))):
        read = each[0]["figures"]["bytes_read"]
        cost = of(each, "wall_s") / read * 1e9
        base = small.get(work)
        relative = f"{cost / (of(base, 'wall_s') / base[0]['figures']['bytes_read'] * 1e9):.2f}" if base else ""
        more = f"{of(each, 'rss_mb') - of(base, 'rss_mb'):+.0f}" if base else ""
        yield [work, size, len(each), f"{of(each, 'wall_s'):.3f}", f"{of(each, 'cpu_s'):.2f}", read, f"{cost:.2f}",
               relative, f"{of(each, 'rss_mb'):.0f}", more]


PLANNED = ["work", "size", "median ms", "max ms", "wanted", ""]


def planned(records):
    runs = {}
    for record in records:
        if record["kind"] in ("run", "growth", "huge") and "plan_s" in record.get("figures", {}):
            runs.setdefault((record["work"], record["size"]), []).append(record["figures"]["plan_s"])
    for (work, size), times in sorted(runs.items()):
        yield [work, size, f"{statistics.median(times) * 1e3:.2f}", f"{max(times) * 1e3:.2f}", f"< {PLAN_S * 1e3:.0f}",
               verdict(statistics.median(times) < PLAN_S)]


HUGE = ["work", "pixels", "decoded GB", "s", "CPU s", "GB/s decoded", "MB", "MB wanted", "", "memory cgroup", "its peak MB"]


def huge(records):
    for one in [record for record in records if record["kind"] == "huge"]:
        group = f"version {one['cgroup']}, 1.25 GiB" if isinstance(one["cgroup"], int) else "none"
        peak = one.get("cgroup_peak_mb")
        yield [one["work"], " x ".join(map(str, one["shape"])), f"{one['decoded_gb']:.1f}", f"{one['wall_s']:.1f}",
               f"{one['cpu_s']:.1f}", f"{one['gb_per_s']:.2f}", f"{one['rss_mb']:.0f}", f"≤ {HUGE_RSS:.0f}",
               verdict(one["rss_mb"] <= HUGE_RSS), group, "" if peak is None else f"{peak:.0f}"]


def left_out(records):
    kinds = {"refused": "not supported", "failed": "failed", "peer failed": "peer failed"}
    seen = {}
    for one in records:
        if one["kind"] in kinds:
            seen[one["work"], one["size"], one["kind"], one.get("engine")] = one
        elif one["kind"] == "huge":
            # It may have been left out before, for want of room.
            seen.pop((one["work"], one["size"], "refused", None), None)
    for (work, size, kind, engine), one in seen.items():
        why = " ".join(one["why"].split()).replace("|", "/")
        yield [work, size, f"{kinds[kind]}: {NAMES.get(engine, engine)}" if engine else kinds[kind], why[:160]]


def matched(records):
    """Work, size and peer to the pairs of records."""
    mine = {(r["work"], r["size"], r.get("peer"), r["pair"]): r
            for r in records if r["kind"] == "run" and r["engine"] == "eolith"}
    pairs = {}
    for record in records:
        if record["kind"] == "run" and record["engine"] != "eolith":
            own = mine.get((record["work"], record["size"], record["engine"], record["pair"]))
            if own:
                pairs.setdefault((record["work"], record["size"], record["engine"]), []).append((own, record))
    return pairs


def grouped(records, kind, **wanted):
    groups = {}
    for record in records:
        if record["kind"] == kind and all(record.get(key) == value for key, value in wanted.items()):
            groups.setdefault((record["work"], record["size"]), []).append(record)
    return groups


def of(runs, name):
    return statistics.median(run[name] for run in runs)


def figure(runs, name):
    return statistics.median(run["figures"][name] for run in runs)


def verdict(met):
    return "met" if met else "missed"


METHOD = """\
# Benchmarks

Written by `cargo xtask bench`; do not edit. {day}, commit {commit}.
Machine: {machine}.

## Method

One synthetic Sentinel-2-like cube: 36 dates of 2023, four bands of 16 bits and a scene classification, 2048 x 2048
pixels at size small (1.36 GB decoded), twice that at medium, four times at large; Zarr 3 in chunks of 1 x 1024 x 1024,
zstd. The workloads are openEO process graphs:

{works}

Eolith is the release binary with its default options. The peers are openeo-processes-dask on the same graphs, the same
work in xarray and dask, and a version by hand: numba kernels that decode the chunks of this very layout themselves, on
as many threads as there are cores. Beside them stands what nobody can save: a program that reads and decodes the chunks
with the same library, in buffers that are used again, and does nothing with them. Runs alternate (Eolith, peer, Eolith,
peer, …) on a warm page cache, after one untimed run of each; a ratio is taken within a pair, and the table gives the
median with the smallest and the largest.

The same work counts on both sides: from opening the store to the complete result in memory, reading the graph
included; for W9 until the files are written. Start of the process and imports do not count, nor does the compilation
of kernels. Eolith computes a checksum of every result besides, which the peers do not; it is left out of time and CPU.
Memory is the largest resident size of the whole process, interpreter and imports included where there are any. The
limit of a workload is what two cores need at least: decoding at the speed of the codec, reading from the page cache,
first touch of the result, and the kernel where it dominates; it was measured once on the machine of the goals and is
scaled by pixels. MB are 10^6 bytes.

Every kept result is compared with the peer's array: W1 to W4 and W6 within 1e-6 of the larger of one and the value,
no-data in the same pixels; W9 must be the input's pixels exactly. W5 chooses its own grid, so that its pixels are
compared with bilinear interpolation through an exact transformation (pyproj) on that grid; how far GDAL's
approximating warp is from it is reported. The checksum of every timed run must be that of the kept result.

Run it again: `cargo xtask bench`, then `cargo xtask bench --sizes-growth --resume` and
`cargo xtask bench --huge --resume`, with nothing else on the machine; `--help` lists what can be chosen."""
