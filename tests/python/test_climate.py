"""Files of climate models and reanalyses: odd axes, calendars and many dimensions, beside xarray."""

import json

import numpy as np
import pytest
import xarray as xr

import graphs
from binary import collections, eolith, run

NORTH = {"units": "degrees_north", "standard_name": "latitude"}
EAST = {"units": "degrees_east", "standard_name": "longitude"}
STORES = ["netcdf", "zarr-2", "zarr-3"]


def write(data, folder, store, **encoding):
    if store == "netcdf":
        path = folder / "data.nc"
        data.to_netcdf(path, encoding=encoding, engine="netcdf4")
    else:
        path = folder / "data.zarr"
        data.to_zarr(path, zarr_format=int(store[-1]), encoding=encoding)
    return path


def globe(latitudes, longitudes, seed=3, **extra):
    """A variable over latitudes, longitudes and whatever is given before them."""
    random = np.random.default_rng(seed)
    coordinates = {**extra, "lat": ("lat", latitudes, NORTH), "lon": ("lon", longitudes, EAST)}
    shape = [len(np.atleast_1d(c[1] if isinstance(c, tuple) else c)) for c in coordinates.values()]
    pixels = random.normal(280, 10, shape).astype("f4")
    return xr.Dataset({"tas": (tuple(coordinates), pixels, {"units": "K"})}, coordinates)


def described(path, name="data"):
    return collections(f"{name}={path}")


def loaded(path, folder, collection="data", **arguments):
    output = folder / "out.nc"
    run(graphs.whole(collection, **arguments), f"data={path}", output=output)
    return xr.open_dataset(output, decode_times=False, mask_and_scale=False)


def box(west, south, east, north):
    return {"west": west, "south": south, "east": east, "north": north}


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("latitudes", [np.arange(-88.0, 89, 4), np.arange(88.0, -89, -4)], ids=["up", "down"])
def test_boxes_across_the_seam_of_0_to_360(store, latitudes, tmp_path):
    data = globe(latitudes, np.arange(0.0, 360, 2))
    path = write(data, tmp_path, store)
    record = described(path)["data"]
    assert record["cube:dimensions"]["lon"]["extent"] == [-1, 359]
    assert record["extent"]["spatial"]["bbox"][0][::2] == [-180, 180]
    for west, east in [(-10, 10), (-60, -20), (20, 60), (170, -170), (300, 320), (-180, 180)]:
        out = loaded(path, tmp_path, spatial_extent=box(west, -30, east, 30))
        until = east if west < east else east + 360
        # The same place by xarray: every longitude moved into the box.
        moved = data.assign_coords(lon=(data.lon - west) % 360 + west).sortby("lon")
        expected = moved.sel(lon=slice(west, until)).where(abs(moved.lat) <= 30, drop=True)
        assert np.array_equal(out.lon, expected.lon), (west, east)
        assert np.array_equal(out.lat, expected.lat)
        assert np.array_equal(out.tas, expected.tas)


def test_a_region_is_found_whatever_its_longitudes_count_from(tmp_path):
    path = write(globe(np.arange(40.0, 50), np.arange(340.0, 350)), tmp_path, "netcdf")
    out = loaded(path, tmp_path, spatial_extent=box(-15, 42, -12, 44))
    assert out.lon.values.tolist() == [-15, -14, -13, -12]
    with xr.open_dataset(path) as data:
        assert np.array_equal(out.tas, data.tas.sel(lon=slice(345, 348), lat=slice(42, 44)))
    plain = loaded(path, tmp_path)
    assert plain.lon.values.tolist() == list(range(340, 350))


@pytest.mark.parametrize("latitudes", [np.arange(-9.5, 10), np.arange(9.5, -10, -1)], ids=["up", "down"])
def test_images_are_north_up(latitudes, tmp_path):
    import rasterio

    data = globe(latitudes, np.arange(0.5, 12))
    path = write(data, tmp_path, "netcdf")
    output = tmp_path / "out.tif"
    run(graphs.whole("data", "GTiff"), f"data={path}", output=output)
    with rasterio.open(output) as file:
        assert file.transform[:6] == (1, 0, 0, 0, -1, 10)
        assert np.array_equal(file.read(1), data.tas.sortby("lat", ascending=False))


@pytest.mark.parametrize("calendar", ["noleap", "360_day", "all_leap", "julian", "standard"])
def test_calendars_of_models(calendar, tmp_path):
    import cftime

    days = np.arange(0, 720, 15)
    data = globe(np.arange(3.0), np.arange(4.0), time=("time", days))
    data.time.attrs = {"units": "days since 2003-12-01", "calendar": calendar}
    path = write(data, tmp_path, "netcdf")
    record = described(path)["data"]
    dates = cftime.num2date(days, "days since 2003-12-01", calendar=calendar)
    assert record["cube:dimensions"]["time"]["values"] == [f"{date.isoformat()}Z" for date in dates]
    # A month is that month whatever days the calendar gives it; a Julian date is the instant it means.
    out = loaded(path, tmp_path, temporal_extent=["2004-02-01", "2004-03-01"])
    inside = [date.year == 2004 and date.month == 2 for date in dates]
    if calendar == "julian":
        real = [cftime.num2date(d, "days since 2003-12-14", calendar="standard") for d in days]
        inside = [date.year == 2004 and date.month == 2 for date in real]
    assert sum(inside) == out.sizes["time"] > 0
    assert np.array_equal(out.tas, data.tas.values[inside])


