"""Batch jobs through the openEO Python client from PyPI: a user's way from the estimate to the files."""

import hashlib
import os
import time

import numpy as np
import openeo
import pystac
import pystac.validation
import pytest
import rasterio
import requests
import xarray as xr
from openeo.rest import JobFailedException, OpenEoApiError

import chaos
import graphs
from binary import Server
from patience import eventually

# Jobs of the tests are over at once: the client need not wait seconds for them.
AT_ONCE = {"max_poll_interval": 0.2, "connection_retry_interval": 1}


@pytest.fixture(scope="module")
def connection(server):
    connection = openeo.connect(server.root + "/openeo/1.2")
    connection.authenticate_basic(*server.credentials())
    return connection


def composite(connection, collection="zarr-3"):
    return connection.load_collection(collection, bands=["B04", "B08"]).ndvi(nir="nir", red="red").max_time()


def test_a_job_from_estimate_to_files(connection, cube, tmp_path):
    job = composite(connection).save_result("GTiff").create_job(title="Greenest", description="NDVI")
    assert job.status() == "created"
    described = job.describe()
    assert described["title"] == "Greenest" and described["process"]["process_graph"]
    estimate = job.estimate()
    assert estimate["size"] > 0 and estimate["costs"] == 0
    job.start_and_wait(**AT_ONCE)
    assert job.status() == "finished"
    assert any("plan" in entry["message"] for entry in job.logs())
    usage = job.describe()["usage"]
    assert usage["input_bytes"]["value"] > 0
    assert usage["memory"]["value"] > 0 and usage["memory"]["unit"] == "mb-seconds"
    files = job.get_results().download_files(tmp_path)
    (tif,) = [file for file in files if file.suffix == ".tif"]
    with rasterio.open(tif) as file:
        pixels = file.read(1, masked=True)
        assert file.crs.to_epsg() == cube.epsg
    np.testing.assert_allclose(pixels.filled(np.nan), cube.ndvi().max(axis=0).filled(np.nan), rtol=0, atol=1e-6)
    assert "Greenest" in [job["title"] for job in connection.list_jobs()]
    job.delete()
    with pytest.raises(OpenEoApiError, match="JobNotFound"):
        job.describe()


def test_results_are_stac_and_need_no_token(connection, cube):
    data = connection.load_collection("zarr-3", bands=["B04", "B08"])
    job = data.save_result("netCDF").create_job()
    job.start_and_wait(**AT_ONCE)
    results = job.get_results().get_metadata()
    links = {link["rel"]: link["href"] for link in results["links"]}
    collection = pystac.Collection.from_file(links["canonical"])
    # Schemas of extensions are on the web; those of the core come with pystac.
    pystac.validation.validate_dict(collection.to_dict(transform_hrefs=False), extensions=[])
    items = list(collection.get_items())
    pystac.validation.validate_dict(items[0].to_dict(transform_hrefs=False), extensions=[])
    assert len(items) == 1 and items[0].properties["proj:code"] == f"EPSG:{cube.epsg}"
    assert results["cube:dimensions"]["bands"]["values"] == ["B04", "B08"]
    assert [band["name"] for band in results["summaries"]["eo:bands"]] == ["B04", "B08"]
    (asset,) = results["assets"].values()
    whole = requests.get(asset["href"], timeout=20)
    assert len(whole.content) == asset["file:size"]
    part = requests.get(asset["href"], headers={"Range": "bytes=10-19"}, timeout=20)
    assert part.status_code == 206 and part.content == whole.content[10:20]
    again = requests.get(asset["href"], headers={"If-None-Match": whole.headers["etag"]}, timeout=20)
    assert again.status_code == 304
    job.delete()
    assert requests.get(asset["href"], timeout=20).status_code == 404


