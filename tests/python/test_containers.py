"""The same pixels, whatever they are stored in."""

import json

import numpy as np
import pytest
import rasterio
import xarray as xr

import cubes
import graphs
from binary import eolith, run


@pytest.mark.parametrize("container", cubes.CONTAINERS)
def test_ndvi_maximum_is_numpys(cube, container, tmp_path):
    output = tmp_path / "max.tif"
    run(graphs.ndvi_maximum("cube"), f"cube={cube.paths[container]}", output=output)
    expected = cube.ndvi().max(axis=0)
    with rasterio.open(output) as file:
        pixels = file.read(1, masked=True)
        assert file.crs.to_epsg() == cube.epsg
        left, top, dx, dy = cube.origin
        np.testing.assert_allclose(file.transform[:6], (dx, 0, left, 0, dy, top), rtol=1e-9, atol=1e-9)
    assert np.array_equal(np.ma.getmaskarray(pixels), np.ma.getmaskarray(expected))
    np.testing.assert_allclose(pixels.compressed(), expected.compressed(), rtol=0, atol=1e-6)


def test_checksums_are_equal(cube):
    given = [f"cube={path}" for path in cube.paths.values()]
    figures = [run(graphs.ndvi_maximum("cube"), data).figures for data in given]
    assert len({one["checksum"] for one in figures}) == 1
    small = run(graphs.ndvi_maximum("cube"), given[0], options=["--memory", "32M", "--threads", "1"])
    assert small.figures["checksum"] == figures[0]["checksum"]
    assert all(one["outputs"] == [] and one["wall_s"] > 0 and one["tasks"] > 0 for one in figures)


@pytest.mark.parametrize("container", cubes.CONTAINERS)
def test_means_of_all_bands(cube, container, tmp_path):
    output = tmp_path / "all.nc"
    run(graphs.whole("cube"), f"cube={cube.paths[container]}", output=output)
    with xr.open_dataset(output) as file:
        for band, pixels in cube.bands.items():
            means = file[band].astype("f8").mean(("x", "y")).values
            np.testing.assert_allclose(means, pixels.mean(axis=(1, 2)), rtol=1e-12, err_msg=band)
        times = file.t.values.astype("datetime64[s]")
        assert times.tolist() == [np.datetime64(date.rstrip("Z"), "s").item() for date in cube.dates]


def test_every_container_is_listed(cube):
    listed = eolith("collections", *(f"{name}={path}" for name, path in cube.paths.items()))
    assert listed.code == 0, listed.stderr
    assert [line.split()[0] for line in listed.stdout.splitlines()] == sorted(cube.paths)
    assert "not usable" not in listed.stderr


def test_a_missing_collection_is_an_issue(cube):
    failed = eolith("run", "-", f"cube={cube.paths['zarr-3']}", "--discard", stdin=json.dumps(graphs.whole("cubes")))
    assert failed.code == 1
    assert "CollectionNotFound" in failed.stderr and "load" in failed.stderr
