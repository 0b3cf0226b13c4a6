"""`cargo xtask bench --processes`: what each process costs a pixel, beside what the machine could do.

Every process runs over the same uncompressed cube of 16-bit integers (36 dates, 4 bands, 1024 x 1024 pixels) that lies
in the page cache; results are computed and thrown away. Where as many pixels come out as go in, the time of loading
alone, which hands out as many, is taken off; where fewer come out, the time is that of the whole run, with reading. The
bound is the larger of two: the bytes of the pixels that go in and come out at the bandwidth that a copy reaches here with
all threads, and the time numpy needs for the same values in the first-level cache, divided by the threads. A process
that takes more than ten times its bound has to be explained in `EXPLAINED`, or the command fails.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

import report

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/benchmarks-processes.md"
DATES, BANDS, SIDE = 36, 4, 1024
MOST = 10
MIN_S = 0.005
# Calls that give about as many pixels as they get.
KEEPING = "apply apply_dimension apply_kernel add_dimension rename_dimension rename_labels mask mask_polygon merge_cubes anomaly flatten_dimensions resample_cube_spatial".split()
X, DATA = {"from_parameter": "x"}, {"from_parameter": "data"}

# Why a process is more than ten times off its bound.
LIBM = "a value at a time by the pinned libm, for the same bytes on every machine; numpy has vector code"
READING = "reading the files takes nearly all of it"
SORTING = "each pixel is sorted by comparisons with stable ties; numpy sorts with vector code"
EXPLAINED = {
    **dict.fromkeys("tan sinh cosh arctan arsinh exp ln log power".split(), LIBM),
    **dict.fromkeys(("first", "last"), READING),
    "sort": SORTING,
    "resample_spatial": "reading the files is in it, and an average weighs each pixel where the bound is that of a copy",
    "apply_neighborhood": "every window is cut out, computed by a plan of its own and put back",
    "trim_cube": "the cube is read twice: what has data has to be known before it can be cut",
}


def callback(process_id, **arguments):
    return {"process_graph": {"only": {"process_id": process_id, "arguments": arguments, "result": True}}}


def apply(process_id, kernel, **arguments):
    return process_id, "apply", {"process": callback(process_id, **(arguments or {"x": X}))}, kernel


def reduced(process_id, kernel, **arguments):
    return process_id, "reduce_dimension", {"dimension": "t", "reducer": callback(process_id, data=DATA, **arguments)}, kernel


def along(process_id, kernel, **arguments):
    return process_id, "apply_dimension", {"dimension": "t", "process": callback(process_id, data=DATA, **arguments)}, kernel


def calls():
    """Process, the process of cubes that carries it, its arguments besides `data`, and numpy for a block (t, n)."""
    for name in "absolute ceil floor sqrt sin cos tan sinh cosh tanh arcsin arccos arctan arsinh arcosh".split():
        kernel = getattr(np, {"arcosh": "arccosh", "arsinh": "arcsinh"}.get(name, name))
        yield apply(name, kernel)
    yield apply("artanh", np.arctanh)
    yield apply("ln", np.log)
    yield apply("exp", np.exp, p=X)
    yield apply("log", lambda v: np.log(v) / np.log(3), x=X, base=3)
    yield apply("sgn", np.sign)
    yield apply("int", np.trunc)
    yield apply("round", np.rint, x=X, p=1)
    yield apply("power", lambda v: v**2.5, base=X, p=2.5)
    for name in ("add", "subtract", "multiply", "divide"):
        yield apply(name, lambda v, name=name: getattr(np, name)(v, 3.5), x=X, y=3.5)
    yield apply("mod", lambda v: np.mod(v, 7), x=X, y=7)
    yield apply("arctan2", lambda v: np.arctan2(v, 3), y=X, x=3)
    yield apply("normalized_difference", lambda v: (v - 3) / (v + 3), x=X, y=3)
    yield apply("clip", lambda v: np.clip(v, 5, 900), x=X, min=5, max=900)
    yield apply("linear_scale_range", lambda v: np.clip(v, 0, 900) / 900, x=X, inputMin=0, inputMax=900)
    for name in ("eq", "neq", "gt", "gte", "lt", "lte"):
        yield apply(name, lambda v: v > 7, x=X, y=7)
    yield apply("between", lambda v: (v >= 5) & (v <= 900), x=X, min=5, max=900)
    for name in ("is_nodata", "is_valid", "is_nan", "is_infinite"):
        yield apply(name, np.isfinite)
    compared = {"from_node": "above"}
    for name, arguments in [("and", {"x": compared, "y": True}), ("or", {"x": compared, "y": False}), ("xor", {"x": compared, "y": True}), ("not", {"x": compared}), ("if", {"value": compared, "accept": 1, "reject": X})]:
        graph = {"above": {"process_id": "gt", "arguments": {"x": X, "y": 7}}, "only": {"process_id": name, "arguments": arguments, "result": True}}
        yield name, "apply", {"process": {"process_graph": graph}}, lambda v: (v > 7) & True
    yield apply("constant", np.zeros_like, x=1)
    for name in ("pi", "e", "nan"):
        yield name, "apply", {"process": callback(name)}, np.zeros_like
    kernels = {
        "min": np.min, "max": np.max, "sum": np.sum, "mean": np.mean, "product": np.prod, "median": np.median, "sd": np.std,
        "variance": np.var, "first": lambda v, axis: v[0], "last": lambda v, axis: v[-1], "count": lambda v, axis: np.isfinite(v).sum(axis),
    }
    for name, kernel in kernels.items():
        yield reduced(name, lambda v, kernel=kernel: kernel(v, axis=0))
    yield reduced("array_element", lambda v: v[5], index=5)
    yield along("extrema", lambda v: (v.min(0), v.max(0)))
    yield along("quantiles", lambda v: np.quantile(v, [0.1, 0.5, 0.9], axis=0), probabilities=[0.1, 0.5, 0.9])
    for name, kernel in [("cumsum", np.cumsum), ("cumproduct", np.cumprod), ("cummin", np.minimum.accumulate), ("cummax", np.maximum.accumulate)]:
        yield along(name, lambda v, kernel=kernel: kernel(v, axis=0))
    yield along("sort", lambda v: np.sort(v, axis=0), nodata=True)
    yield along("order", lambda v: np.argsort(v, axis=0), nodata=True)
    yield along("rearrange", lambda v: v[::-1].copy(), order=list(range(DATES))[::-1])
    yield along("array_interpolate_linear", lambda v: (v[:-1] + v[1:]) / 2)
    yield "array_apply", "apply_dimension", {"dimension": "t", "process": callback("array_apply", data=DATA, process=callback("add", x=X, y=1))}, lambda v: v + 1
    mean = callback("mean", data=DATA)
    for name, process_id in [("all", "gt"), ("any", "gt")]:
        graph = {
            "flags": {"process_id": "array_apply", "arguments": {"data": DATA, "process": callback(process_id, x=X, y=7)}},
            "only": {"process_id": name, "arguments": {"data": {"from_node": "flags"}}, "result": True},
        }
        yield name, "reduce_dimension", {"dimension": "t", "reducer": {"process_graph": graph}}, lambda v: (v > 7).all(0)
    for process_id, kernel in (("mean", lambda v: np.where(v > 7, v, 0).mean(0)), ("count", lambda v: (v > 7).sum(0))):
        above = {"process_id": "array_filter", "arguments": {"data": DATA, "condition": callback("gt", x=X, y=7)}}
        graph = {"kept": above, "only": {"process_id": process_id, "arguments": {"data": {"from_node": "kept"}}, "result": True}}
        yield "array_filter" if process_id == "mean" else "array_filter, count", "reduce_dimension", {"dimension": "t", "reducer": {"process_graph": graph}}, kernel
    yield "array_concat", "apply_dimension", {"dimension": "t", "process": callback("array_concat", array1=DATA, array2=[1, 2])}, np.copy
    yield reduced("array_contains", lambda v: (v == 7).any(0), value=7)
    yield reduced("array_find", lambda v: (v == 7).argmax(0), value=7)
    copy = np.copy
    cubes = [
        ("apply", {"process": callback("absolute", x=X)}, copy),
        ("reduce_dimension", {"dimension": "t", "reducer": mean}, lambda v: v.mean(0)),
        ("apply_dimension", {"dimension": "t", "process": callback("cumsum", data=DATA)}, lambda v: v.cumsum(0)),
        ("apply_kernel", {"kernel": [[1, 2, 1], [2, 4, 2], [1, 2, 1]], "factor": 0.0625}, lambda v: sum(v * w for w in range(1, 10))),
        ("filter_bands", {"bands": ["B1", "B3"]}, copy),
        ("filter_temporal", {"extent": ["2020-02-01", "2021-01-01"]}, copy),
        ("filter_bbox", {"extent": {"west": 500000, "south": 4995000, "east": 505000, "north": 5000000, "crs": 32633}}, copy),
        ("filter_labels", {"dimension": "bands", "condition": callback("neq", x={"from_parameter": "value"}, y="B1")}, copy),
        ("add_dimension", {"name": "run", "label": "a"}, copy),
        ("rename_dimension", {"source": "t", "target": "time"}, copy),
        ("rename_labels", {"dimension": "bands", "source": ["B1"], "target": ["one"]}, copy),
        ("ndvi", {"nir": "B4", "red": "B3"}, lambda v: (v[1:] - v[:-1]) / (v[1:] + v[:-1])),
        ("aggregate_temporal_period", {"period": "month", "reducer": mean}, lambda v: v.mean(0)),
        ("aggregate_temporal", {"intervals": [["2020-01-01", "2020-07-01"], ["2020-07-01", "2021-01-01"]], "reducer": mean}, lambda v: v.mean(0)),
        ("climatological_normal", {"period": "month", "climatology_period": [2020, 2021]}, lambda v: v.mean(0)),
        ("flatten_dimensions", {"dimensions": ["t", "bands"], "target_dimension": "layer"}, copy),
        ("aggregate_spatial_window", {"size": [8, 8], "reducer": mean}, lambda v: v.mean(0)),
        ("reduce_spatial", {"reducer": mean}, lambda v: v.mean()),
        ("apply_neighborhood", {"size": [{"dimension": "x", "value": 128, "unit": "px"}, {"dimension": "y", "value": 128, "unit": "px"}], "process": callback("apply", data=DATA, process=callback("add", x=X, y=1))}, lambda v: v + 1),
        ("trim_cube", {}, np.isfinite),
        ("resample_spatial", {"resolution": 20, "method": "average"}, copy),
        ("mask_polygon", {"mask": square()}, copy),
        ("filter_spatial", {"geometries": square()}, copy),
        ("aggregate_spatial", {"geometries": square(), "reducer": mean}, lambda v: v.mean()),
    ]
    for name, arguments, kernel in cubes:
        yield name, name, arguments, kernel
    yield "mask", "mask", {"mask": {"from_node": "other"}}, lambda v: np.where(v > 7, 0, v)
    yield "merge_cubes", "merge_cubes", {"overlap_resolver": callback("add", x=X, y={"from_parameter": "y"})}, lambda v: v + v


def square():
    ring = [[501000, 4999000], [509000, 4999000], [505000, 4991000], [501000, 4999000]]
    crs = {"type": "name", "properties": {"name": "EPSG:32633"}}
    return {"type": "Polygon", "coordinates": [ring], "crs": crs}


def graph(carrier, arguments):
    load = {"process_id": "load_collection", "arguments": {"id": "cube", "spatial_extent": None, "temporal_extent": None}}
    nodes = {"load": load}
    given = {"data": {"from_node": "load"}, **arguments}
    if carrier == "merge_cubes":
        given = {"cube1": given.pop("data"), "cube2": {"from_node": "load"}, **given}
    if carrier == "mask":
        above = callback("gt", x=X, y=900)
        nodes["other"] = {"process_id": "apply", "arguments": {"data": {"from_node": "load"}, "process": above}}
    nodes["only"] = {"process_id": carrier, "arguments": given, "result": True}
    return {"process_graph": nodes}


def store(folder, side):
    """The cube as Zarr of version 2 without compression, written once."""
    path = folder / f"processes-{side}.zarr"
    if (path / "done").exists():
        return path
    random = np.random.default_rng(5)
    chunk = min(256, side)
    arrays = {
        "t": (np.arange(DATES) * 20, "int64", {"units": "days since 2020-01-01", "standard_name": "time"}),
        "bands": (np.array([f"B{i + 1}" for i in range(BANDS)], "<U2"), "<U2", {}),
        "y": (5000095.0 - 10 * np.arange(side), "float64", {"standard_name": "projection_y_coordinate"}),
        "x": (500005.0 + 10 * np.arange(side), "float64", {"standard_name": "projection_x_coordinate"}),
    }
    path.mkdir(parents=True, exist_ok=True)
    (path / ".zgroup").write_text('{"zarr_format": 2}')
    (path / ".zattrs").write_text(json.dumps({"proj:code": "EPSG:32633"}))
    for name, (values, dtype, attributes) in arrays.items():
        array(path / name, values.shape, values.shape, np.dtype(dtype).str, {"_ARRAY_DIMENSIONS": [name], **attributes})
        (path / name / "0").write_bytes(values.astype(dtype).tobytes())
    array(path / "data", (DATES, BANDS, side, side), (1, 1, chunk, chunk), "<i2", {"_ARRAY_DIMENSIONS": ["t", "bands", "y", "x"], "grid_mapping": "crs"}, fill=-1)
    array(path / "crs", (), (), "<i4", {"_ARRAY_DIMENSIONS": [], "crs_wkt": "EPSG:32633", "spatial_ref": "EPSG:32633"})
    (path / "crs" / "0").write_bytes(np.int32(0).tobytes())
    for t in range(DATES):
        for b in range(BANDS):
            for row in range(-(-side // chunk)):
                for column in range(-(-side // chunk)):
                    pixels = random.integers(1, 1000, (chunk, chunk), dtype="i2")
                    pixels[random.random((chunk, chunk)) < 0.02] = -1
                    (path / "data" / f"{t}.{b}.{row}.{column}").write_bytes(pixels.tobytes())
    (path / "done").touch()
    return path


def array(path, shape, chunks, dtype, attributes, fill=None):
    path.mkdir(exist_ok=True)
    described = {"zarr_format": 2, "shape": list(shape), "chunks": list(chunks), "dtype": dtype, "compressor": None, "fill_value": fill, "filters": None, "order": "C"}
    (path / ".zarray").write_text(json.dumps(described))
    (path / ".zattrs").write_text(json.dumps(attributes))


def run(binary, cube, own, threads, times):
    """The least time of several runs, in seconds, or why there is none."""
    least = None
    for _ in range(times):
        command = [binary, "run", "-", f"cube={cube}", "--discard", "--json", "--threads", str(threads), "--memory", "2G"]
        done = subprocess.run(command, input=json.dumps(own), capture_output=True, text=True, timeout=600)
        if done.returncode:
            return None, done.stderr.strip().splitlines()[0]
        figures = json.loads(done.stdout.strip().splitlines()[-1])
        took = figures["compute_s"]
        least = took if least is None else min(least, took)
    return least, None


def bandwidth(threads):
    """Bytes a second that a copy reads and writes with all threads."""
    blocks = [(np.ones(1 << 25), np.empty(1 << 25)) for _ in range(threads)]
    best = 0
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(5):
            started = time.perf_counter()
            list(pool.map(lambda pair: np.copyto(pair[1], pair[0]), blocks))
            best = max(best, 2 * 8 * (1 << 25) * threads / (time.perf_counter() - started))
    return best


def arithmetic(kernel):
    """Nanoseconds numpy needs for a value that is in the cache."""
    block = np.random.default_rng(1).uniform(0.1, 0.9, (DATES, 64))
    with np.errstate(all="ignore"):
        kernel(block)
        started, count = time.perf_counter(), 0
        while time.perf_counter() - started < MIN_S:
            kernel(block)
            count += 1
    return (time.perf_counter() - started) / count / block.size * 1e9


def main():
    parser = argparse.ArgumentParser(prog="cargo xtask bench --processes", description=__doc__.split("\n")[0])
    parser.add_argument("--side", type=int, default=SIDE, help=f"pixels along x and y ({SIDE})")
    parser.add_argument("--times", type=int, default=3, help="runs of each, of which the fastest counts (3)")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--only", nargs="*", help="processes to measure")
    parser.add_argument("--no-docs", action="store_true", help="do not write docs/benchmarks-processes.md")
    parser.add_argument("--binary", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--reference", help=argparse.SUPPRESS)
    given = parser.parse_args()
    cube = store(given.folder, given.side)
    pixels = DATES * BANDS * given.side**2
    load = {"process_graph": {"load": {**graph("apply", {})["process_graph"]["load"], "result": True}}}
    alone, reason = run(given.binary, cube, load, given.threads, given.times + 1)
    if alone is None:
        sys.exit(f"the cube cannot be loaded: {reason}")
    speed = bandwidth(given.threads)
    rows, unexplained = [], []
    for name, carrier, arguments, kernel in calls():
        if given.only and name not in given.only:
            continue
        took, reason = run(given.binary, cube, graph(carrier, arguments), given.threads, given.times)
        if took is None:
            unexplained.append(f"{name} failed: {reason}")
            continue
        kept = carrier in KEEPING and name not in ("extrema", "quantiles")
        spent = max(took - alone * kept, 0) / pixels * 1e9
        # 16-bit integers come in, and doubles go out at most.
        out = 8 if kept else 8 / DATES
        memory, count = (2 + out) / speed * 1e9, arithmetic(kernel) / given.threads
        bound, kind = max((memory, "memory"), (count, "arithmetic"))
        ratio = spent / bound
        note = EXPLAINED.get(name, "") if ratio > MOST else ""
        if ratio > MOST and not note:
            unexplained.append(f"{name} takes {ratio:.1f} times its bound")
        rows.append(f"| `{name}` | {carrier} | {took / pixels * 1e9:.2f} | {spent:.2f} | {bound:.2f} | {kind} | {ratio:.1f} | {note} |")
        print(rows[-1], flush=True)
    if not given.no_docs and not given.only:
        PAGE.write_text(page(rows, given, alone / pixels * 1e9, speed))
    if unexplained:
        sys.exit("\n".join(unexplained))


def page(rows, given, load, speed):
    return "\n".join([
        "# What a process costs a pixel",
        "",
        "Made by `cargo xtask bench --processes`; how it measures stands in `benches/processes.py`. Times are nanoseconds for each",
        f"pixel of a cube of {DATES} dates, {BANDS} bands and {given.side} × {given.side} pixels of 16 bits, with {given.threads} threads. *All* is the whole run,",
        f"*own* is without loading ({load:.2f} ns) where as many pixels come out as go in. The bound is what memory ({speed / 1e9:.1f} GB/s for a copy) or arithmetic (numpy on values in",
        "the cache, divided by the threads) allow at best; *ratio* is own to bound. What is more than ten times off is explained.",
        "Processes of texts, dates, labels and files have no pixels and are not listed; what curves and forests take depends on",
        "the model.",
        "",
        f"Machine: {report.machine()}.",
        "",
        "| process | in | all | own | bound | of | ratio | why |",
        "|---|---|--:|--:|--:|---|--:|---|",
        *rows,
        "",
    ])


if __name__ == "__main__":
    main()
