"""How far resampled pixels are from where they should be, by pyproj, beside GDAL.

The bands `col` and `row` hold the number of their column and row, so that a resampled value is a place in source
pixels. `noise` shows what that means for values. `pytest -s` prints the figures.
"""

import numpy as np
import pytest
import rasterio.warp
import rioxarray  # noqa: F401  (the accessor `rio`)
import xarray as xr
from pyproj import Transformer
from rasterio.transform import from_origin

import graphs
from binary import run

LEFT, TOP, STEP, SIDE = 600_000.0, 5_200_000.0, 10.0, 1024
SAMPLES = 200_000


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    rows, cols = np.mgrid[0:SIDE, 0:SIDE].astype("f8")
    noise = np.random.default_rng(4).uniform(0, 10_000, (SIDE, SIDE))
    bands = {"col": cols, "row": rows, "noise": noise}
    coordinates = {"y": TOP - STEP * (np.arange(SIDE) + 0.5), "x": LEFT + STEP * (np.arange(SIDE) + 0.5)}
    data = xr.Dataset({name: (("y", "x"), band) for name, band in bands.items()}, coordinates)
    path = tmp_path_factory.mktemp("warp") / "source.zarr"
    chunks = {name: {"chunks": (256, 256)} for name in bands}
    data.rio.write_crs(32632).to_zarr(path, zarr_format=2, encoding=chunks)
    return path, bands


@pytest.mark.parametrize(("epsg", "resolution"), [(3857, 13.0), (3035, 9.0), (4326, 0.00009)])
def test_places_are_exact(source, tmp_path, epsg, resolution):
    path, bands = source
    warp = graphs.node(
        "resample_spatial", data=graphs.of("load"), projection=epsg, resolution=resolution, method="bilinear"
    )
    output = tmp_path / "warped.nc"
    run(graphs.graph(load=graphs.load("source"), warp=warp, save=graphs.save("warp", "netCDF")), f"source={path}", output=output)
    with xr.open_dataset(output) as file:
        x, y = file["x"].values, file["y"].values
        ours = {name: file[name].values.squeeze() for name in bands}
    dx, dy = (x[-1] - x[0]) / (len(x) - 1), (y[-1] - y[0]) / (len(y) - 1)
    corner = from_origin(x[0] - dx / 2, y[0] - dy / 2, dx, -dy)
    dice = np.random.default_rng(1)
    rows, cols = dice.integers(0, len(y), SAMPLES), dice.integers(0, len(x), SAMPLES)
    back = Transformer.from_crs(epsg, 32632, always_xy=True)
    east, north = back.transform(x[cols], y[rows])
    at_col, at_row = (east - LEFT) / STEP - 0.5, (TOP - north) / STEP - 0.5
    inside = (at_col > 1) & (at_row > 1) & (at_col < SIDE - 2) & (at_row < SIDE - 2)
    rows, cols, at_col, at_row = rows[inside], cols[inside], at_col[inside], at_row[inside]
    assert inside.sum() > SAMPLES / 2
    j, i = np.floor(at_row).astype(int), np.floor(at_col).astype(int)
    b, a = at_row - j, at_col - i

    def exact(band):
        upper = band[j, i] * (1 - a) + band[j, i + 1] * a
        return upper * (1 - b) + (band[j + 1, i] * (1 - a) + band[j + 1, i + 1] * a) * b

    def gdal(band):
        out = np.full((len(y), len(x)), np.nan)
        rasterio.warp.reproject(
            band, out, src_transform=from_origin(LEFT, TOP, STEP, STEP), src_crs=32632, dst_transform=corner,
            dst_crs=epsg, dst_nodata=np.nan, resampling=rasterio.warp.Resampling.bilinear, XSCALE=1, YSCALE=1,
        )
        return out

    for name, band in bands.items():
        off = np.abs(ours[name][rows, cols] - exact(band))
        theirs = np.abs(gdal(band)[rows, cols] - exact(band))
        print(
            f"\nEPSG:{epsg} {name}: eolith mean {np.nanmean(off):.2e} max {np.nanmax(off):.2e}, "
            f"gdal mean {np.nanmean(theirs):.2e} max {np.nanmax(theirs):.2e}, {len(off)} pixels",
            end="",
        )
        assert not np.isnan(off).any()
        assert off.mean() < np.nanmean(theirs) and off.max() < np.nanmax(theirs)
        if name != "noise":
            assert off.max() <= 0.01
