"""A cube far larger than the memory: `cargo xtask bench --huge`.

Its chunk files are hard links to the compressed chunks of the small cube, tiled over space, so that it takes no room
and yet every chunk is read and decoded. The runs are held to 1 GiB by their own option and to 1.25 GiB by a memory
cgroup, where one can be made.
"""

import json
import math
import os
import shutil
import struct
import time

import child
from data import Unavailable

BANDS = {"B02": 2, "B03": 2, "B04": 2, "B08": 2, "SCL": 1}
WORKS = {"W1": ["B04", "B08"], "W2": ["B02", "B03", "B04", "SCL"], "W5": ["B02", "B03", "B04", "SCL"],
         "rechunk": ["B02", "B03", "B04", "B08"]}
MEMORY = 1 << 30
GROUP = MEMORY * 5 // 4
# Decoded bytes that are rechunked at least.
RECHUNKED = 20e9
SECONDS = 4 * 3600
# Metres.
STEP = 10


def run(bench):
    size = "tiny" if bench.given.quick else "small"
    bench.cubes.prepare(size, pixels=160 if bench.given.quick else None)
    store, shape = tiled(bench, size)
    bench.cubes.script("works.py", store, "huge", bench.folder / "graphs")
    for work in WORKS:
        if bench.is_done(kind="huge", work=work, shape=list(shape)):
            bench.log(f"huge {work}: done before")
            continue
        # One for each run, so that it counts the memory of that run.
        group, why = child.Cgroup.make(GROUP)
        bench.log(f"memory cgroup of {GROUP >> 20} MiB, version {group.version}" if group else f"no memory cgroup: {why}")
        try:
            one(bench, work, store, shape, group, why)
        finally:
            if group:
                group.remove()


def one(bench, work, store, shape, group, why):
    scratch = bench.folder / "scratch"
    scratch.mkdir(exist_ok=True)
    out = bench.folder / "out/huge.zarr"
    shutil.rmtree(out, ignore_errors=True)
    graph = bench.folder / "graphs" / f"{work}.huge.json"
    pixels, target = math.prod(shape), ["--discard"]
    if work == "rechunk":
        side = min(shape[1], math.ceil(math.sqrt(RECHUNKED / (shape[0] * 8))))
        crop(graph, side)
        pixels, target = shape[0] * side * side, ["-o", out]
    decoded = pixels * sum(BANDS[band] for band in WORKS[work])
    # Results that do not fit into memory wait in scratch, values and a byte of validity a pixel; at most f64.
    room = decoded * 2.4 if work == "rechunk" else shape[1] * shape[2] * 3 * 9
    free = shutil.disk_usage(bench.folder).free
    if free < room * 1.1:
        leave_out(bench, work, f"{room / 1e9:.0f} GB of disk are needed, {free / 1e9:.0f} GB are free")
        return
    bench.log(f"huge {work}: {decoded / 1e9:.1f} GB decoded")
    command = [bench.binary, "run", graph, f"S2={store}", "--json", "--memory", str(MEMORY), "--scratch", scratch, *target]
    ended = child.run(command, cwd=bench.folder, timeout=SECONDS, cgroup=group)
    shutil.rmtree(out, ignore_errors=True)
    record = bench.record(ended, work=work, size="huge")
    if record is None:
        bench.refused(work, "huge", ended)
        return
    bench.note({**record, "kind": "huge", "shape": list(shape), "decoded_gb": decoded / 1e9,
                "gb_per_s": decoded / 1e9 / record["wall_s"], "cgroup": group.version if group else why,
                "cgroup_peak_mb": group.peak_mb() if group else None})
    bench.log(f"huge {work}: {record['wall_s']:.1f} s, {record['cpu_s']:.1f} CPU s, {record['rss_mb']:.0f} MB, "
              f"{decoded / 1e9 / record['wall_s']:.2f} GB/s decoded")


def leave_out(bench, work, why):
    bench.log(f"huge {work}: left out: {why}")
    bench.note({"kind": "refused", "work": work, "size": "huge", "why": why})


def crop(graph, side):
    """Makes a graph load the upper left square only."""
    document = json.loads(graph.read_text())
    extent = document["process_graph"]["load"]["arguments"]["spatial_extent"]
    extent.update(south=extent["north"] - STEP * side, east=extent["west"] + STEP * side)
    graph.write_text(json.dumps(document))


