"""What a plan declares to hold is what it holds."""

import json
import re

import numpy as np
import pytest
import rasterio.crs
import zarr

from binary import eolith, run
from graphs import graph, load, node, of, reducer, save

MIB = 1 << 20
DATES, SIZE, CHUNK = 24, 1024, 512
# Encoded bytes of a step on their way, thread stacks, what the allocator keeps.
SLACK = 24 * MIB


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("memory") / "cube.zarr"
    pixels = np.random.default_rng(3).integers(1, 9000, (DATES, SIZE, SIZE), dtype="u2")
    group = zarr.open_group(path, mode="w", zarr_format=3)

    def array(name, values, dims, chunks, **attributes):
        made = group.create_array(
            name, shape=values.shape, dtype=values.dtype, chunks=chunks, dimension_names=dims, attributes=attributes
        )
        made[...] = values

    array("t", np.arange(DATES), ["t"], (DATES,), units="days since 2021-01-01", standard_name="time", axis="T")
    places = np.arange(SIZE) + 0.5
    array("y", 5_200_000 - 10 * places, ["y"], (SIZE,), standard_name="projection_y_coordinate", units="m", axis="Y")
    array("x", 600_000 + 10 * places, ["x"], (SIZE,), standard_name="projection_x_coordinate", units="m", axis="X")
    group.create_array("spatial_ref", shape=(), dtype="i8", attributes={"crs_wkt": rasterio.crs.CRS.from_epsg(32632).to_wkt()})
    array("B04", pixels, ["t", "y", "x"], (1, CHUNK, CHUNK), grid_mapping="spatial_ref", _FillValue=0)
    return f"cube={path}"


def reduced(process):
    made = node("reduce_dimension", data=of("load"), dimension="t", reducer=reducer(process))
    return graph(load=load("cube"), made=made, save=save("made", "GTiff"))


def declared(process, data, *options):
    plan = eolith("explain", "-", data, "--stage", "physical", *options, stdin=json.dumps(process))
    assert plan.code == 0, plan.stderr
    return max(int(found) for found in re.findall(r"at most (\d+) bytes each", plan.stdout))


@pytest.mark.parametrize("process", ["max", "mean", "sd", "median"])
def test_the_measured_peak_is_the_declared_one(process, data):
    options = ["--threads", "1", "--memory", "1G"]
    idle = run(graph(one=node("add", result=True, x=1, y=2)), data, options=options).peak_rss
    held = run(reduced(process), data, options=options).peak_rss - idle
    promised = declared(reduced(process), data, *options)
    result = SIZE * SIZE * 9
    assert held <= promised + result + SLACK, f"{held / MIB:.0f} MiB held, {promised / MIB:.0f} promised"


def test_streams_hold_little_of_a_long_axis(data):
    # All dates together have 48 MiB.
    assert declared(reduced("max"), data) < 24 * MIB
    assert declared(reduced("median"), data, "--memory", "128M") >= DATES * CHUNK * CHUNK * 2


def test_what_cannot_fit_names_the_figure(data):
    failed = eolith("run", "-", data, "--discard", "--memory", "8M", stdin=json.dumps(reduced("median")))
    assert failed.code == 1
    assert "ProcessGraphComplexity" in failed.stderr and re.search(r"needs [\d.]+ MiB", failed.stderr), failed.stderr
    assert "--memory" in failed.stderr or "memory limit" in failed.stderr