def test_a_mean_over_days_that_never_were(tmp_path):
    days = np.arange(360)
    data = globe(np.arange(2.0), np.arange(3.0), time=("time", days))
    data.time.attrs = {"units": "days since 2001-01-01", "calendar": "360_day"}
    path = write(data, tmp_path, "zarr-3")
    output = tmp_path / "out.nc"
    graph = graphs.graph(
        load=graphs.load("data"),
        months=graphs.node(
            "aggregate_temporal_period", data=graphs.of("load"), period="month", reducer=graphs.reducer("mean")
        ),
        save=graphs.save("months", "netCDF"),
    )
    run(graph, f"data={path}", output=output)
    expected = data.tas.values.astype("f8").reshape(12, 30, 2, 3).mean(axis=1)
    with xr.open_dataset(output, decode_times=False) as out:
        np.testing.assert_allclose(out.tas, expected, rtol=1e-6)


@pytest.mark.parametrize("store", STORES)
def test_levels_members_and_lead_times(store, tmp_path):
    data = globe(
        np.arange(5.0),
        np.arange(6.0),
        time=("time", np.array(["2020-01-01", "2020-01-02"], dtype="datetime64[ns]")),
        number=("number", [0, 1, 2], {"standard_name": "realization"}),
        step=("step", [0, 6, 12, 24], {"units": "hours", "standard_name": "forecast_period"}),
        isobaricInhPa=("isobaricInhPa", [1000.0, 850.0, 500.0], {"units": "hPa", "positive": "down"}),
        scenario=("scenario", np.array(["ssp126", "ssp585"])),
    )
    if store == "zarr-3":
        data["scenario"] = data.scenario.astype("O")
    path = write(data, tmp_path, store)
    dimensions = described(path)["data"]["cube:dimensions"]
    assert dimensions["number"] == {"type": "other", "extent": [0, 2], "values": [0, 1, 2]}
    assert dimensions["step"]["values"] == [0, 6, 12, 24] and dimensions["step"]["type"] == "other"
    assert dimensions["isobaricInhPa"]["values"] == [1000, 850, 500]
    assert dimensions["scenario"] == {"type": "other", "values": ["ssp126", "ssp585"]}
    assert dimensions["time"]["type"] == "temporal"
    output = tmp_path / "out.nc"
    graph = graphs.graph(
        load=graphs.load("data"),
        level=graphs.node("filter_labels", data=graphs.of("load"), dimension="isobaricInhPa", condition=graphs.graph(
            only=graphs.node("eq", result=True, x=graphs.parameter("value"), y=850))),
        mean=graphs.node("reduce_dimension", data=graphs.of("level"), dimension="number", reducer=graphs.reducer("mean")),
        first=graphs.node("reduce_dimension", data=graphs.of("mean"), dimension="step", reducer=graphs.reducer("max")),
        save=graphs.save("first", "netCDF"),
    )
    run(graph, f"data={path}", output=output)
    expected = data.tas.astype("f8").sel(isobaricInhPa=[850.0]).mean("number").max("step")
    with xr.open_dataset(output) as out:
        assert out.tas.sizes["scenario"] == 2
        np.testing.assert_allclose(out.tas.transpose(*expected.dims), expected, rtol=1e-6)


@pytest.mark.parametrize("store", STORES)
def test_sets_of_dimensions_are_collections(store, tmp_path):
    times = ("time", np.array(["2020-01-01", "2020-01-02"], dtype="datetime64[ns]"))
    data = globe(np.arange(5.0), np.arange(6.0), time=times, level=("level", [1000.0, 850.0, 500.0]))
    random = np.random.default_rng(5)
    surface = {name: (("time", "lat", "lon"), random.random((2, 5, 6), dtype="f4")) for name in ("t2m", "tp")}
    data = data.assign(
        **surface,
        orog=(("lat", "lon"), random.random((5, 6))),
        hyam=("level", [0.5, 0.25, 0.125]),
        time_bnds=(("time", "bnds"), np.zeros((2, 2))),
        lat_bnds=(("lat", "bnds"), np.zeros((5, 2))),
    ).assign_coords(height=2.0, surface=("time", [1, 2]))
    data.time.attrs["bounds"] = "time_bnds"
    path = write(data, tmp_path, store)
    records = described(path)
    assert sorted(records) == ["data", "data/orog", "data/time-lat-lon"]
    bands = {name: record["cube:dimensions"]["bands"]["values"] for name, record in records.items()}
    assert bands == {"data": ["tas"], "data/orog": ["orog"], "data/time-lat-lon": ["t2m", "tp"]}
    assert "time" not in records["data/orog"]["cube:dimensions"]
    for name, variables in bands.items():
        out = loaded(path, tmp_path, name)
        for variable in variables:
            expected = data[variable].values
            assert np.array_equal(out[variable].values.reshape(expected.shape), expected), variable