def test_results_say_what_they_were_made_of(connection, cube):
    data = connection.load_collection("cog-stac-1.1", temporal_extent=[cube.dates[0], cube.dates[1]], bands=["B04"])
    job = data.save_result("GTiff").create_job()
    job.start_and_wait(**AT_ONCE)
    results = job.get_results().get_metadata()
    source = connection.describe_collection("cog-stac-1.1")
    license = source["license"] if source["license"] not in ("proprietary", "various") else "other"
    assert results["license"] == license
    names = [provider["name"] for provider in results["providers"]]
    assert names == [provider["name"] for provider in source.get("providers", [])] + ["Eolith"]
    assert results["providers"][-1]["processing:software"] == results["processing:software"]
    licences = [link["href"] for link in source["links"] if link["rel"] == "license"]
    assert [link["href"] for link in results["links"] if link["rel"] == "license"] == licences
    derived = [link for link in results["links"] if link["rel"] == "derived_from"]
    assert [link["href"].rsplit("/", 1)[1] for link in derived] == ["cog-stac-1.1", "inputs"]
    inputs = requests.get(derived[1]["href"], timeout=20)
    assert inputs.headers["content-type"] == "application/geo+json"
    # The end of the extent is not in it: one date, one item.
    (item,) = inputs.json()["features"]
    assert item["properties"]["datetime"][:10] == str(cube.dates[0])[:10] and item["collection"] == "cog-stac-1.1"
    pystac.validation.validate_dict(item, extensions=[])
    (asset,) = results["assets"].values()
    assert asset["proj:code"] == f"EPSG:{cube.epsg}" and asset["raster:spatial_resolution"] > 0
    (band,) = asset["bands"]
    pixels = cube.bands["B04"][0]
    statistics = band["statistics"]
    assert (statistics["minimum"], statistics["maximum"]) == (pixels.min(), pixels.max())
    assert statistics["count"] == pixels.count() and abs(statistics["mean"] - pixels.mean()) < 1e-6
    assert asset["file:checksum"] == "1220" + hashlib.sha256(requests.get(asset["href"], timeout=20).content).hexdigest()
    (own,) = pystac.Collection.from_dict(results).get_items()
    pystac.validation.validate_dict(own.to_dict(transform_hrefs=False), extensions=[])
    assert own.properties["expires"] == results["expires"]
    assert own.properties["processing:expression"]["format"] == "openeo"


def test_zarr_is_opened_where_it_lies(connection, cube):
    data = connection.load_collection("zarr-3", bands=["B04"])
    job = data.save_result("Zarr").create_job()
    job.start_and_wait(**AT_ONCE)
    (asset,) = job.get_results().get_metadata()["assets"].values()
    assert requests.head(asset["href"], timeout=20).headers["content-type"] == "application/zip+zarr"
    with xr.open_zarr(asset["alternate"]["store"]["href"]) as store:
        (name,) = [name for name in store.data_vars if store[name].ndim >= 3]
        values = store[name].squeeze().values.astype("f8")
    expected = cube.bands["B04"].astype("f8")
    assert np.array_equal(values[~np.ma.getmaskarray(expected)], expected.compressed())


def test_results_of_a_job_are_loaded_by_the_next(connection, cube, tmp_path):
    first = connection.load_collection("zarr-3", bands=["B04", "B08"]).save_result("netCDF").create_job()
    first.start_and_wait(**AT_ONCE)
    graph = graphs.graph(
        load=graphs.node("load_result", id=first.job_id),
        save=graphs.save("load", "netCDF"),
    )
    second = connection.create_job(graph)
    second.start_and_wait(**AT_ONCE)
    (file,) = second.get_results().download_files(tmp_path, include_stac_metadata=False)
    with xr.open_dataset(file) as loaded:
        values = loaded.B08.values
    assert np.array_equal(values, cube.bands["B08"].astype("f8").filled(np.nan), equal_nan=True)


def test_a_job_that_fails_says_where(connection):
    graph = graphs.graph(
        load=graphs.load("zarr-3", bands=["B04"]),
        gone=graphs.node("drop_dimension", data=graphs.of("load"), name="nowhere"),
        save=graphs.save("gone", "netCDF"),
    )
    job = connection.create_job(graph)
    with pytest.raises(JobFailedException):
        job.start_and_wait(**AT_ONCE)
    (entry,) = job.logs(level="error")
    assert entry["code"] and entry["path"][0]["node_id"] == "gone" and "nowhere" in entry["message"]
    with pytest.raises(OpenEoApiError):
        job.get_results().get_metadata()


def test_a_log_says_what_took_how_long(connection):
    job = composite(connection).save_result("GTiff").create_job()
    job.start_and_wait(**AT_ONCE)
    spent = {entry["data"]["work"]: entry for entry in job.logs() if "work" in entry.get("data", {})}
    assert set(spent) == {"read", "compute", "write"}
    read, compute, write = spent["read"], spent["compute"], spent["write"]
    assert read["path"][0]["process_id"] == "load_collection" and read["usage"]["input_bytes"]["value"] > 0
    named = {node for entry in spent.values() for node in entry["data"]["nodes"]}
    assert named == set(job.describe()["process"]["process_graph"])
    # What is fused is told together.
    assert any(node.startswith("ndvi") for node in compute["data"]["nodes"]) and compute["data"]["count"] > 0
    assert write["path"][0]["process_id"] == "save_result" or compute["path"][0]["process_id"] == "save_result"
    usage = job.describe()["usage"]
    total = sum(entry["usage"]["cpu"]["value"] for entry in spent.values())
    assert 0 < usage["cpu"]["value"] <= total + 0.01


