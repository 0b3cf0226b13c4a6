"""Files of users with the openEO Python client: uploaded, used by processes, fetched again."""

import json

import openeo
import pytest
import requests
from openeo.processes import process
from openeo.rest import OpenEoApiError

from binary import Server


@pytest.fixture(scope="module")
def server(sample, tmp_path_factory):
    state = tmp_path_factory.mktemp("state")
    with Server(f"sample={sample}", auth="none", state=state) as server:
        yield server


@pytest.fixture
def connection(server):
    connection = openeo.connect(server.root + "/openeo/1.2")
    connection.authenticate_basic("any", "thing")
    yield connection
    for file in connection.list_files():
        file.delete()


def test_a_file_comes_back_as_it_was(connection, tmp_path):
    local = tmp_path / "local.bin"
    local.write_bytes(bytes(range(256)) * 5000)
    connection.get_file("deep/er/münster a.bin").upload(local)
    (listed,) = connection.list_files()
    assert (str(listed.path), listed.metadata["size"]) == ("deep/er/münster a.bin", 256 * 5000)
    listed.download(tmp_path / "back.bin")
    assert (tmp_path / "back.bin").read_bytes() == local.read_bytes()
    local.write_bytes(b"shorter")
    connection.get_file("deep/er/münster a.bin").upload(local)
    (listed,) = connection.list_files()
    assert listed.metadata["size"] == 7
    listed.delete()
    assert connection.list_files() == []
    with pytest.raises(OpenEoApiError, match="FileNotFound"):
        listed.download(tmp_path / "gone")


def test_a_process_reads_an_uploaded_file(connection, tmp_path):
    point = {"type": "Feature", "properties": {"n": 7},
             "geometry": {"type": "Point", "coordinates": [11.2, 47.2]}}
    local = tmp_path / "points.geojson"
    local.write_text(json.dumps({"type": "FeatureCollection", "features": [point]}))
    connection.get_file("points/a.geojson").upload(local)
    loaded = process("load_uploaded_files", paths=["points/a.geojson"], format="GeoJSON")
    saved = connection.execute(process("save_result", data=loaded, format="GeoJSON"))
    assert saved["features"][0]["properties"]["n"] == 7


def test_a_body_that_breaks_off_leaves_nothing(connection, server):
    def parts():
        yield b"x" * 100_000
        raise ConnectionError("the client breaks off")

    url = server.root + "/openeo/1.2/files/half"
    with pytest.raises((ConnectionError, requests.ConnectionError)):
        requests.put(url, data=parts(), timeout=30)
    assert connection.list_files() == []