@pytest.mark.parametrize("store", STORES)
def test_packed_integers_stay_packed(store, tmp_path):
    data = globe(np.arange(5.0), np.arange(6.0), time=("time", [0, 1], {"units": "days since 2000-01-01"}))
    data["tas"][0, 2, 3] = np.nan
    packing = {"dtype": "i2", "scale_factor": 0.01, "add_offset": 273.15, "_FillValue": -32768}
    path = write(data, tmp_path, store, tas=packing)
    band = described(path)["data"]["bands"][0] if "bands" in described(path)["data"] else None
    raw = xr.open_dataset(path, mask_and_scale=False, decode_times=False) if store == "netcdf" else xr.open_zarr(
        path, mask_and_scale=False, decode_times=False, consolidated=True)
    out = loaded(path, tmp_path)
    assert out.tas.dtype == np.int16 and np.array_equal(out.tas, raw.tas)
    summary = json.dumps(described(path)["data"])
    assert "0.01" in summary and "273.15" in summary, band


def test_gaussian_latitudes_have_no_grid_and_say_so(tmp_path):
    latitudes, _ = np.polynomial.legendre.leggauss(32)
    latitudes = np.degrees(np.arcsin(latitudes))[::-1]
    data = globe(latitudes, np.arange(0, 360, 5.625))
    path = write(data, tmp_path, "netcdf")
    record = described(path)["data"]
    np.testing.assert_allclose(record["cube:dimensions"]["lat"]["values"], latitudes)
    out = loaded(path, tmp_path, spatial_extent=box(10, -20, 40, 20))
    expected = data.tas.sel(lon=slice(10, 40)).where(abs(data.lat) <= 20, drop=True)
    assert np.array_equal(out.tas, expected)
    across = loaded(path, tmp_path, spatial_extent=box(-12, -20, 12, 20))
    rolled = data.assign_coords(lon=(data.lon + 180) % 360 - 180).sortby("lon").tas
    rolled = rolled.sel(lon=slice(-12, 12)).where(abs(rolled.lat) <= 20, drop=True)
    assert np.array_equal(across.tas, rolled) and np.array_equal(across.lon, rolled.lon)
    graph = graphs.graph(
        load=graphs.load("data"),
        warp=graphs.node("resample_spatial", data=graphs.of("load"), resolution=1, projection=4326),
        save=graphs.save("warp", "netCDF"),
    )
    refused = eolith("run", "-", f"data={path}", "--discard", stdin=json.dumps(graph))
    assert refused.code == 1 and "not evenly spaced" in refused.stderr, refused.stderr


def test_curvilinear_and_rotated_grids(tmp_path):
    y, x = np.mgrid[0:4, 0:5].astype("f8")
    places = {"nav_lat": (("j", "i"), y, NORTH), "nav_lon": (("j", "i"), x, EAST)}
    data = xr.Dataset({"sst": (("j", "i"), y * x)}, places)
    path = write(data, tmp_path, "netcdf")
    listed = eolith("collections", f"data={path}")
    assert "curvilinear" in listed.stderr and "nav_lat" in listed.stderr
    # The same without the attribute that tells of them, beside a variable that has a grid.
    data = data.reset_coords().assign(other=(("lat", "lon"), np.ones((2, 3))))
    data = data.assign_coords(lat=("lat", [1.0, 2.0], NORTH), lon=("lon", [1.0, 2.0, 3.0], EAST))
    (tmp_path / "mixed").mkdir()
    path = write(data, tmp_path / "mixed", "netcdf")
    records = described(path)
    assert list(records) == ["data"]
    assert records["data"]["cube:dimensions"]["bands"]["values"] == ["other"]
    rotated = xr.Dataset(
        {"tas": (("rlat", "rlon"), np.ones((2, 3)), {"grid_mapping": "rotated"}),
         "rotated": ((), 0, {"grid_mapping_name": "rotated_latitude_longitude", "grid_north_pole_latitude": 39.25})},
        {"rlat": ("rlat", [0.0, 1.0], {"standard_name": "grid_latitude", "units": "degrees"}),
         "rlon": ("rlon", [0.0, 1.0, 2.0], {"standard_name": "grid_longitude", "units": "degrees"})},
    )
    (tmp_path / "rotated").mkdir()
    path = write(rotated, tmp_path / "rotated", "netcdf")
    assert loaded(path, tmp_path).tas.shape[-2:] == (2, 3)
    bounded = graphs.whole("data", spatial_extent=box(0, 0, 1, 1))
    refused = eolith("run", "-", f"data={path}", "--discard", stdin=json.dumps(bounded))
    assert refused.code == 1 and "reference system" in refused.stderr, refused.stderr
