"""Results of jobs in an object store: they are as good as in a folder, and nothing is left behind."""

import http.client
import io
import os
import threading
import zipfile
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import numpy as np
import openeo
import pytest
import rasterio
import requests
import xarray as xr

import chaos
import cubes
import graphs
import s3server
from binary import Server, eolith
from patience import eventually

BUCKET = "kept-by-eolith"
PREFIX = "of/jobs"
ADDRESS = f"s3://{BUCKET}/{PREFIX}"
AT_ONCE = {"max_poll_interval": 0.2, "connection_retry_interval": 1}


class Gate:
    """Stands before the server of S3 and lets through what a test wants."""

    def __init__(self, endpoint):
        self.target = urlsplit(endpoint).netloc
        self.hold, self.refuse = (lambda _: False), (lambda _: False)
        self.held, self.open = threading.Event(), threading.Event()
        self.seen = []

    def ask(self, handler):
        what = f"{handler.command} {handler.path}"
        body = handler.rfile.read(int(handler.headers.get("content-length") or 0))
        self.seen.append(what)
        if self.hold(what):
            self.held.set()
            self.open.wait(60)
        if self.refuse(what):
            handler.send_response(503)
            handler.send_header("content-length", "0")
            handler.end_headers()
            return
        connection = http.client.HTTPConnection(self.target, timeout=60)
        connection.request(handler.command, handler.path, body, dict(handler.headers))
        answer = connection.getresponse()
        told = answer.read()
        handler.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "connection", "content-length", "server", "date"):
                handler.send_header(name, value)
        length = answer.getheader("content-length") if handler.command == "HEAD" else len(told)
        handler.send_header("content-length", str(length or 0))
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(told)


@contextmanager
def gated(endpoint):
    gate = Gate(endpoint)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do(self):
            try:
                gate.ask(self)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = do

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    gate.endpoint = f"http://127.0.0.1:{server.server_port}"
    try:
        yield gate
    finally:
        gate.open.set()
        server.shutdown()
        server.server_close()


class Bucket:
    def __init__(self, endpoint):
        self.endpoint = endpoint
        self.client = s3server.client(endpoint)

    def objects(self, below=""):
        """Bytes by name of everything of jobs."""
        folder = f"{PREFIX}/jobs/{below}"
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=folder)
        keys = [found["Key"] for page in pages for found in page.get("Contents", [])]
        found = {}
        for key in keys:
            try:
                found[key] = self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
            except self.client.exceptions.NoSuchKey:
                # It went meanwhile.
                pass
        return found

    def uploads(self):
        return self.client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory):
    with s3server.serving(tmp_path_factory.mktemp("s3server") / "log.txt") as endpoint:
        yield endpoint


@pytest.fixture
def bucket(endpoint):
    """An empty one."""
    bucket = Bucket(endpoint)
    where = {"LocationConstraint": s3server.REGION}
    bucket.client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration=where)
    yield bucket
    for page in bucket.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
        for found in page.get("Contents", []):
            bucket.client.delete_object(Bucket=BUCKET, Key=found["Key"])
    for upload in bucket.uploads():
        bucket.client.abort_multipart_upload(Bucket=BUCKET, Key=upload["Key"], UploadId=upload["UploadId"])
    bucket.client.delete_bucket(Bucket=BUCKET)


