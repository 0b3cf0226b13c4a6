"""`cargo xtask bench`: Eolith beside its peers, in alternating runs, with the numbers checked.

This program only starts others and writes down what they say (see `child.py`). Every run is one line of
`runs.jsonl`; `--resume` goes on where a session was stopped. What is printed and what goes into `docs/benchmarks.md`
is made from these lines by `report.py`.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import child
import huge
import report
from data import SIZES, Cubes, Unavailable

HERE = Path(__file__).resolve().parent
LIMITS = json.loads((HERE / "limits.json").read_text())
# Peers of which `bench.py` knows nothing, and their programs.
OURS = {"plain": "plain.py", "decode": "decode.py"}
# The peer that has no result.
FLOOR = "decode"
# The peer that is measured most; the others are slow or far away.
CLOSE = "expert"
GROWTH = ["W1", "W2", "W3", "W4", "W5", "W6"]
REFUSALS = ("ProcessUnsupported", "FeatureUnsupported", "FormatUnsuitable", "CollectionNotFound")


def arguments():
    def several(text):
        return [word for word in text.split(",") if word]

    parser = argparse.ArgumentParser(prog="cargo xtask bench", description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder with s2_SIZE folders to use as they are")
    parser.add_argument("--size", type=several, default=["small"], help="sizes: tiny, small, medium, large")
    parser.add_argument("--work", type=several, default=list(LIMITS), help="workloads: " + ", ".join(LIMITS))
    parser.add_argument("--peers", type=several, help="expert, decode (nothing else), opd (openeo-processes-dask), xr, odc, "
                        "plain (numpy)")
    parser.add_argument("--pairs", type=int, default=7, help="alternating pairs with the expert (7)")
    parser.add_argument("--pairs-slow", type=int, default=3, help="pairs with every other peer (3)")
    parser.add_argument("--timeout", type=float, default=900, help="seconds a single run may take (900)")
    parser.add_argument("--resume", action="store_true", help="keep the runs of the last session with this binary")
    parser.add_argument("--quick", action="store_true", help="a tiny cube, one pair with numpy: numbers only")
    parser.add_argument("--sizes-growth", action="store_true", help="W1 to W6 at small, medium and large, alone")
    parser.add_argument("--huge", action="store_true", help="100 GB under a limit of 1 GiB, alone")
    parser.add_argument("--huge-gb", type=float, default=100, help="decoded size of the huge cube, 10^9 bytes (100)")
    parser.add_argument("--no-docs", action="store_true", help="do not write docs/benchmarks.md")
    parser.add_argument("--binary", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--reference", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if unknown := [name for name in given.work if name not in LIMITS]:
        parser.error(f"unknown workload {', '.join(unknown)}; there are {', '.join(LIMITS)}")
    if unknown := [name for name in given.size if name not in SIZES]:
        parser.error(f"unknown size {', '.join(unknown)}; there are {', '.join(SIZES)}")
    if given.peers is None:
        given.peers = ["plain"] if given.quick else ["expert", FLOOR, "opd", "xr", "odc"]
    if given.quick:
        given.size, given.pairs, given.pairs_slow, given.no_docs = ["tiny"], 1, 1, True
        given.work = [name for name in given.work if name != "W1cog"]
    return given


class Bench:
    """A session."""

    def __init__(self, given):
        self.given = given
        self.folder = (given.folder / "quick" if given.quick else given.folder).resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.records = self.folder / "runs.jsonl"
        self.binary = given.binary.resolve()
        self.name = hashlib.sha256(self.binary.read_bytes()).hexdigest()[:12]
        self.python = sys.executable
        self.processes = given.reference / "openeo/processes" if given.reference else None
        self.failed = []
        old = self.records.exists()
        if old and not given.resume:
            stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(self.records.stat().st_mtime))
            self.records.rename(self.folder / f"runs-{stamp}.jsonl")
        self.done = self.lines() if given.resume else []
        self.cubes = Cubes(self.folder, given.data, given.reference, self.python, self.binary, self.log)
        self.note({"kind": "session", "machine": report.machine(), "commit": commit(), "quick": given.quick,
                   "arguments": [word for word in sys.argv[1:] if not os.path.isabs(word)]})

    def log(self, text):
        line = f"{time.strftime('%H:%M:%S')} {text}"
        print(line, file=sys.stderr, flush=True)
        with (self.folder / "log.txt").open("a", encoding="utf8") as file:
            print(line, file=file)

    def note(self, record):
        record = {**record, "binary": self.name, "at": time.strftime("%Y-%m-%dT%H:%M:%S")}
        with self.records.open("a", encoding="utf8") as file:
            print(json.dumps(record), file=file)
        return record

    def lines(self):
        """The records of this binary."""
        if not self.records.exists():
            return []
        records = [json.loads(line) for line in self.records.read_text(encoding="utf8").splitlines()]
        return [record for record in records if record.get("binary") == self.name]

    def is_done(self, **wanted):
        return any(all(record.get(key) == value for key, value in wanted.items()) for record in self.done)

    def wrong(self, text):
        self.failed.append(text)
        self.log(f"WRONG: {text}")

    # Eolith

    def eolith(self, work, size, source, keep=False, timeout=None):
        """One run with default options. Gives the process and what it wrote, if it wrote."""
        graph = self.folder / "graphs" / f"{LIMITS[work].get('graph', work)}.{size}.json"
        writes = work.startswith("W9")
        output = None
        if keep or writes:
            output = self.folder / ("results/eolith" if keep else "out") / f"{work}.{size}"
            remove(output)
            output.mkdir(parents=True)
            output /= {"W4": "result.json", "W9nc": "result.nc", "W9tif": "result.tif"}.get(work, "result.zarr")
        if keep and not writes and work != "W4":
            # Pixels are compared from one format, whatever the graph asks for.
            document = json.loads(graph.read_text())
            document["process_graph"]["save"]["arguments"].update(format="Zarr", options={})
            graph = output.parent / "graph.json"
            graph.write_text(json.dumps(document))
        target = ["-o", output] if output else ["--discard"]
        command = [self.binary, "run", graph, f"S2={source}", "--json", *target]
        ended = child.run(command, cwd=self.folder, timeout=timeout or self.given.timeout)
        if output and not keep:
            remove(output.parent)
            # What was written must not cost the next run.
            os.sync()
        return ended, output

    def record(self, ended, **names):
        """The record of a run of ours; None if it failed."""
        figures = ended.figures
        if ended.code or not figures:
            return None
        return {
            "kind": "run", "engine": "eolith", **names, "wall_s": figures["request_s"],
            # The peers compute no checksum. One thread does.
            "cpu_s": max(0.0, ended.cpu_s - figures["checksum_s"]), "rss_mb": figures["peak_rss_mb"],
            "process_s": ended.wall_s, "figures": {key: figures[key] for key in figures if key != "outputs"},
        }

    # Peers

    def peer(self, peer, work, size, keep=False):
        remove(*(self.folder / "results/out").glob(f"save_{peer}_*"))
        script = HERE / OURS[peer] if peer in OURS else self.folder / "bench.py"
        command = [self.python, script, "--peer", peer, "--work", LIMITS[work].get("graph", work), "--size", size,
                   "--data", "cube.zarr", "--save", "no", *(["--keep"] if keep else [])]
        env = {"PYTHONDONTWRITEBYTECODE": "1", **({"OPENEO_PROCESSES": str(self.processes)} if self.processes else {})}
        ended = child.run(command, cwd=self.folder, env=env, timeout=self.given.timeout)
        if work.startswith("W9"):
            os.sync()
        figures = ended.figures
        if ended.code or not figures or figures.get("err"):
            return None, (figures or {}).get("err") or ended.reason()
        return {"kind": "run", "engine": peer, "work": work, "size": size, "wall_s": figures["compute_s"],
                "cpu_s": figures["cpu_s"], "rss_mb": ended.rss_mb, "process_s": ended.wall_s, "figures": figures}, None

    # Work

    def compare(self, work, size):
        """A workload at a size with all its peers."""
        peers = [peer for peer in LIMITS[work]["peers"] if peer in self.given.peers]
        if not self.cubes.yardstick:
            peers = [peer for peer in peers if peer in OURS]
        wanted = {peer: self.given.pairs if peer == CLOSE else self.given.pairs_slow for peer in peers}
        left = [p for p in peers if not all(self.is_done(kind="run", engine=p, work=work, size=size, pair=i)
                                            for i in range(wanted[p]))]
        if self.is_done(kind="check", work=work, size=size, agrees=True) and not left:
            self.log(f"{work} {size}: done before")
            return
        source = self.cubes.catalogue(size) if work == "W1cog" else self.cubes.store(size)
        # The untimed run of ours is the one whose result is kept.
        ended, kept = self.eolith(work, size, source, keep=True)
        record = self.record(ended, work=work, size=size, warm=True)
        if record is None:
            self.refused(work, size, ended)
            return
        checksum = record["figures"]["checksum"]
        self.note({**record, "kind": "kept"})
        checked = False
        for peer in peers:
            warm, why = self.peer(peer, work, size, keep=True)
            if warm is None:
                self.log(f"{work} {size} {peer}: failed: {why}")
                self.note({"kind": "peer failed", "work": work, "size": size, "engine": peer, "why": why})
                continue
            if peer != FLOOR:
                checked |= self.check(work, size, peer, kept)
            for pair in range(wanted[peer] if peer in left else 0):
                if not self.is_done(kind="run", engine=peer, work=work, size=size, pair=pair):
                    self.pair(work, size, peer, pair, source, checksum)
        if not checked and (work.startswith("W9") or work in ("W5", "W5w")):
            # What is checked against the data itself needs no peer.
            self.check(work, size, None, kept)
        if not peers:
            for pair in range(self.given.pairs):
                self.alone(work, size, source, checksum, pair)
        remove(kept.parent)

    def refused(self, work, size, ended):
        why = ended.reason()
        if any(code in ended.stderr for code in REFUSALS):
            self.log(f"{work} {size}: not supported: {why}")
            self.note({"kind": "refused", "work": work, "size": size, "why": why})
        else:
            self.note({"kind": "failed", "work": work, "size": size, "why": why})
            self.wrong(f"{work} {size}: {why}")

    def check(self, work, size, peer, kept):
        """Whether the numbers agree; True if that could be found out."""
        path = kept if work != "W9tif" else f"{kept.parent}/"
        try:
            found = self.cubes.script("check.py", work, size, peer or "-", path)
        except Unavailable as error:
            found = {"kind": "check", "work": work, "size": size, "peer": peer, "agrees": False, "why": str(error)}
        self.note(found)
        if not found["agrees"]:
            self.wrong(f"{work} {size} disagrees with {peer or 'the data'}: {json.dumps(found)}")
        else:
            self.log(f"{work} {size}: agrees with {peer or 'the data'}, {found['compared']} values")
        return True

    def pair(self, work, size, peer, pair, source, checksum):
        """One run of ours, one of the peer."""
        load = os.getloadavg()[0]
        mine = self.alone(work, size, source, checksum, pair, peer=peer, load=load)
        other, why = self.peer(peer, work, size)
        if other is None:
            self.log(f"{work} {size} {peer}: failed: {why}")
            self.note({"kind": "peer failed", "work": work, "size": size, "engine": peer, "why": why})
        elif mine:
            self.note({**other, "pair": pair, "load": load})
            self.log(f"{work} {size} pair {pair + 1}: eolith {mine['wall_s']:.3f} s, {peer} {other['wall_s']:.3f} s, "
                     f"ratio {mine['wall_s'] / other['wall_s']:.3f}, load before {load:.1f}")

    def alone(self, work, size, source, checksum, pair, **names):
        ended, _ = self.eolith(work, size, source)
        record = self.record(ended, work=work, size=size, pair=pair, **names)
        if record is None:
            self.wrong(f"{work} {size}: {ended.reason()}")
        elif record["figures"]["checksum"] != checksum:
            self.wrong(f"{work} {size}: checksum {record['figures']['checksum']}, kept {checksum}")
        else:
            return self.note(record)
        return None

    def growth(self):
        """W1 to W6 at growing sizes."""
        for size in ("small", "medium", "large"):
            try:
                self.cubes.prepare(size)
            except Unavailable as error:
                self.wrong(f"{size}: {error}")
                continue
            for work in [name for name in GROWTH if name in self.given.work]:
                if self.is_done(kind="growth", work=work, size=size):
                    continue
                runs = []
                for _ in range(1 + self.given.pairs_slow):
                    ended, _ = self.eolith(work, size, self.cubes.store(size))
                    record = self.record(ended, work=work, size=size)
                    if record is None:
                        self.refused(work, size, ended)
                        break
                    runs.append(record)
                else:
                    if len({run["figures"]["checksum"] for run in runs}) > 1:
                        self.wrong(f"{work} {size}: checksums differ between runs")
                    for run in runs[1:]:
                        self.note({**run, "kind": "growth"})
                    walls = ", ".join(f"{run['wall_s']:.3f}" for run in runs[1:])
                    self.log(f"{work} {size}: {walls} s, {runs[-1]['rss_mb']:.0f} MB")


def commit():
    told = subprocess.run(["git", "rev-parse", "--short=10", "HEAD"], cwd=HERE, capture_output=True, text=True)
    return told.stdout.strip() or None


def remove(*paths):
    for path in paths:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def main():
    given = arguments()
    bench = Bench(given)
    try:
        if given.huge:
            huge.run(bench)
        elif given.sizes_growth:
            bench.growth()
        else:
            # The expert compiles its kernels on the tiny cube.
            sizes = ["tiny", *given.size] if CLOSE in given.peers and bench.cubes.yardstick else given.size
            for size in dict.fromkeys(sizes):
                bench.cubes.prepare(size, pixels=160 if given.quick else None)
            for size in given.size:
                for work in given.work:
                    try:
                        bench.compare(work, size)
                    except Unavailable as error:
                        bench.log(f"{work} {size}: {error}")
                        bench.note({"kind": "refused", "work": work, "size": size, "why": str(error)})
    except Unavailable as error:
        bench.wrong(str(error))
    except KeyboardInterrupt:
        bench.wrong("interrupted; `--resume` goes on")
    records = bench.lines()
    print(report.text(records, LIMITS))
    if not given.no_docs:
        docs = HERE.parent / "docs/benchmarks.md"
        docs.write_text(report.document(records, LIMITS), encoding="utf8")
    for text in bench.failed:
        print(f"WRONG: {text}")
    return 1 if bench.failed else 0


if __name__ == "__main__":
    sys.exit(main())
