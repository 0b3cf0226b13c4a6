"""Zones are read in strips of rows: the same bytes in any chunks, memory and threads, in the memory that is declared."""

import json
import re

import numpy as np
import pytest
import rasterio.features
import zarr
from rasterio.transform import from_origin

import cubes
from binary import eolith, run
from graphs import graph, load, node, of, reducer, save

MIB = 1 << 20
DATES, SIZE = 3, 700
LEFT, TOP, STEP = 600_000.0, 5_200_000.0, 10.0
# Chunks of t, y and x: some end inside of accumulation cells and zones, one holds a whole date, one all dates.
CHUNKS = [(1, 64, 64), (1, 100, 700), (1, 700, 700), (3, 90, 128)]
# Threads and memory.
MACHINES = [(2, "1G"), (1, "1G"), (8, "1G"), (2, "16M"), (8, "12M")]
REDUCERS = ["mean", "sd", "sum", "median", "count", "first", "last"]


def hidden():
    """Some pixels, and all of a block."""
    gaps = np.random.default_rng(9).random((DATES, SIZE, SIZE)) < 0.1
    gaps[1, 200:300, 200:300] = True
    return np.nonzero(gaps)


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    folder = tmp_path_factory.mktemp("zones")
    made = []
    for number, chunks in enumerate(CHUNKS):
        path = folder / f"{number}.zarr"
        cubes.chunked(path, DATES, SIZE, chunks, hidden=hidden())
        zarr.consolidate_metadata(path)
        made.append(path)
    return made


def rings(size, everything=True):
    """All pixels, some over many blocks, some inside of one, one outside."""
    dice = np.random.default_rng(5)
    side = size * STEP
    if everything:
        yield np.array([[LEFT, TOP], [LEFT + side, TOP], [LEFT + side, TOP - side], [LEFT, TOP - side]])
    for radius in [2500, 1500, 900, 400, 120, 40, 15] * 3:
        angle = np.sort(dice.random(9)) * 2 * np.pi
        far = radius * dice.uniform(0.5, 1, 9)
        x, y = LEFT + dice.uniform(0, side), TOP - dice.uniform(0, side)
        yield np.stack([x + far * np.cos(angle), y + far * np.sin(angle)], axis=1)
    yield np.array([[0, 0], [1, 0], [1, 1]])


def shapes(*arguments, **options):
    closed = [np.concatenate([ring, ring[:1]]) for ring in rings(*arguments, **options)]
    return [{"type": "Polygon", "coordinates": [ring.tolist()]} for ring in closed]


SHAPES = shapes(SIZE)


def zonal(process, data="load", extent=None, zones=SHAPES, **options):
    features = [{"type": "Feature", "id": str(i), "properties": {}, "geometry": shape} for i, shape in enumerate(zones)]
    crs = {"type": "name", "properties": {"name": "EPSG:32632"}}
    geometries = {"type": "FeatureCollection", "features": features, "crs": crs}
    kernel = node("apply_kernel", data=of("load"), kernel=[[1.0] * 5] * 5, factor=0.04)
    nodes = {"smooth": kernel} if data == "smooth" else {}
    made = node("aggregate_spatial", data=of(data), geometries=geometries, reducer=reducer(process), **options)
    return graph(load=load("cube", spatial_extent=extent), **nodes, zones=made, save=save("zones", "JSON"))


def checksum(process, store, threads=2, memory="1G"):
    return run(process, f"cube={store}", options=["--threads", threads, "--memory", memory]).figures["checksum"]


@pytest.mark.parametrize("process", REDUCERS)
def test_chunks_memory_and_threads_make_no_difference(stores, process):
    graph = zonal(process, target_dimension="statistics" if process == "mean" else None)
    seen = {checksum(graph, store) for store in stores}
    seen |= {checksum(graph, stores[0], *machine) for machine in MACHINES}
    assert len(seen) == 1


@pytest.mark.parametrize("process", ["mean", "median"])
def test_what_looks_around_is_read_in_strips_too(stores, process):
    graph = zonal(process, data="smooth")
    # All pixels in double precision, and the copy that a median sorts, have 9 MiB.
    seen = {checksum(graph, store) for store in stores} | {checksum(graph, stores[0], 2, "32M")}
    assert len(seen) == 1


def test_strips_of_a_part_are_those_of_its_chunks(stores):
    # It begins in the middle of a chunk.
    part = {"west": LEFT + 330, "east": LEFT + 6630, "south": TOP - 6670, "north": TOP - 370, "crs": 32632}
    graph = zonal("mean", extent=part)
    assert len({checksum(graph, store) for store in stores}) == 1
    figures = run(graph, f"cube={stores[0]}").figures
    # Its 630 rows and columns touch 11 chunks each way; each is decoded once.
    assert figures["bytes_decoded"] <= DATES * 11 * 11 * 64 * 64 * 2


@pytest.mark.parametrize("process", ["mean", "median", "sum"])
def test_values_are_those_of_numpy(stores, process, tmp_path):
    output = tmp_path / "zones.json"
    run(zonal(process), f"cube={stores[0]}", output=output, options=["--memory", "16M"])
    result = json.loads(output.read_text())
    found = np.array(result["values"], dtype="f8").reshape(DATES, len(SHAPES))
    values = np.ma.masked_equal(zarr.open_group(stores[0], mode="r")["B04"][...], 0)
    for i, shape in enumerate(SHAPES):
        grid = from_origin(LEFT, TOP, STEP, STEP)
        inside = rasterio.features.rasterize([shape], (SIZE, SIZE), transform=grid).astype(bool)
        for t in range(DATES):
            pixels = values[t][inside].compressed().astype("f8")
            expected = getattr(np, process)(pixels) if pixels.size else np.nan
            np.testing.assert_allclose(found[t, i], expected, rtol=1e-12, err_msg=f"zone {i}")


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A date has 32 MiB, a row of chunks 4 MiB."""
    path = tmp_path_factory.mktemp("large") / "cube.zarr"
    cubes.chunked(path, 4, 4096, (1, 512, 512))
    zarr.consolidate_metadata(path)
    return f"cube={path}"


@pytest.mark.parametrize("process", ["mean", "median"])
def test_no_date_is_held_and_none_is_stored(large, process):
    options = ["--threads", "1", "--memory", "1G"]
    # The pixels that a median needs at once are those of the zones, not of the cube.
    zones = zonal(process, zones=shapes(4096, everything=process == "mean"))
    plan = eolith("explain", "-", large, "--stage", "physical", *options, stdin=json.dumps(zones))
    assert plan.code == 0, plan.stderr
    assert "scratch 0 bytes" in plan.stdout and "each 1.0 times" in plan.stdout, plan.stdout
    promised = max(int(found) for found in re.findall(r"at most (\d+) bytes each", plan.stdout))
    assert promised < 32 * MIB
    idle = run(graph(one=node("add", result=True, x=1, y=2)), large, options=options).peak_rss
    held = run(zones, large, options=options).peak_rss - idle
    assert held <= promised + 24 * MIB, f"{held / MIB:.0f} MiB held, {promised / MIB:.0f} promised"
