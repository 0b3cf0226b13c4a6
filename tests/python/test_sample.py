"""The generated cube."""

import json

import numpy as np
import rasterio
import xarray as xr

from binary import ROOT, eolith, run


def files(folder):
    return {p.relative_to(folder): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_is_the_same_every_time(sample, tmp_path):
    again = tmp_path / "again.zarr"
    assert eolith("sample", again, "--dates", "5", "--size", "96").code == 0
    assert files(again) == files(sample)


def test_has_clouds_and_no_data(sample):
    with xr.open_zarr(sample, decode_coords="all", mask_and_scale=False) as cube:
        assert cube.rio.crs.to_epsg() == 32632
        assert cube.B04.shape == (5, 96, 96) and cube.B04.dtype == np.uint16
        classes = set(np.unique(cube.SCL.values).tolist())
        assert {0, 3, 4, 5, 9} <= classes <= {0, 3, 4, 5, 6, 8, 9}
        assert cube.B08.attrs["common_name"] == "nir"


def test_composite_of_the_demo(sample, tmp_path):
    graph = json.loads((ROOT / "samples/graphs/ndvi-maximum.json").read_text())
    output = tmp_path / "max.tif"
    run(graph, f"sentinel2-sample={sample}", output=output)
    with xr.open_zarr(sample, mask_and_scale=False) as cube:
        red, nir, scl = (cube[name].values for name in ("B04", "B08", "SCL"))
    bad = np.isin(scl, [0, 3, 8, 9, 10])
    red, nir = (np.ma.masked_array(band, bad).astype("f8") for band in (red, nir))
    expected = ((nir - red) / (nir + red)).max(axis=0)
    with rasterio.open(output) as file:
        pixels = file.read(1, masked=True)
    assert np.array_equal(np.ma.getmaskarray(pixels), np.ma.getmaskarray(expected))
    np.testing.assert_allclose(pixels.compressed(), expected.compressed(), rtol=0, atol=1e-6)


def test_the_landsat_scene(tmp_path):
    folder = ROOT / "samples/landsat7-olinda"
    graph = json.loads((ROOT / "samples/graphs/ndvi-landsat.json").read_text())
    output = tmp_path / "ndvi.tif"
    run(graph, folder, output=output)
    with rasterio.open(folder / "L7_ETMs.tif") as scene:
        red, nir = scene.read([3, 4]).astype("f8")
    with np.errstate(invalid="ignore"):
        expected = (nir - red) / (nir + red)
    with rasterio.open(output) as file:
        assert file.crs.to_epsg() == 31985
        pixels = file.read(1)
    known = np.isfinite(expected)
    np.testing.assert_allclose(pixels[known], expected[known], rtol=0, atol=1e-6)


def test_bad_options_are_refused(tmp_path):
    assert eolith("sample", tmp_path / "a.zarr", "--size", "0").code == 2
    assert eolith("sample", tmp_path / "no/such/folder/a.zarr").code == 1