def test_what_cannot_be_read_is_named(tmp_path):
    store = tmp_path / "holed.zarr"
    data = xr.Dataset(
        {"a": (("t", "y", "x"), np.arange(2 * 40 * 40, dtype="f4").reshape(2, 40, 40))},
        {"t": np.array(["2020-01-01", "2020-01-02"], "M8[ns]"), "y": np.arange(40) * -10.0, "x": np.arange(40) * 10.0},
    )
    data.rio.write_crs(32633).to_zarr(store, zarr_format=2, encoding={"a": {"chunks": (1, 40, 40)}})
    (store / "a" / "1.0.0").write_bytes(b"no codec makes pixels of this")
    graph = graphs.graph(load=graphs.load("holed"), save=graphs.save("load", "GTiff"))
    with Server(f"holed={store}", state=tmp_path / "state") as server:
        connection = openeo.connect(server.root + "/openeo/1.2")
        job = connection.create_job(graph)
        with pytest.raises(JobFailedException):
            job.start_and_wait(**AT_ONCE)
        (entry,) = job.logs(level="error")
    assert entry["path"] == [{"node_id": "load", "process_id": "load_collection"}]
    found = entry["data"]["input"]
    assert found["source"] == "collection `holed`" and found["chunk"] == [1, 0, 0] and found["array"] == "a"
    assert str(tmp_path) not in found["file"]
    assert entry["data"]["task"]["region"]["x"]["from"] == 0.0 and len(found["region"]["bbox"]) == 4
    assert "2020-01-02" in str(found["region"]["t"])


def test_values_come_as_json(connection):
    job = connection.create_job(graphs.graph(sum=graphs.node("add", x=3, y=2, result=True)))
    job.start_and_wait(**AT_ONCE)
    (asset,) = job.get_results().get_assets()
    assert asset.load_json() == 5


def test_strangers_see_nothing(server, connection):
    job = connection.create_job(graphs.graph(sum=graphs.node("add", x=3, y=2, result=True)))
    url = f"{server.url}jobs/{job.job_id}"
    for path in ["", "/logs", "/results", "/estimate"]:
        assert requests.get(url + path, timeout=20).status_code == 401
    assert requests.get(f"{server.url}signed/{job.job_id}.1.9999999999999.{'0' * 32}", timeout=20).status_code == 403


def test_a_server_that_ends_gives_its_jobs_back(sample, tmp_path):
    """Stopped politely while a job runs: the next server finishes it."""
    graph = graphs.graph(
        load=graphs.load("sample"),
        save=graphs.save("load", "netCDF"),
    )
    state = tmp_path / "state"
    with Server(f"sample={sample}", state=state, options=["--jobs", "0"]) as server:
        connection = openeo.connect(server.root + "/openeo/1.2")
        job = connection.create_job(graph)
        job.start()
        time.sleep(0.5)
        assert job.status() == "queued"
    with Server(f"sample={sample}", state=state) as server:
        connection = openeo.connect(server.root + "/openeo/1.2")
        job = connection.job(job.job_id)
        eventually(lambda: job.status() not in ("queued", "running"))
        assert job.status() == "finished"


def test_other_machines_need_the_same_folder():
    from binary import eolith

    refused = eolith("serve", "--database", "postgres://x@127.0.0.1/x", "--port", "0")
    assert refused.code != 0 and "--shared-dir" in refused.stderr


def test_who_waits_sees_the_place_in_the_queue(tmp_path, server):
    # A server that works on nothing.
    with Server(state=tmp_path / "state", options=["--jobs", "0"]) as idle:
        connection = openeo.connect(idle.url)
        connection.authenticate_basic("eolith", "any")
        add = graphs.graph(sum=graphs.node("add", x=1, y=2, result=True))["process_graph"]
        jobs = [connection.create_job(add) for _ in range(3)]
        assert "queue_position" not in jobs[0].describe()
        for job in jobs:
            job.start()
            time.sleep(0.01)
        assert [job.describe()["queue_position"] for job in jobs] == [1, 2, 3]
        jobs[0].stop()
        assert [job.describe().get("queue_position") for job in jobs] == [None, 1, 2]


