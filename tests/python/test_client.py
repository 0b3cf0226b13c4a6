"""The openEO Python client from PyPI against a real server."""

import numpy as np
import openeo
import pytest
import rasterio
import requests
import xarray as xr
from openeo.rest import OpenEoApiError

import graphs


@pytest.fixture(scope="module")
def connection(server):
    user, password = server.credentials()
    connection = openeo.connect(server.root + "/openeo/1.2")
    connection.authenticate_basic(user, password)
    return connection


def test_collections(connection, cube):
    assert set(connection.list_collection_ids()) == {*cube.paths, "sample"}
    described = connection.describe_collection("zarr-3")
    dimensions = described["cube:dimensions"]
    assert {"x", "y", "t", "bands"} == set(dimensions)
    assert dimensions["bands"]["values"] == list(cube.bands)
    assert dimensions["x"]["reference_system"] == cube.epsg
    assert described["extent"]["temporal"]["interval"][0][0] == cube.dates[0]


def test_processes(connection):
    listed = {process["id"]: process for process in connection.list_processes()}
    assert {"load_collection", "ndvi", "reduce_dimension", "save_result", "add", "max"} <= set(listed)
    assert [p["name"] for p in listed["ndvi"]["parameters"]][:3] == ["data", "nir", "red"]
    assert {"GTiff", "netCDF", "Zarr", "PNG", "JSON"} <= set(connection.list_file_formats()["output"])


@pytest.mark.parametrize("collection", ["cog-stac-1.1", "zarr-2", "netcdf"])
def test_ndvi_maximum_as_geotiff(connection, cube, collection, tmp_path):
    data = connection.load_collection(collection, bands=["B04", "B08"])
    composite = data.ndvi(nir="nir", red="red").max_time()
    composite.download(tmp_path / "max.tif", format="GTiff")
    expected = cube.ndvi().max(axis=0)
    with rasterio.open(tmp_path / "max.tif") as file:
        pixels = file.read(1, masked=True)
        assert file.crs.to_epsg() == cube.epsg
    np.testing.assert_allclose(pixels.filled(np.nan), expected.filled(np.nan), rtol=0, atol=1e-6)


def test_band_arithmetic_as_netcdf(connection, cube, tmp_path):
    data = connection.load_collection("zarr-3", bands=["B08", "B04"])
    ratio = data.band("B08") / (data.band("B04") + 1)
    ratio.download(tmp_path / "ratio.nc", format="netCDF")
    red, nir = (cube.bands[name].astype("f8") for name in ("B04", "B08"))
    with xr.open_dataset(tmp_path / "ratio.nc", decode_coords="all") as file:
        assert file.rio.crs.to_epsg() == cube.epsg
        (name,) = file.data_vars
        np.testing.assert_allclose(file[name].values, (nir / (red + 1)).filled(np.nan), rtol=1e-12)


def test_filters(connection, cube, tmp_path):
    left, top, dx, dy = cube.origin
    box = {"west": left + 10.2 * dx, "east": left + 30.1 * dx, "north": top + 5.3 * dy, "south": top + 25.4 * dy}
    data = connection.load_collection(
        "zarr-3", spatial_extent={**box, "crs": cube.epsg}, temporal_extent=[cube.dates[1], cube.dates[3]], bands=["B03"]
    )
    data.download(tmp_path / "part.nc", format="netCDF")
    with xr.open_dataset(tmp_path / "part.nc") as file:
        assert file.sizes["t"] == 2
        pixels = file.B03.values
    # Pixels that the box touches are loaded, or those whose centres are inside: both are correct readings.
    rows, columns = pixels.shape[1:]
    assert rows in (20, 21) and columns in (20, 21)
    expected = cube.bands["B03"][1:3].astype("f8").filled(np.nan)
    first = 5 if rows == 21 else 5
    assert np.array_equal(pixels, expected[:, first : first + rows, 10 : 10 + columns], equal_nan=True)


def test_scalars(connection):
    assert connection.execute(graphs.graph(add=graphs.node("add", result=True, x=1, y=2.5))) == 3.5


def test_validation(connection):
    process = graphs.graph(add=graphs.node("add", x="one"), end=graphs.node("ad", result=True, x=1, y=2))
    problems = connection.validate_process_graph(process)
    assert {problem["code"] for problem in problems} >= {"ProcessUnsupported", "ProcessParameterRequired"}
    assert connection.validate_process_graph(graphs.ndvi_maximum("zarr-3")) == []


def test_errors_have_codes(connection):
    with pytest.raises(OpenEoApiError) as raised:
        connection.execute(graphs.whole("nothing"))
    assert raised.value.code == "CollectionNotFound" and raised.value.http_status_code in (400, 404)


def test_who_may_ask(server):
    assert requests.get(server.url).status_code == 200
    assert requests.get(server.url + "collections").status_code == 200
    assert requests.get(server.url + "me").status_code == 401
    answer = requests.post(server.url + "result", json={"process": graphs.whole("sample")})
    assert answer.status_code == 401 and answer.json()["code"] == "AuthenticationRequired"
    user, password = server.credentials()
    wrong = requests.get(server.url + "credentials/basic", auth=(user, password + "x"))
    assert wrong.status_code == 403 and wrong.json()["code"] == "CredentialsInvalid"
