"""What a user may have and take, as the openEO Python client meets it."""

import os
import re
import sys
import threading
import time

import openeo
import pytest
import requests
from openeo.rest import JobFailedException, OpenEoApiError

import chaos
import graphs
from binary import Server, eolith
from patience import eventually

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


def runs(server):
    """Synchronous requests that are under way."""
    metrics = requests.get(server.root + "/metrics", timeout=20).text
    return int(re.search(r"^eolith_synchronous_runs (\d+)$", metrics, re.MULTILINE)[1])


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
        eventually(lambda: runs(server) == 0, lambda: "something of it goes on")
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
        eventually(lambda: runs(server) == 1)
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


PASSWORD = "correct horse battery"


def user(state, *names):
    for name in names:
        added = eolith("user", "add", name, "--stdin", "--state", state, stdin=PASSWORD + name)
        assert added.code == 0, added.stderr


def limit(state, name, *options):
    limited = eolith("user", "limit", name, *options, "--state", state)
    assert limited.code == 0, limited.stderr
    return limited.stderr


def connected(server, name):
    return openeo.connect(server.url).authenticate_basic(name, PASSWORD + name)


def test_files_and_results_of_a_user_have_so_much_room(sample, tmp_path):
    state = tmp_path / "state"
    user(state, "ada", "bob")
    assert "storage: 100.0 KiB" in limit(state, "ada", "--storage", "100K", "--jobs", "1")
    options = [*configured(tmp_path, ""), "--lease", "2"]
    with Server(f"sample={sample}", auth="basic", state=state, options=options) as server:
        ada, bob = connected(server, "ada"), connected(server, "bob")
        assert ada.describe_account()["storage"] == {"free": 102400, "quota": 102400}
        assert bob.describe_account()["storage"]["quota"] == 50 << 30
        file = tmp_path / "file.bin"
        file.write_bytes(bytes(60000))
        ada.get_file("a/file.bin").upload(file)
        with pytest.raises(OpenEoApiError, match="StorageQuotaExceeded"):
            ada.get_file("b.bin").upload(file)
        assert len(ada.list_files()) == 1
        assert ada.describe_account()["storage"]["free"] == 42400
        # What a job gives does not fit, and is gone.
        job = ada.create_job(graphs.whole("sample"))
        with pytest.raises(JobFailedException):
            job.start_and_wait(**AT_ONCE)
        (entry,) = job.logs(level="error")
        assert entry["code"] == "StorageQuotaExceeded" and "free of your storage" in entry["message"]
        assert ada.describe_account()["storage"]["free"] == 42400
        listed = {line.split()[1]: line for line in eolith("user", "list", "--state", state).stdout.splitlines()}
        assert "58.6 KiB stored" in listed["ada"] and "jobs: 1" in listed["ada"]
        assert "storage:" not in listed["bob"]
        # More room is known after some seconds.
        limit(state, "ada", "--storage", "none")
        eventually(lambda: "storage" not in ada.describe_account())
        job.start_and_wait(**AT_ONCE)
        assert job.status() == "finished"
        # Whoever has gone has nothing.
        assert eolith("user", "remove", "ada", "--state", state).code == 0
        assert not (state / "users/u-ada").exists()


def test_a_job_that_writes_too_much_is_stopped_while_it_runs(sample, tmp_path):
    state = tmp_path / "state"
    user(state, "ada")
    limit(state, "ada", "--storage", "100K")
    options = [*configured(tmp_path, ""), "--lease", "2"]
    with Server(f"sample={sample}", auth="basic", state=state, options=options) as server:
        ada = connected(server, "ada")
        graph = slow()
        nodes = graph["process_graph"]
        nodes["first"] = graphs.node("save_result", data=graphs.of("load"), format="netCDF")
        process = {"process_graph": {"load": nodes["load"], "first": nodes["first"], **nodes}}
        job = ada.create_job(process)
        with pytest.raises(JobFailedException):
            job.start_and_wait(**AT_ONCE)
        (entry,) = job.logs(level="error")
        assert entry["code"] == "StorageQuotaExceeded"