def test_who_cancels_frees_the_machine(tmp_path, sample):
    # Minutes of computing, with nothing shown before its end.
    fine = graphs.node("resample_spatial", data=graphs.of("load"), resolution=0.1, method="lanczos")
    mean = graphs.node("reduce_dimension", data=graphs.of("fine"), dimension="t", reducer=graphs.reducer("mean"))
    graph = graphs.graph(load=graphs.load("sample"), fine=fine, mean=mean, save=graphs.save("mean", "GTiff"))
    with Server(f"sample={sample}", state=tmp_path / "state", options=["--memory", "1G"]) as server:
        connection = openeo.connect(server.url)
        connection.authenticate_basic("eolith", "any")
        before = server.memory()
        job = connection.create_job(graph["process_graph"])
        job.start()
        used = server.cpu()
        while server.cpu() < used + 1:
            assert job.status() in ("queued", "running"), job.logs()
            time.sleep(0.05)
        job.stop()
        asked = time.monotonic()
        # Generous: other work may be on the machine. The time itself is printed.
        while True:
            used = server.cpu()
            time.sleep(0.3)
            if server.cpu() - used < 0.03:
                break
            assert time.monotonic() - asked < 30, "it goes on"
        print(f"nothing is computed any more after {time.monotonic() - asked - 0.3:.2f} s")
        assert job.status() == "created"
        assert server.memory() < before + (200 << 20)


def slow(collection):
    """A result that is there at once, and one that takes a while."""
    nodes = {"n0": graphs.node("sin", x=graphs.parameter("x"))}
    for i in range(1, 400):
        nodes[f"n{i}"] = graphs.node("sin", x=graphs.of(f"n{i - 1}"))
    nodes["n399"]["result"] = True
    mean = graphs.node("reduce_dimension", data=graphs.of("load"), dimension="t", reducer=graphs.reducer("mean"))
    return graphs.graph(
        load=graphs.load(collection),
        mean=mean,
        first=graphs.node("save_result", data=graphs.of("mean"), format="GTiff"),
        sins=graphs.node("apply", data=graphs.of("load"), process=graphs.graph(**nodes)),
        second=graphs.save("sins", "netCDF"),
    )


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_results_are_shown_as_each_is_complete(tmp_path, database):
    data, state = chaos.sample(tmp_path, 60, 480), tmp_path / "state"
    options = ["--lease", "2"]
    if database == "postgres":
        options += ["--database", chaos.database(os.environ["EOLITH_TEST_POSTGRES"]), "--shared-dir"]
    with Server(f"chaos={data}", state=state, options=options) as server:
        connection = openeo.connect(server.root + "/openeo/1.2")
        job = connection.create_job(slow("chaos"))
        job.start()
        results = f"{server.url}jobs/{job.job_id}/results"

        def until(ready):
            def found():
                answer = requests.get(results, params={"partial": "true"}, timeout=20)
                if answer.status_code == 200 and ready(answer.json()):
                    return answer.json()
                assert job.status() in ("queued", "running")

            return eventually(found, lambda: "no results of a part")

        part = until(lambda found: found["assets"])
        assert part["openeo:status"] == "running" and list(part["assets"]) == ["first.tif"]
        assert "derived_from" in [link["rel"] for link in part["links"]]
        assert requests.get(results, timeout=20).json()["code"] == "JobNotFinished"
        asset = part["assets"]["first.tif"]

        def checksum():
            return "1220" + hashlib.sha256(requests.get(asset["href"], timeout=20).content).hexdigest()

        assert checksum() == asset["file:checksum"]
        # Stopped: what is there stays, for its owner and for whoever has the link.
        job.stop()
        assert job.status() == "canceled"
        canonical = [link["href"] for link in part["links"] if link["rel"] == "canonical"]
        for address in [results + "?partial=true", *canonical]:
            after = requests.get(address, timeout=20).json()
            assert after["openeo:status"] == "canceled" and list(after["assets"]) == ["first.tif"]
        assert checksum() == asset["file:checksum"]
        left = (state / "jobs" / job.job_id).glob
        eventually(lambda: [path.name for path in left("*/*/*/*")] == ["first.tif"])
        # Started again: it goes.
        job.start()
        assert requests.get(asset["href"], timeout=20).status_code == 410
        again = until(lambda found: not found["assets"])
        assert again["openeo:status"] == "running"
        job.stop()
        assert job.status() in ("created", "canceled")
        job.delete()
