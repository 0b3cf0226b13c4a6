"""What a user may have and take, as the openEO Python client meets it."""

import sys
import threading
import time

import openeo
import pytest
import requests
from openeo.rest import OpenEoApiError

import graphs
from binary import Server

# Jobs of the tests are over at once: the client need not wait seconds for them.
AT_ONCE = {"max_poll_interval": 0.2, "connection_retry_interval": 1}
# A process that takes its time, and none of the processor's.
SLOW = """
import time
import xarray

def apply_datacube(cube: xarray.DataArray, context: dict) -> xarray.DataArray:
    time.sleep(2)
    return cube
"""


def configured(folder, text):
    path = folder / "eolith.toml"
    path.write_text(text)
    return ["--config", path, "--udf-python", sys.executable]


def slow():
    function = graphs.node("run_udf", data=graphs.parameter("x"), udf=SLOW, runtime="Python", result=True)
    return graphs.graph(
        load=graphs.load("sample"),
        slow=graphs.node("apply", data=graphs.of("load"), process=graphs.graph(only=function)),
        save=graphs.save("slow", "netCDF"),
    )


def test_requests_that_take_too_long_are_stopped_and_jobs_are_not(sample, tmp_path):
    options = configured(tmp_path, "[limits]\nseconds = 1\n")
    with Server(f"sample={sample}", state=tmp_path / "state", options=options) as server:
        connection = openeo.connect(server.root + "/openeo/1.2")
        started = time.monotonic()
        with pytest.raises(OpenEoApiError, match="(?s)RequestTimeout.*1 seconds.*batch job") as failed:
            connection.execute(slow())
        assert failed.value.http_status_code == 408 and time.monotonic() - started < 10
        # Nothing of it goes on.
        for _ in range(200):
            metrics = requests.get(server.root + "/metrics", timeout=20).text
            if "eolith_synchronous_runs 0\n" in metrics:
                break
            time.sleep(0.05)
        else:
            raise AssertionError(metrics)
        job = connection.create_job(slow())
        job.start_and_wait(**AT_ONCE)
        assert job.status() == "finished"


def test_a_user_has_so_many_requests_at_a_time(sample, tmp_path):
    options = configured(tmp_path, "[limits]\nrequests = 1\n")
    with Server(f"sample={sample}", state=tmp_path / "state", options=options) as server:
        url = f"{server.url}result"
        first = []
        waiting = threading.Thread(target=lambda: first.append(requests.post(url, json={"process": slow()}, timeout=60)))
        waiting.start()
        time.sleep(1)
        add = graphs.graph(add=graphs.node("add", x=1, y=2, result=True))
        second = requests.post(url, json={"process": add}, timeout=20)
        assert second.status_code == 429 and second.json()["code"] == "TooManyRequests"
        assert int(second.headers["Retry-After"]) >= 1
        waiting.join()
        assert first[0].status_code == 200, first[0].text
        assert requests.post(url, json={"process": add}, timeout=20).json() == 3


def test_limits_of_a_file_are_checked_when_it_is_read(sample, tmp_path):
    for text in ['[limits]\nread = "5 pixels"\n', "[limits]\nread = -1\n", "[limits]\nreed = 1\n"]:
        server = Server(f"sample={sample}", state=tmp_path / "state", options=configured(tmp_path, text))
        assert server.child.wait(20) != 0
        assert "limits" in server.log.read_text() or "read" in server.log.read_text()
