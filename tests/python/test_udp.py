"""User-defined processes with the openEO Python client: stored, used in graphs and callbacks, shared, read from a URL."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import openeo
import pytest
from openeo.api.process import Parameter
from openeo.processes import process
from openeo.rest import OpenEoApiError

from binary import Server


@pytest.fixture(scope="module")
def server(sample, tmp_path_factory):
    state = tmp_path_factory.mktemp("state")
    with Server(f"sample={sample}", "--allow-private", auth="none", state=state) as server:
        yield server


@pytest.fixture
def connection(server):
    connection = openeo.connect(server.root + "/openeo/1.2")
    connection.authenticate_basic("any", "thing")
    yield connection
    for stored in connection.list_user_defined_processes():
        connection.user_defined_process(stored["id"]).delete()


def store_celsius(connection, **more):
    fahrenheit = Parameter.number("f", description="Degrees Fahrenheit.")
    offset = Parameter.number("offset", description="Of the scale.", default=32)
    celsius = process("divide", x=process("subtract", x=fahrenheit, y=offset), y=1.8)
    connection.save_user_defined_process("celsius", celsius, parameters=[fahrenheit, offset], **more)


def test_a_process_is_stored_described_and_used(connection):
    store_celsius(connection, summary="To Celsius")
    (listed,) = connection.list_user_defined_processes()
    assert listed["id"] == "celsius" and listed["summary"] == "To Celsius"
    described = connection.user_defined_process("celsius").describe()
    assert [parameter["name"] for parameter in described["parameters"]] == ["f", "offset"]
    assert connection.execute(process("celsius", f=212)) == 100
    assert connection.execute(process("celsius", f=212, offset=212)) == 0
    assert connection.execute(process("celsius", namespace="user", f=process("add", x=200, y=12))) == 100
    connection.user_defined_process("celsius").delete()
    with pytest.raises(OpenEoApiError, match="ProcessUnsupported"):
        connection.execute(process("celsius", f=212))


def test_a_process_of_cubes_and_one_in_its_callback(connection):
    data = Parameter.array("data", description="Values.")
    spread = process("subtract", x=process("max", data=data), y=process("min", data=data))
    connection.save_user_defined_process("spread", spread, parameters=[data])
    cube = Parameter.raster_cube("cube")
    band = Parameter.string("band", description="Name.", default="B04")
    one = connection.datacube_from_process("filter_bands", data=cube, bands=[band])
    over_time = one.reduce_dimension(dimension="t", reducer=lambda data: process("spread", data=data))
    connection.save_user_defined_process("range_of_band", over_time, parameters=[cube, band])
    loaded = connection.load_collection("sample")
    used = connection.datacube_from_process("range_of_band", cube=loaded, band="B08")
    plain = loaded.filter_bands(["B08"])
    plain = plain.reduce_dimension(dimension="t", reducer=lambda data: data.max() - data.min())
    values = [np.array(connection.execute(cube.save_result("JSON").flat_graph())["values"]) for cube in (used, plain)]
    assert values[0].size > 1000 and np.array_equal(*values)


def test_a_public_process_is_found_by_its_canonical_link(connection):
    store_celsius(connection, public=True)
    described = connection.user_defined_process("celsius").describe()
    (canonical,) = (link["href"] for link in described["links"] if link["rel"] == "canonical")
    assert canonical.endswith("/processes/u:local/celsius")
    assert connection.execute(process("celsius", namespace=canonical, f=212)) == 100
    assert connection.execute(process("celsius", namespace="u:local", f=212)) == 100


class Catalogue(BaseHTTPRequestHandler):
    """A list of processes and one process; says which headers came."""

    seen = []

    def do_GET(self):
        self.seen.append(dict(self.headers))
        body = {
            "/list": {"processes": [double("double"), double("other")], "links": []},
            "/double": double("double"),
            "/large": {"processes": ["x" * (1 << 20)]},
        }.get(self.path)
        self.send_response(404 if body is None else 200)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_):
        pass


def double(name):
    graph = {"m": {"process_id": "multiply", "result": True,
                   "arguments": {"x": {"from_parameter": "x"}, "y": 2}}}
    parameter = {"name": "x", "description": "A number.", "schema": {"type": "number"}}
    return {"id": name, "parameters": [parameter], "process_graph": graph}


@pytest.fixture
def catalogue():
    server = HTTPServer(("127.0.0.1", 0), Catalogue)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    Catalogue.seen.clear()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_a_process_is_read_from_a_url_without_the_token(connection, catalogue):
    twice = process("double", namespace=f"{catalogue}/list", x=21)
    assert connection.execute(process("double", namespace=f"{catalogue}/list", x=twice)) == 84
    assert connection.execute(process("double", namespace=f"{catalogue}/double", x=21)) == 42
    # Once for a validation, once for a run, however often it is called.
    assert len(Catalogue.seen) <= 4
    assert all("authorization" not in map(str.lower, headers) for headers in Catalogue.seen)


@pytest.mark.parametrize(
    "path, reason", [("/double", "there is no process"), ("/large", "1048576"), ("/none", "no")]
)
def test_what_cannot_be_a_namespace_is_refused(connection, catalogue, path, reason):
    with pytest.raises(OpenEoApiError, match="ProcessNamespaceInvalid") as raised:
        connection.execute(process("triple", namespace=catalogue + path, x=21))
    assert reason in str(raised.value)