def tiled(bench, size):
    """The store, made if it is not there, and its shape over t, y, x."""
    source = bench.cubes.store(size).resolve()
    meta = {name: json.loads((source / name / "zarr.json").read_text()) for name in (*BANDS, "x", "y")}
    dates, rows, columns = meta["B02"]["shape"]
    times = math.ceil(math.sqrt(bench.given.huge_gb * 1e9 / (dates * rows * columns * sum(BANDS.values()))))
    shape = (dates, rows * times, columns * times)
    store = bench.folder / "bench-data/s2_huge/cube.zarr"
    marker = store.parent / "INFO.json"
    if marker.is_file() and json.loads(marker.read_text())["shape"] == list(shape):
        return store, shape
    shutil.rmtree(store.parent, ignore_errors=True)
    started = time.perf_counter()
    grids = {band: grid(band, meta[band]) for band in BANDS}
    inodes = sum((g[0] + 1) * g[1] * times for g in grids.values())
    store.mkdir(parents=True)
    if os.statvfs(store).f_favail < 2 * inodes:
        raise Unavailable(f"{inodes} inodes are needed for the folders of the huge cube")
    bench.log(f"linking {times} x {times} copies of the {size} cube: {shape[1]} x {shape[2]} pixels")
    group = json.loads((source / "zarr.json").read_text())
    # Says what the coordinates say; the old box would be wrong.
    group.pop("consolidated_metadata", None)
    attributes = group.get("attributes", {})
    group["attributes"] = {key: value for key, value in attributes.items() if not key.startswith("spatial:")}
    (store / "zarr.json").write_text(json.dumps(group))
    for folder in source.iterdir():
        if folder.is_dir() and folder.name not in BANDS and folder.name not in ("x", "y"):
            shutil.copytree(folder, store / folder.name)
    links = sum(link(source / band, store / band, meta[band], grids[band], times, shape) for band in BANDS)
    # The graphs of the source know where it lies.
    graph = json.loads((bench.folder / "graphs" / f"W1.{size}.json").read_text())
    extent = graph["process_graph"]["load"]["arguments"]["spatial_extent"]
    axis(store / "y", meta["y"], extent["north"] - STEP / 2, -STEP, shape[1])
    axis(store / "x", meta["x"], extent["west"] + STEP / 2, STEP, shape[2])
    marker.write_text(json.dumps({"shape": list(shape), "of": size, "links": links}))
    bench.log(f"linked {links} chunks in {time.perf_counter() - started:.1f} s")
    return store, shape


def grid(band, meta):
    """Chunks along t, y and x; they must fill the array."""
    chunks = meta["chunk_grid"]["configuration"]["chunk_shape"]
    plain = meta["chunk_key_encoding"]["name"] == "default" and any(c["name"] == "bytes" for c in meta["codecs"])
    if not plain or any(n % c for n, c in zip(meta["shape"], chunks)):
        raise Unavailable(f"the chunks of {band} cannot be tiled")
    return [n // c for n, c in zip(meta["shape"], chunks)]


def link(source, target, meta, grid, times, shape):
    target.mkdir()
    (target / "zarr.json").write_text(json.dumps({**meta, "shape": list(shape)}))
    links = 0
    for t in range(grid[0]):
        for y in range(grid[1] * times):
            row = target / "c" / str(t) / str(y)
            row.mkdir(parents=True)
            for x in range(grid[2] * times):
                chunk = source / "c" / str(t) / str(y % grid[1]) / str(x % grid[2])
                # A chunk without a file holds no data.
                if chunk.exists():
                    try:
                        os.link(chunk, row / str(x))
                    except OSError:
                        # Another file system, or too many links.
                        os.symlink(chunk, row / str(x))
                    links += 1
    return links


def axis(folder, meta, start, step, length):
    """A coordinate in one uncompressed chunk."""
    (folder / "c").mkdir(parents=True)
    changed = {
        "shape": [length], "data_type": "float64", "fill_value": 0.0,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [length]}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
    }
    (folder / "zarr.json").write_text(json.dumps({**meta, **changed}))
    values = [start + step * i for i in range(length)]
    (folder / "c/0").write_bytes(struct.pack(f"<{length}d", *values))
