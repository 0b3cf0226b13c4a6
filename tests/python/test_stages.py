"""Values that many tasks share: no input is read more than twice, in little memory, with numpy's numbers."""

import json

import numpy as np
import pytest
import rasterio.crs
import xarray as xr
import zarr

from binary import eolith, run
from graphs import graph, load, node, of, parameter, reducer, save

DATES, SIZE, CHUNK = 12, 256, 32
# So little that the result takes many tasks and nothing of the input stays in memory.
LITTLE = ["--memory", "3M", "--threads", "2"]


@pytest.fixture(scope="module")
def cube(tmp_path_factory):
    """A Zarr cube of small chunks, and its pixels with NaN for no-data."""
    path = tmp_path_factory.mktemp("stages") / "cube.zarr"
    pixels = np.random.default_rng(7).integers(0, 4000, (DATES, SIZE, SIZE), dtype="u2")
    pixels[:, 40:60, 100:130] = 0
    group = zarr.open_group(path, mode="w", zarr_format=3)

    def array(name, values, dims, chunks, **attributes):
        made = group.create_array(
            name, shape=values.shape, dtype=values.dtype, chunks=chunks, dimension_names=dims, attributes=attributes
        )
        made[...] = values

    days = np.arange(DATES) * 30
    array("t", days, ["t"], (DATES,), units="days since 2021-01-01", standard_name="time", axis="T")
    places = np.arange(SIZE) + 0.5
    array("y", 5_200_000 - 10 * places, ["y"], (SIZE,), standard_name="projection_y_coordinate", units="m", axis="Y")
    array("x", 600_000 + 10 * places, ["x"], (SIZE,), standard_name="projection_x_coordinate", units="m", axis="X")
    wkt = rasterio.crs.CRS.from_epsg(32632).to_wkt()
    group.create_array("spatial_ref", shape=(), dtype="i8", attributes={"crs_wkt": wkt})
    array("B04", pixels, ["t", "y", "x"], (1, CHUNK, CHUNK), grid_mapping="spatial_ref", _FillValue=0)
    return path, np.where(pixels == 0, np.nan, pixels.astype("f8"))


@pytest.fixture(scope="module")
def once(cube):
    """Bytes of reading everything once, in plenty of memory."""
    figures = run(graph(load=load("cube"), save=save("load", "netCDF")), f"cube={cube[0]}").figures
    assert figures["bytes_read"] > DATES * SIZE * SIZE
    return figures["bytes_read"]


def flat():
    """The one band without its dimension."""
    return {"load": load("cube"), "x": node("drop_dimension", data=of("load"), name="bands")}


def minus(data, other):
    overlap = graph(only=node("subtract", result=True, x=parameter("x"), y=parameter("y")))
    return node("merge_cubes", cube1=of(data), cube2=of(other), overlap_resolver=overlap)


def reduce(data, dimension, process):
    return node("reduce_dimension", data=of(data), dimension=dimension, reducer=reducer(process))


def warp(data, resolution):
    return node("resample_spatial", data=of(data), projection=3857, resolution=resolution, method="bilinear")


def from_mean_of_time(pixels):
    return pixels - np.nanmean(pixels, axis=0)


def from_mean_of_space(pixels):
    # The mean of the means along x, as the graph says.
    return pixels - np.nanmean(np.nanmean(pixels, axis=2), axis=1)[:, None, None]


def months():
    starts = np.datetime64("2021-01-01") + np.arange(DATES) * np.timedelta64(30, "D")
    return starts.astype("M8[M]").astype(int) % 3


CASES = {
    "distance from the mean over time": (
        {**flat(), "mean": reduce("x", "t", "mean"), "made": minus("x", "mean")},
        from_mean_of_time,
    ),
    "distance from the mean over the area": (
        {
            **flat(),
            "rows": reduce("x", "x", "mean"),
            "mean": reduce("rows", "y", "mean"),
            "made": minus("x", "mean"),
        },
        from_mean_of_space,
    ),
    "largest distance from the mean": (
        {
            **flat(),
            "mean": reduce("x", "t", "mean"),
            "distance": minus("x", "mean"),
            "made": reduce("distance", "t", "max"),
        },
        lambda pixels: np.nanmax(from_mean_of_time(pixels), axis=0),
    ),
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("case", CASES)
def test_an_input_is_read_twice_at_most(case, cube, once, tmp_path):
    nodes, expected = CASES[case]
    process = graph(**nodes, save=save("made", "netCDF"))
    little = run(process, f"cube={cube[0]}", options=LITTLE).figures
    assert little["bytes_read"] <= 2.01 * once
    plenty = run(process, f"cube={cube[0]}", output=tmp_path / "plenty.nc").figures
    assert plenty["checksum"] == little["checksum"]
    with xr.open_dataset(tmp_path / "plenty.nc") as file:
        name = next(name for name in file.data_vars if file[name].ndim >= 2)
        found = file[name].transpose(..., "y", "x").values
    np.testing.assert_allclose(found, expected(cube[1]), rtol=1e-9, atol=1e-9)


def test_a_median_under_two_warps_is_made_once(cube, once):
    both = {**flat(), "median": reduce("x", "t", "median"), "fine": warp("median", 15), "coarse": warp("median", 40)}
    both["saved"] = node("save_result", data=of("fine"), format="GTiff")
    process = graph(**both, save=save("coarse", "GTiff"))
    little = run(process, f"cube={cube[0]}", options=LITTLE).figures
    plenty = run(process, f"cube={cube[0]}").figures
    assert little["checksum"] == plenty["checksum"]
    assert little["bytes_read"] <= 2.01 * once


def test_the_plan_says_what_is_stored(cube):
    nodes = {**flat(), "median": reduce("x", "t", "median"), "fine": warp("median", 15)}
    process = graph(**nodes, save=save("fine", "GTiff"))
    data = f"cube={cube[0]}"
    plan = eolith("explain", "-", data, "--stage", "physical", *LITTLE, stdin=json.dumps(process))
    assert plan.code == 0, plan.stderr
    assert "stage %" in plan.stdout and "root %" in plan.stdout
