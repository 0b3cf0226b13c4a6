"""Looks with GDAL and rio-cogeo at the GeoTIFFs that the tests of the sink wrote.

    EOLITH_TEST_OUTPUT=DIR cargo test -p eolith-engine --lib sink::cog
    EOLITH_TEST_OUTPUT=DIR pytest tests/python/test_cog.py      (needs rasterio, rio-cogeo)
"""

import os
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rio_cogeo import cogeo

if "EOLITH_TEST_OUTPUT" not in os.environ:
    raise RuntimeError("EOLITH_TEST_OUTPUT names no folder with the files of the Rust tests: run `cargo xtask test`")
OUTPUT = os.environ["EOLITH_TEST_OUTPUT"]
FILES = sorted(Path(OUTPUT).glob("*/*.tif"))


def pixels(bands, height, width):
    """The pixels of the Rust tests; NaN is no-data."""
    band, y, x = np.ogrid[:bands, :height, :width]
    n = band * 53 + y * 7 + x * 3
    return np.where(n % 11 != 0, n % 251 * 0.5, np.nan)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_file_is_a_valid_cog(path):
    valid, errors, warnings = cogeo.cog_validate(path, strict=True)
    assert (valid, errors, warnings) == (True, [], [])


@pytest.mark.parametrize("codec", ["deflate", "zstd", "lzw", "none"])
def test_floats(codec):
    with rasterio.open(Path(OUTPUT) / "floats" / f"{codec}.tif") as file:
        np.testing.assert_array_equal(file.read(), pixels(2, 700, 900).astype("float32"))
        assert file.crs.to_epsg() == 32633
        assert file.transform[:6] == (10, 0, 500000, 0, -10, 4600000)
        assert np.isnan(file.nodata)
        assert file.descriptions == ("red & <green>", "nir")
        assert (file.scales, file.units) == ((0.25, 1.0), ("W/m²", None))
        assert file.overviews(1) == [2, 4]
        assert file.block_shapes == [(256, 256)] * 2
        assert (file.profile.get("compress") or "none").lower() == codec


def test_overviews_are_means():
    path = Path(OUTPUT) / "overviews" / "means.tif"
    with rasterio.open(path, OVERVIEW_LEVEL=0) as file:
        found = file.read(1)
    full = np.pad(pixels(1, 67, 101)[0], ((0, 1), (0, 1)), constant_values=np.nan)
    with np.errstate(invalid="ignore"):
        expected = np.nanmean(full.reshape(34, 2, 51, 2), axis=(1, 3))
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", ["0", "1"])
def test_orders_are_north_up(name):
    with rasterio.open(Path(OUTPUT) / "orders" / f"{name}.tif") as file:
        found = file.read(masked=True)
        assert file.bounds == (500000, 4599700, 500400, 4600000)
    expected = pixels(2, 30, 40)
    np.testing.assert_array_equal(found.mask, np.isnan(expected))
    np.testing.assert_array_equal(found.compressed(), np.floor(expected[~np.isnan(expected)]))


@pytest.mark.parametrize("path", [p for p in FILES if p.parent.name == "types"], ids=lambda p: p.stem)
def test_types(path):
    with rasterio.open(path) as file:
        assert file.dtypes[0] == {"bool": "uint8"}.get(path.stem, path.stem)
        found = file.read(1, masked=True)
    expected = pixels(1, 20, 24)[0] % 2
    if path.stem == "bool":
        expected = np.where(np.isnan(expected), np.nan, expected != 0)
    np.testing.assert_array_equal(found.mask, np.isnan(expected))
    shown = expected[~np.isnan(expected)]
    np.testing.assert_array_equal(found.compressed(), shown if "float" in path.stem else np.floor(shown))


def test_systems_without_code():
    methods = ["Sinusoidal", "Lambert_Azimuthal", "Albers", "Lambert_Conformal", "Polar_Stereographic", "GEOGCS"]
    for n, method in enumerate(methods):
        with rasterio.open(Path(OUTPUT) / "systems" / f"{n}.tif") as file:
            assert method in file.crs.to_wkt(), (n, file.crs.to_wkt())
            assert file.read(1)[0].tolist() == [0, 1, 2, 3]
