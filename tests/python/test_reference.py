"""Figures of real data that were worked out with other tools.

Collected only where the reference data is; `test_containers.py` asks the same of generated data.
"""

import json

import numpy as np
import pytest
import xarray as xr

import graphs
from binary import REAL, ROOT, eolith, run

EXPECTED = json.loads((REAL / "expected.json").read_text())


@pytest.fixture
def computed(tmp_path):
    """Runs nodes that end in `last` over a data set `c`."""

    def compute(data, last, **nodes):
        output = tmp_path / f"{len(list(tmp_path.iterdir()))}.nc"
        run(graphs.graph(**nodes, save=graphs.save(last, "netCDF")), f"c={data}", output=output)
        return xr.open_dataset(output)

    return compute


@pytest.fixture
def loaded(tmp_path):
    """Loads a data set through netCDF."""

    def load(data, **arguments):
        output = tmp_path / f"{len(list(tmp_path.iterdir()))}.nc"
        run(graphs.whole("c", **arguments), f"c={data}", output=output)
        return xr.open_dataset(output)

    return load


def spatial_mean(array):
    return array.astype("f8").mean([dim for dim in array.dims if dim != "t"])


def only_band(file):
    (name,) = (name for name in file.data_vars if file[name].ndim > 1)
    return file[name]


def test_every_data_set_is_listed():
    listed = eolith("collections", REAL)
    assert listed.code == 0, listed.stderr
    ids = [line.split()[0] for line in listed.stdout.splitlines()]
    assert len(ids) == len(set(ids))
    scenes = [folder.name for folder in (REAL / "cogs").iterdir()]
    cubes = [path.name.split(".")[0] for path in (REAL / "cubes").iterdir()]
    for name in {*scenes, *cubes}:
        assert any(name in one for one in ids), f"{name} is not among {ids}"
    # Both catalogues list all scenes.
    assert len(ids) >= 2 * len(scenes) + len(cubes), ids


@pytest.mark.parametrize("path", ["stac-1.1/s2-l1c-slovenia/collection.json", "cubes/s2_l1c_slovenia.v3.zarr"])
def test_slovenia(loaded, path):
    expected = EXPECTED["s2_l1c_slovenia"]
    file = loaded(REAL / path)
    for band, means in expected["mean_dn"].items():
        np.testing.assert_allclose(spatial_mean(file[band]), means, rtol=1e-12)
        np.testing.assert_array_equal(file[band][:, 60, 40], expected["pixel_row60_col40_dn"][band])


def over_time(process_id):
    return graphs.node(
        "reduce_dimension", data=graphs.of("load"), dimension="t", reducer=graphs.reducer(process_id)
    )


@pytest.mark.parametrize("path", ["stac-1.0/s2-l1c-slovenia/collection.json", "cubes/s2_l1c_slovenia.nc"])
@pytest.mark.parametrize("process_id", ["median", "max"])
def test_slovenia_over_time(computed, path, process_id):
    file = computed(REAL / path, "best", load=graphs.load("c"), best=over_time(process_id))
    for band, mean in EXPECTED["s2_l1c_slovenia"][f"{process_id}_over_time_mean_dn"].items():
        np.testing.assert_allclose(float(file[band].astype("f8").mean()), mean, rtol=1e-9)


def test_slovenia_ndvi_of_each_date(computed):
    ndvi = graphs.node("ndvi", data=graphs.of("load"))
    file = computed(REAL / "cubes/s2_l1c_slovenia.v3-sharded.zarr", "ndvi", load=graphs.load("c"), ndvi=ndvi)
    found = spatial_mean(only_band(file))
    np.testing.assert_allclose(found, EXPECTED["s2_l1c_slovenia"]["ndvi_mean"], rtol=0, atol=1e-6)


def layer(name):
    """One band of the series, without the dimension of bands."""
    return graphs.node("drop_dimension", data=graphs.of(name), name="bands")


CLOUD_FREE = {
    "values": graphs.load("c", bands=["NDVI"]),
    "clouds": graphs.load("c", bands=["CLM"]),
    "flat_values": layer("values"),
    "flat_clouds": layer("clouds"),
    "load": graphs.node("mask", data=graphs.of("flat_values"), mask=graphs.of("flat_clouds")),
}


@pytest.mark.parametrize("path", ["stac-1.1/s2-ndvi-slovenia/collection.json", "cubes/s2_ndvi_slovenia.v3.zarr"])
def test_slovenia_without_clouds(computed, path):
    expected = EXPECTED["s2_ndvi_slovenia"]
    mean = only_band(computed(REAL / path, "mean", **CLOUD_FREE, mean=over_time("mean"))).astype("f8")
    assert abs(float(mean.mean()) - expected["cloudfree_mean_over_time_mean"]) < 1e-6
    count = only_band(computed(REAL / path, "count", **CLOUD_FREE, count=over_time("count")))
    assert [int(count.min()), int(count.max())] == expected["cloudfree_count_range"]
    clouds = computed(REAL / path, "flat", load=graphs.load("c", bands=["CLM"]), flat=layer("load"))
    found = spatial_mean(only_band(clouds))
    np.testing.assert_allclose(found, expected["cloud_fraction_per_date"], rtol=1e-12)