def test_limits_are_given_to_users_that_there_are(tmp_path):
    state = tmp_path / "state"
    user(state, "ada")
    assert "no user" in eolith("user", "limit", "zoe", "--jobs", "1", "--state", state).stderr
    assert "several" in eolith("user", "limit", "ada", "--jobs", "several", "--state", state).stderr
    assert "jobs: no limit" in limit(state, "egi~123", "--jobs", "none", "--requests", "3")
    assert "requests: 3" in limit(state, "egi~123", "--jobs", "default")
    assert "jobs" not in eolith("user", "list", "--state", state).stdout


def test_a_budget_stops_a_job_and_what_it_took_is_charged_once(sample, tmp_path):
    """Killed while it runs: what the next server goes on with is charged with what the first one had told."""
    state = tmp_path / "state"
    user(state, "ada")
    # A credit a second.
    options = [*configured(tmp_path, "[credits]\nhour = 3600.0\neach = 1000.0\n"), "--lease", "2"]
    with Server(f"sample={sample}", auth="basic", state=state, options=options) as server:
        ada = connected(server, "ada")
        assert ada.capabilities().currency() == "credits"
        assert ada.describe_account()["budget"] == 1000
        job = ada.create_job(slow(), budget=1.5, plan="usage")
        started = time.monotonic()
        with pytest.raises(JobFailedException):
            job.start_and_wait(**AT_ONCE)
        (entry,) = job.logs(level="error")
        assert entry["code"] == "PaymentRequired" and "budget of 1.5" in entry["message"]
        assert job.describe()["costs"] == 1.5 and time.monotonic() - started < 10
        assert ada.describe_account()["budget"] == 998.5
        with pytest.raises(OpenEoApiError, match="PaymentRequired") as stopped:
            ada.post("/result", json={"process": slow(), "budget": 1})
        assert stopped.value.http_status_code == 402
        # What a function of a user gives is known when it has run: then it costs what it may at most.
        assert job.estimate()["costs"] == 1.5
        assert ada.create_job(graphs.whole("sample")).estimate()["costs"] == 1
        eventually(lambda: ada.describe_account()["budget"] == 997.5)
        # Once, and not again.
        time.sleep(1)
        assert ada.describe_account()["budget"] == 997.5
        job = ada.create_job(slow())
        job.start()
        eventually(lambda: job.describe().get("costs", 0) >= 1)
        server.child.kill()
        server.child.wait()
    with Server(f"sample={sample}", auth="basic", state=state, options=options) as server:
        ada = connected(server, "ada")
        job = ada.job(job.job_id)
        eventually(lambda: job.status() not in ("queued", "running"))
        assert job.status() == "finished"
        costs = job.describe()["costs"]
        assert costs > 1 and abs(ada.describe_account()["budget"] + costs - 997.5) < 1e-6
        assert requests.get(
            f"{server.url}jobs/{job.job_id}/results", headers={"Authorization": f"Bearer {ada.auth.bearer}"}, timeout=20
        ).headers["OpenEO-Costs"] == str(costs)
        limit(state, "ada", "--credits", "1")
        eventually(lambda: ada.describe_account()["budget"] == 0)
        with pytest.raises(OpenEoApiError, match="PaymentRequired"):
            job.start()
    assert "spent" in eolith("user", "list", "--state", state).stdout


def test_two_servers_remove_what_is_over(tmp_path):
    """Both look at the same database and the same folder; what one has removed is no error for the other."""
    database = chaos.database(os.environ["EOLITH_TEST_POSTGRES"])
    state = tmp_path / "state"
    options = [*configured(tmp_path, "[retention]\nresults_days = 0.00003\nlogs_days = 0.00003\n")]
    options += ["--database", database, "--shared-dir"]
    add = graphs.graph(add=graphs.node("add", x=1, y=2, result=True))
    with Server(state=state, options=options) as one:
        with Server(state=state, options=options) as two:
            jobs = []
            for server in [one, two] * 5:
                job = openeo.connect(server.url).create_job(add)
                job.start()
                jobs.append(job)
            for job in jobs:
                eventually(lambda: "unpublished" in job.describe())
                assert job.status() == "finished"
                with pytest.raises(OpenEoApiError, match="ResultLinkExpired"):
                    job.get_results().get_metadata()
            eventually(lambda: not any(state.glob("jobs/*")) and not any(job.logs() for job in jobs))
            assert "could not" not in one.log.read_text(errors="replace")
