"""Results open in the tools people use, with place, time and no-data."""

import numpy as np
import pytest
import rasterio
import rioxarray
import xarray as xr
from rio_cogeo import cog_validate

import graphs
from binary import eolith, run


@pytest.fixture(scope="module")
def data(cube):
    return f"cube={cube.paths['zarr-3']}"


def test_geotiff(cube, data, tmp_path):
    output = tmp_path / "max.tif"
    run(graphs.ndvi_maximum("cube"), data, output=output)
    valid, errors, warnings = cog_validate(output, strict=True, quiet=True)
    assert (valid, errors, warnings) == (True, [], [])
    with rioxarray.open_rasterio(output, masked=True) as file:
        assert file.rio.crs.to_epsg() == cube.epsg
        assert int(file.isnull().sum()) == int(np.ma.getmaskarray(cube.ndvi().max(axis=0)).sum())


def test_geotiff_of_a_series_is_a_file_a_date(cube, data, tmp_path):
    figures = run(graphs.whole("cube", "GTiff", bands=["B04", "B08"]), data, output=tmp_path / "series.tif").figures
    assert len(figures["outputs"]) == len(cube.dates)
    for i, path in enumerate(sorted(figures["outputs"])):
        with rasterio.open(path) as file:
            pixels = file.read(masked=True)
        for band, expected in zip(pixels, (cube.bands["B04"], cube.bands["B08"]), strict=True):
            assert np.ma.allequal(band, expected[i]) and band.dtype == np.uint16


@pytest.mark.parametrize("engine", ["netcdf4", "h5netcdf"])
def test_netcdf(cube, data, tmp_path, engine):
    output = tmp_path / "all.nc"
    run(graphs.whole("cube", bands=["B08", "B04"]), data, output=output)
    with xr.open_dataset(output, engine=engine, decode_coords="all") as file:
        assert file.rio.crs.to_epsg() == cube.epsg
        for band in ("B04", "B08"):
            assert file[band].dims == ("t", "y", "x")
            np.testing.assert_array_equal(file[band].values, cube.bands[band].astype("f8").filled(np.nan))
    with rasterio.open(f"netcdf:{output}:B04") as file:
        assert file.crs.to_epsg() == cube.epsg and file.count == len(cube.dates)
        np.testing.assert_allclose(file.transform[2], cube.origin[0])


def test_zarr(cube, data, tmp_path):
    output = tmp_path / "all.zarr"
    run(graphs.whole("cube", "Zarr"), data, output=output)
    with xr.open_zarr(output, decode_coords="all") as file:
        assert file.rio.crs.to_epsg() == cube.epsg
        assert file.t.dtype.kind == "M"
        for band, pixels in cube.bands.items():
            np.testing.assert_array_equal(file[band].values, pixels.astype("f8").filled(np.nan))


def test_zarr_is_read_back(cube, data, tmp_path):
    output = tmp_path / "again.zarr"
    run(graphs.whole("cube", "Zarr"), data, output=output)
    first = run(graphs.ndvi_maximum("cube"), data).figures
    again = run(graphs.ndvi_maximum("cube"), f"cube={output}").figures
    assert first["checksum"] == again["checksum"]


def test_png(cube, data, tmp_path):
    output = tmp_path / "max.png"
    run(graphs.ndvi_maximum("cube", "PNG"), data, output=output)
    with rasterio.open(output) as file:
        assert file.shape == cube.ndvi().shape[1:]
        assert file.read(1).max() > file.read(1).min()


def test_png_of_a_series_is_a_file_a_date(cube, data, tmp_path):
    figures = run(graphs.whole("cube", "PNG", bands=["B04"]), data, output=tmp_path / "series.png").figures
    assert len(figures["outputs"]) == len(cube.dates)
    for i, path in enumerate(sorted(figures["outputs"])):
        with rasterio.open(path) as file:
            assert file.shape == cube.bands["B04"][i].shape
            np.testing.assert_array_equal(file.dataset_mask() > 0, ~np.ma.getmaskarray(cube.bands["B04"][i]))


@pytest.fixture(scope="module")
def year(tmp_path_factory):
    path = tmp_path_factory.mktemp("year") / "year.zarr"
    assert eolith("sample", path, "--dates", "12", "--size", "512").code == 0
    return path


def saved(format, **options):
    return graphs.graph(load=graphs.load("year"), save=graphs.save("load", format, **options))


@pytest.mark.parametrize("options", [{}, {"compression": 1}, {"compression": 6, "chunks": {"t": 12}}])
def test_netcdf_larger_than_memory(year, options, tmp_path):
    output = tmp_path / "year.nc"
    run(saved("netCDF", **options), f"year={year}", output=output, options=["--memory", "16M"])
    deflated = options.get("compression", 0) > 0
    with xr.open_zarr(year, mask_and_scale=False) as expected, xr.open_dataset(output, mask_and_scale=False) as file:
        bands = [name for name in expected.data_vars if "t" in expected[name].dims]
        assert bands and sum(file[band].nbytes for band in bands) > 16 << 20
        for band in bands:
            np.testing.assert_array_equal(file[band].values, expected[band].values)
            assert (file[band].encoding["shuffle"], file[band].encoding["zlib"]) == (deflated, deflated)
    with rasterio.open(f"netcdf:{output}:{bands[0]}") as file, xr.open_zarr(year, mask_and_scale=False) as expected:
        np.testing.assert_array_equal(file.read(), expected[bands[0]].values)


def test_a_series_a_pixel_out_of_an_image_a_date(year, tmp_path):
    """Chunks of all dates out of chunks of one, in less memory than the pixels take: everything is read once."""
    output = tmp_path / "series.zarr"
    chunk = {"t": 12, "y": 64, "x": 64}
    # A file a chunk: shards of usual size do not fit into so little memory.
    process = saved("Zarr", chunks=chunk, shards=chunk)
    figures = run(process, f"year={year}", output=output, options=["--memory", "16M"]).figures
    stored = sum(file.stat().st_size for file in year.rglob("*") if file.is_file())
    assert figures["bytes_read"] <= stored
    with xr.open_zarr(year, mask_and_scale=False) as expected, xr.open_zarr(output, mask_and_scale=False) as file:
        bands = [name for name in expected.data_vars if "t" in expected[name].dims]
        assert sum(file[band].nbytes for band in bands) > 16 << 20
        for band in bands:
            assert file[band].encoding["chunks"] == (12, 64, 64)
            np.testing.assert_array_equal(file[band].values, expected[band].values)