def test_slovenia_monthly(computed):
    expected = EXPECTED["s2_ndvi_slovenia"]["monthly_mean_ndvi_pixel_row60_col40"]
    months = graphs.node(
        "aggregate_temporal_period", data=graphs.of("flat"), period="month", reducer=graphs.reducer("mean")
    )
    load = graphs.load("c", bands=["NDVI"])
    path = REAL / "stac-1.1/s2-ndvi-slovenia/collection.json"
    series = only_band(computed(path, "months", load=load, flat=layer("load"), months=months))[:, 60, 40]
    found = {str(month): float(value) for month, value in zip(series["t"].values, series.values) if value == value}
    assert sorted(found) == sorted(expected)
    for month, mean in expected.items():
        assert abs(found[month] - mean) < 1e-6, month


@pytest.mark.parametrize("path", ["stac-1.0/s2-ndvi-slovenia/collection.json", "cubes/s2_ndvi_slovenia.v2.zarr"])
def test_slovenia_ndvi_series(loaded, path):
    expected = EXPECTED["s2_ndvi_slovenia"]
    file = loaded(REAL / path)
    assert file.sizes["t"] == expected["n_dates"]
    np.testing.assert_allclose(spatial_mean(file["NDVI"]), expected["ndvi_mean_per_date"], rtol=0, atol=1e-7)
    best = float(file["NDVI"].astype("f8").max("t").mean())
    assert abs(best - expected["max_ndvi_over_time_mean"]) < 1e-6


def test_bolzano(loaded):
    expected = EXPECTED["s2_l2a_bolzano"]
    file = loaded(REAL / "stac-1.1/s2-l2a-bolzano/collection.json")
    for band, mean in expected["mean_dn"].items():
        # The figures count no-data as the zeros that are stored.
        stored = spatial_mean(file[band].fillna(0))
        np.testing.assert_allclose(float(stored[0]), mean, rtol=1e-9)
        assert int(file[band][0, 100, 200]) == expected["pixel_row100_col200"][band]


def test_bolzano_ndvi(computed, loaded):
    path = REAL / "stac-1.0/s2-l2a-bolzano/collection.json"
    ndvi = graphs.node("ndvi", data=graphs.of("load"))
    found = only_band(computed(path, "ndvi", load=graphs.load("c"), ndvi=ndvi)).astype("f8")
    # The figure counts the zeros that stand for no-data in one of the bands; ours has no index there.
    stored = loaded(path).fillna(0).astype("f8")
    missing = found.isnull()
    assert bool(((stored["B04"] * stored["B08"] == 0) == missing).all())
    zeros = (stored["B08"] - stored["B04"]) / (stored["B08"] + stored["B04"])
    mean = float(xr.where(missing, zeros, found).mean())
    assert abs(mean - EXPECTED["s2_l2a_bolzano"]["ndvi_mean"]) < 1e-6


@pytest.mark.parametrize("path", [ROOT / "samples/landsat7-olinda", REAL / "stac-1.0/landsat7-olinda/collection.json"])
def test_landsat7(loaded, path):
    file = loaded(path)
    found = [float(spatial_mean(file[band])[0]) for band in ("B1", "B2", "B3", "B4", "B5", "B7")]
    np.testing.assert_allclose(found, EXPECTED["landsat7_olinda"]["mean_dn"], rtol=1e-9)


@pytest.mark.parametrize(("key", "name"), [("dem_slovenia", "dem-slovenia"), ("dem_olinda", "dem-olinda")])
def test_elevations(loaded, key, name):
    file = loaded(REAL / f"stac-1.1/{name}/collection.json", bands=["DEM"])
    np.testing.assert_allclose(float(only_band(file).astype("f8").mean()), EXPECTED[key]["mean"], rtol=1e-9)


@pytest.mark.parametrize("scene", sorted(EXPECTED["landsat8_nyc"]))
def test_new_york(loaded, scene):
    expected = EXPECTED["landsat8_nyc"][scene]
    pixels = only_band(loaded(REAL / "cogs/landsat8-nyc" / scene / "B4.tif")).astype("f8")
    assert int(pixels.notnull().sum()) == expected["valid_px"]
    np.testing.assert_allclose(float(pixels.mean()), expected["B4_mean_valid"], rtol=1e-9)


@pytest.mark.parametrize("date", sorted(EXPECTED["modis_ndvi_global"]))
def test_world_ndvi(loaded, date):
    expected = EXPECTED["modis_ndvi_global"][date]
    days = [date, str(np.datetime64(date) + 1)]
    pixels = only_band(loaded(REAL / "stac-1.1/modis-ndvi-global/collection.json", temporal_extent=days)).astype("f8")
    assert int(pixels.notnull().sum()) == expected["valid"]
    np.testing.assert_allclose(float(pixels.mean()), expected["mean_valid"], rtol=1e-9)


@pytest.mark.parametrize("name", ["bcsd_obs_1999.nc", "bcsd_obs_1999.v2.zarr", "bcsd_obs_1999.v3.zarr"])
def test_monthly_weather(loaded, name):
    expected = EXPECTED["bcsd_obs_1999"]
    file = loaded(REAL / "cubes" / name)
    time = next(dim for dim in file["tas"].dims if file[dim].dtype.kind == "M")
    space = [dim for dim in file["tas"].dims if dim != time]
    np.testing.assert_allclose(file["tas"].astype("f8").mean(space), expected["tas_mean"], rtol=1e-6)
    np.testing.assert_allclose(file["pr"].astype("f8").sum(space), expected["pr_sum_valid"], rtol=1e-6)