@pytest.fixture
def serve(bucket, tmp_path, monkeypatch):
    """Starts servers whose results go to the bucket, by whatever way."""

    def start(data, *options, state="state", through=None, results=ADDRESS):
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            monkeypatch.delenv(name)
        for name, value in s3server.variables(through or bucket.endpoint).items():
            monkeypatch.setenv(name, value)
        own = ["--results", results] if results else []
        return Server(f"chaos={data}", state=tmp_path / state, options=["--lease", "2", *own, *options])

    return start


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Noise, so that results are large: all dates in netCDF have more than two parts."""
    folder = tmp_path_factory.mktemp("noise")
    return cubes.chunked(folder / "noise.zarr", 6, 1100, (3, 275, 275), np.s_[:1, :10, :10])


def saved(format, reduced=False):
    """Roots of all pixels, or their mean in time."""
    load = graphs.load("chaos")
    values = graphs.node("apply", data=graphs.of("load"), process=graphs.graph(
        root=graphs.node("sqrt", result=True, x=graphs.parameter("x"))
    ))
    mean = graphs.node("reduce_dimension", data=graphs.of("values"), dimension="t", reducer=graphs.reducer("mean"))
    if reduced:
        return graphs.graph(load=load, values=values, mean=mean, save=graphs.save("mean", format))
    return graphs.graph(load=load, values=values, save=graphs.save("values", format))


def ran(client, graph, status="finished"):
    job = client.create(graph)
    client.start(job)
    about = client.wait(job)
    assert about["status"] == status, (about, client.ask("GET", f"jobs/{job}/logs").text)
    return job


def test_results_are_as_good_as_in_a_folder(serve, bucket, data, tmp_path):
    graphs_ = {"GTiff": saved("GTiff", reduced=True), "netCDF": saved("netCDF"), "Zarr": saved("Zarr")}
    with serve(data, state="calm", results=None) as server:
        client = chaos.Client(lambda: [server.url])
        calm = {}
        for name, graph in graphs_.items():
            job = ran(client, graph)
            (found,) = (tmp_path / "calm/jobs" / job).glob("*/*/files")
            calm[name] = {str(path.relative_to(found)): path.read_bytes() for path in found.rglob("*") if path.is_file()}
    with serve(data) as server:
        client = chaos.Client(lambda: [server.url])
        made = {name: ran(client, graph) for name, graph in graphs_.items()}
        for name, job in made.items():
            found = bucket.objects(f"{job}/")
            files = {key.split("/files/")[1]: value for key, value in found.items() if "/files/" in key}
            assert files == calm[name], (name, sorted(files), sorted(calm[name]))
        # Nothing stays on the disk.
        eventually(lambda: not list((tmp_path / "state/jobs").glob("*")))
        assert not bucket.uploads() and not list((tmp_path / "state/uploads").glob("*"))

        def results(name):
            answer = requests.get(f"{server.url}jobs/{made[name]}/results", timeout=20)
            # Clients get no address of the store.
            assert BUCKET not in answer.text and bucket.endpoint not in answer.text, answer.text
            (asset,) = answer.json()["assets"].values()
            return answer.json(), asset

        (tif,) = calm["GTiff"].values()
        document, asset = results("GTiff")
        href = asset["href"]
        whole = requests.get(href, timeout=20, headers={"Origin": "https://elsewhere"})
        assert whole.content == tif and whole.headers["content-type"] == asset["type"]
        assert whole.headers["access-control-allow-origin"] == "*" and whole.headers["accept-ranges"] == "bytes"
        head = requests.head(href, timeout=20)
        assert (head.status_code, head.headers["content-length"], head.content) == (200, str(len(tif)), b"")
        tag = {"If-None-Match": whole.headers["etag"]}
        assert requests.get(href, headers=tag, timeout=20).status_code == 304
        for wanted, content in [("bytes=10-19", tif[10:20]), ("bytes=-7", tif[-7:]), (f"bytes={len(tif) - 3}-", tif[-3:])]:
            part = requests.get(href, headers={"Range": wanted}, timeout=20)
            assert (part.status_code, part.content) == (206, content), wanted
        assert part.headers["content-range"] == f"bytes {len(tif) - 3}-{len(tif) - 1}/{len(tif)}"
        for wanted in [f"bytes={len(tif)}-", "bytes=0-1,5-6"]:
            refused = requests.get(href, headers={"Range": wanted}, timeout=20)
            assert (refused.status_code, refused.json()["code"]) == (416, "RangeInvalid"), wanted
        with rasterio.open(f"/vsicurl/{href}") as remote, rasterio.MemoryFile(tif).open() as local:
            window = rasterio.windows.Window(300, 200, 50, 60)
            np.testing.assert_array_equal(remote.read(1, window=window), local.read(1, window=window))
        # What it was made of lies there, too, where it has items.
        assert {link["rel"] for link in document["links"]} >= {"item", "canonical", "derived_from"}

        _, asset = results("netCDF")
        nc = requests.get(asset["href"], timeout=60).content
        assert [nc] == list(calm["netCDF"].values()) and len(nc) > 2 * (8 << 20)

        _, asset = results("Zarr")
        store = asset["alternate"]["store"]["href"]
        opened = xr.open_zarr(store)
        with xr.open_dataset(io.BytesIO(nc), engine="h5netcdf") as other:
            (variable,) = [name for name in other.data_vars if other[name].ndim >= 3]
            np.testing.assert_array_equal(opened[variable][3, :50].values, other[variable][3, :50].values)
        assert requests.get(f"{store}/nothing", timeout=20).status_code == 404
        assert requests.get(f"{store}/../secret", timeout=20).status_code in (403, 404)
        zipped = requests.get(asset["href"], timeout=60)
        assert zipped.headers["content-length"] == str(len(zipped.content))
        with zipfile.ZipFile(io.BytesIO(zipped.content)) as archive:
            (root,) = {name.split("/")[0] for name in calm["Zarr"]}
            assert {f"{root}/{name}": archive.read(name) for name in archive.namelist()} == calm["Zarr"]

        # They are loaded again, by id and by address, as files and as maps.
        signed = {link["rel"]: link["href"] for link in document["links"]}["canonical"]
        for load in [graphs.node("load_result", id=made["GTiff"]), graphs.node("load_stac", url=signed)]:
            graph = graphs.graph(load=load, save=graphs.save("load", "GTiff"))
            answer = requests.post(f"{server.url}result", json={"process": graph}, timeout=60)
            assert answer.status_code == 200, answer.text
            with rasterio.MemoryFile(answer.content).open() as found, rasterio.MemoryFile(tif).open() as local:
                np.testing.assert_array_equal(found.read(1), local.read(1))
        for name in ["netCDF", "Zarr"]:
            load = graphs.node("load_result", id=made[name])
            mean = graphs.node("reduce_dimension", data=graphs.of("load"), dimension="t", reducer=graphs.reducer("mean"))
            graph = graphs.graph(load=load, mean=mean, save=graphs.save("mean", "GTiff"))
            answer = requests.post(f"{server.url}result", json={"process": graph}, timeout=60)
            assert answer.status_code == 200, (name, answer.text)
            with rasterio.MemoryFile(answer.content).open() as found, rasterio.MemoryFile(tif).open() as local:
                np.testing.assert_allclose(found.read(1), local.read(1), rtol=1e-6)
        connection = openeo.connect(server.url)
        connection.authenticate_basic("any", "any")
        connection.job(made["GTiff"]).get_results().download_files(tmp_path / "down")
        (file,) = (tmp_path / "down").glob("*.tif")
        assert file.read_bytes() == tif

    # Another start of the server finds them, also one that keeps new results in its folder.
    with serve(data, results=None) as server:
        client = chaos.Client(lambda: [server.url])
        assert requests.get(results_of(server, made["GTiff"]), timeout=20).content == tif
    with serve(data) as server:
        client = chaos.Client(lambda: [server.url])
        # A new run takes the place of the former results; who deletes a job deletes them.
        before = set(bucket.objects(f"{made['GTiff']}/"))
        client.start(made["GTiff"])
        client.wait(made["GTiff"])
        eventually(lambda: before.isdisjoint(bucket.objects(f"{made['GTiff']}/")))
        assert requests.get(results_of(server, made["GTiff"]), timeout=20).content == tif
        for job in made.values():
            assert requests.delete(f"{server.url}jobs/{job}", timeout=20).status_code == 204
        eventually(lambda: not bucket.objects())


def within(objects):
    """By their names in the folder of the attempt."""
    return {key.split("/", 6)[6]: value for key, value in objects.items()}


def results_of(server, job):
    (asset,) = requests.get(f"{server.url}jobs/{job}/results", timeout=20).json()["assets"].values()
    return asset["href"]


@pytest.mark.parametrize("format", ["netCDF", "Zarr"])
def test_a_server_that_is_killed_while_it_sends_leaves_nothing(serve, bucket, data, tmp_path, format):
    graph = saved(format)
    with serve(data, state="calm") as server:
        job = ran(chaos.Client(lambda: [server.url]), graph)
        calm = within(bucket.objects(f"{job}/"))
        assert requests.delete(f"{server.url}jobs/{job}", timeout=20).status_code == 204
        eventually(lambda: not bucket.objects())
    bucket.client.delete_object(Bucket=BUCKET, Key=f"{PREFIX}/eolith.json")
    parts = "partNumber=" if format == "netCDF" else "/c/"
    with gated(bucket.endpoint) as gate:
        count = {"sent": 0}

        def third(what):
            count["sent"] += what.startswith("PUT") and parts in what
            return count["sent"] > 2

        gate.hold = third
        with serve(data, through=gate.endpoint) as server:
            client = chaos.Client(lambda: [server.url])
            job = client.create(graph)
            client.start(job)
            assert gate.held.wait(60)
            assert client.show(job)["status"] == "running"
            chaos.kill(server)
        if format == "netCDF":
            assert bucket.uploads() and len(list((tmp_path / "state/uploads").glob("*"))) == 1
        else:
            # The gate still hands on what it had let through.
            eventually(bucket.objects)
        gate.open.set()
        gate.hold = lambda _: False
        with serve(data, through=gate.endpoint) as server:
            client = chaos.Client(lambda: [server.url])
            assert client.wait(job)["status"] == "finished"
            eventually(lambda: within(bucket.objects()) == calm)
            eventually(lambda: not bucket.uploads() and not list((tmp_path / "state/uploads").glob("*")))
            # What the first attempt sent is looked for when the job is finished.
            eventually(lambda: len({key.split("/")[5] for key in bucket.objects()}) == 1)


def test_a_store_that_is_away_is_asked_again_and_then_given_up(serve, bucket, data):
    graph = saved("GTiff", reduced=True)
    with gated(bucket.endpoint) as gate, serve(data, "--results-patience", "4", through=gate.endpoint) as server:
        client = chaos.Client(lambda: [server.url])
        gate.refuse = lambda what: what.startswith("PUT")
        job = ran(client, graph, "error")
        answer = requests.get(f"{server.url}jobs/{job}/results", timeout=20)
        assert answer.status_code == 424 and answer.json()["code"] == "StorageFailure", answer.text
        logs = requests.get(f"{server.url}jobs/{job}/logs", timeout=20).text
        assert "away" in logs and gate.endpoint not in logs and BUCKET not in logs, logs
        # The operator gets to know where.
        assert f"s3://{BUCKET}/{PREFIX}/jobs/{job}" in server.log.read_text()
        # It comes back in time.
        told = threading.Event()
        gate.refuse = lambda what: what.startswith("PUT") and not told.is_set()
        waits = lambda: server.log.read_text().count("results cannot be kept yet")
        before = waits()
        client.start(job)
        eventually(lambda: waits() > before)
        told.set()
        assert client.wait(job)["status"] == "finished"
        assert requests.get(results_of(server, job), timeout=20).status_code == 200
        # Away while somebody reads.
        gate.refuse = lambda what: what.startswith("GET")
        failed = requests.get(results_of(server, job), timeout=60)
        assert failed.json()["code"] == "StorageFailure" and gate.endpoint not in failed.text
        gate.refuse = lambda _: False


def test_a_job_that_is_stopped_while_it_sends_leaves_nothing(serve, bucket, data, tmp_path):
    with gated(bucket.endpoint) as gate, serve(data, through=gate.endpoint) as server:
        client = chaos.Client(lambda: [server.url])
        gate.hold = lambda what: "partNumber=2" in what
        job = client.create(saved("netCDF"))
        client.start(job)
        assert gate.held.wait(60)
        assert requests.delete(f"{server.url}jobs/{job}", timeout=20).status_code == 204
        gate.hold = lambda _: False
        gate.open.set()
        eventually(lambda: not bucket.uploads() and not bucket.objects())
        eventually(lambda: not list((tmp_path / "state/uploads").glob("*")))
        eventually(lambda: not list((tmp_path / "state/jobs").glob("*")))


def test_results_go_when_their_time_is_over(serve, bucket, data, tmp_path):
    (tmp_path / "eolith.toml").write_text("[retention]\nresults_days = 0.00003\n")
    with serve(data, "--config", tmp_path / "eolith.toml") as server:
        client = chaos.Client(lambda: [server.url])
        job = ran(client, saved("GTiff", reduced=True))
        eventually(lambda: not bucket.objects())
        answer = requests.get(f"{server.url}jobs/{job}/results", timeout=20)
        assert (answer.status_code, answer.json()["code"]) == (410, "ResultLinkExpired")


def test_what_nobody_knows_is_removed_when_a_server_starts(serve, bucket, data):
    with serve(data) as server:
        kept = ran(chaos.Client(lambda: [server.url]), saved("GTiff", reduced=True))
    known = bucket.objects()
    for key in ["j-0/1/1/files/a.tif", f"{kept}/1/7/files/a.tif", f"{kept}/0/1/files/a.tif"]:
        bucket.client.put_object(Bucket=BUCKET, Key=f"{PREFIX}/jobs/{key}", Body=b"late")
    # An attempt after the last one may be one that begins.
    with serve(data):
        eventually(lambda: len(bucket.objects()) == len(known) + 1)
    assert set(known) <= set(bucket.objects())


def test_a_folder_of_somebody_else_is_refused(serve, bucket, data, tmp_path):
    with serve(data):
        pass
    with pytest.raises(AssertionError, match="results of another server"), serve(data, state="other"):
        pass
    state = ["--state", tmp_path / "state", "--port", "0"]
    fine = eolith("doctor", data, *state, "--results", ADDRESS)
    assert fine.code == 0 and "ok      results" in fine.stdout, fine.stdout + fine.stderr
    assert not bucket.objects() and len(list_all(bucket)) == 1
    for address, said in [("s3://nowhere/x", "no such bucket"), (f"{ADDRESS}?colour=red", "colour"), ("/data", "/data")]:
        wrong = eolith("doctor", data, *state, "--results", address)
        assert wrong.code == 1 and said in wrong.stdout + wrong.stderr, wrong.stdout + wrong.stderr


def list_all(bucket):
    return bucket.client.list_objects_v2(Bucket=BUCKET).get("Contents", [])


def test_two_servers_of_one_database_share_them(serve, bucket, data):
    database = chaos.database(os.environ["EOLITH_TEST_POSTGRES"])
    shared = ["--database", database, "--shared-dir"]
    with serve(data, *shared) as first, serve(data, *shared, "--jobs", "0") as second:
        client = chaos.Client(lambda: [second.url])
        job = ran(client, saved("GTiff", reduced=True))
        one, other = (requests.get(results_of(server, job), timeout=20).content for server in (first, second))
        assert one == other and len(one) > 1000
        assert requests.delete(f"{second.url}jobs/{job}", timeout=20).status_code == 204
        eventually(lambda: not bucket.objects())
