"""Object stores and signed addresses: the same numbers as from disk."""

import json
import os
import time
from pathlib import Path

import pytest
import requests

import cubes
import graphs
import s3server
from binary import eolith, run

BUCKET = "data"


class Store:
    """Objects of the generated cube in a bucket of a server that speaks S3."""

    def __init__(self, endpoint, client):
        self.endpoint = endpoint
        self.client = client
        self.anonymous = {"AWS_ENDPOINT_URL": endpoint, "AWS_ALLOW_HTTP": "true", "AWS_SKIP_SIGNATURE": "true"}
        self.signed = s3server.variables(endpoint)

    def signed_url(self, key):
        return self.client.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": key})


@pytest.fixture(scope="module")
def cube(tmp_path_factory):
    return cubes.generated(tmp_path_factory.mktemp("s3"))


@pytest.fixture(scope="module")
def store(cube, tmp_path_factory):
    with s3server.serving(tmp_path_factory.mktemp("s3server") / "log.txt") as endpoint:
        client = s3server.client(endpoint)
        where = {"LocationConstraint": s3server.REGION}
        client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration=where, ACL="public-read")

        def put(key, body):
            client.put_object(Bucket=BUCKET, Key=key, Body=body, ACL="public-read")

        folder = Path(cube.paths["zarr-2"]).parent
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                put(f"cubes/{file.relative_to(folder)}", file.read_bytes())
        for file in sorted((folder / "cog-stac-1.0").glob("*.tif")):
            put(f"plain/{file.name}", file.read_bytes())
        yield Store(endpoint, client)


@pytest.fixture
def environment(monkeypatch):
    """Sets the variables of a store, and none but those."""

    def set_to(variables):
        for name in [name for name in os.environ if name.startswith(("AWS_", "GOOGLE_", "AZURE_"))]:
            monkeypatch.delenv(name)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return set_to


PREFIXES = {
    "zarr-2": "cubes/zarr-2", "zarr-3": "cubes/zarr-3/", "zarr-3-sharded": "cubes/zarr-3-sharded",
    "netcdf": "cubes/cube.nc", "cog-stac-1.0": "cubes/cog-stac-1.0/collection.json",
    "cog-stac-1.1": "cubes/cog-stac-1.1",
}


@pytest.mark.parametrize("container", PREFIXES)
@pytest.mark.parametrize("access", ["signed", "anonymous"])
def test_a_bucket_is_as_good_as_a_disk(store, cube, container, access, environment):
    environment({})
    graph = graphs.ndvi_maximum("cube")
    expected = run(graph, f"cube={cube.paths[container]}").figures
    environment(getattr(store, access))
    found = run(graph, f"cube=s3://{BUCKET}/{PREFIXES[container]}").figures
    assert found["checksum"] == expected["checksum"]


def test_settings_may_stand_in_the_address(store, cube, environment):
    environment({})
    address = f"s3://{BUCKET}/cubes/zarr-3?endpoint={store.endpoint}&region={s3server.REGION}&anonymous=true&allow_http=true"
    graph = graphs.ndvi_maximum("cube")
    expected = run(graph, f"cube={cube.paths['zarr-3']}").figures["checksum"]
    assert run(graph, f"cube={address}").figures["checksum"] == expected
    wrong = eolith("collections", f"cube=s3://{BUCKET}/cubes/zarr-3?colour=red")
    assert "colour" in wrong.stderr


def test_a_prefix_is_looked_through(store, environment):
    environment(store.signed)
    listed = eolith("collections", f"s3://{BUCKET}/")
    names = [line.split()[0] for line in listed.stdout.splitlines()]
    # Two catalogues, three stores, a file, and the files in `plain`; those that items refer to are not listed again.
    assert len(names) == 2 + 3 + 1 + 4, listed.stdout + listed.stderr
    assert {"zarr-2", "cube", "scene_0"} <= set(names)


def test_what_is_wrong_is_said(store, environment):
    def stderr(address, variables):
        environment(variables)
        begun = time.monotonic()
        failed = eolith("run", "-", f"cube={address}", "--discard", stdin=json.dumps(graphs.whole("cube")))
        assert failed.code == 1 and time.monotonic() - begun < 30
        return failed.stderr

    where = f"s3://{BUCKET}/cubes"
    assert "no data set was found there" in stderr(f"s3://{BUCKET}/nothing", store.signed)
    assert "does not exist" in stderr(f"{where}/missing.nc", store.signed)
    assert "no such bucket" in stderr("s3://nowhere/a", store.signed)
    bare = {"AWS_ENDPOINT_URL": store.endpoint, "AWS_ALLOW_HTTP": "true", "AWS_EC2_METADATA_DISABLED": "true"}
    assert "AWS_ACCESS_KEY_ID" in stderr(f"{where}/zarr-2", bare)
    http = {name: value for name, value in store.signed.items() if name != "AWS_ALLOW_HTTP"}
    assert "AWS_ALLOW_HTTP" in stderr(f"{where}/zarr-2", http)


def test_a_missing_object_is_named(store, environment, tmp_path):
    environment(store.signed)
    source = store.client.get_object(Bucket=BUCKET, Key="cubes/cog-stac-1.0/collection.json")
    collection = json.loads(source["Body"].read())
    store.client.put_object(Bucket=BUCKET, Key="broken/collection.json", Body=json.dumps(collection))
    for i in range(4):
        item = store.client.get_object(Bucket=BUCKET, Key=f"cubes/cog-stac-1.0/scene_{i}.json")["Body"].read()
        store.client.put_object(Bucket=BUCKET, Key=f"broken/scene_{i}.json", Body=item)
    failed = eolith(
        "run", "-", f"cube=s3://{BUCKET}/broken/collection.json", "--discard", stdin=json.dumps(graphs.whole("cube"))
    )
    assert failed.code == 1
    assert f"s3://{BUCKET}/broken/scene_0.tif" in failed.stderr and "does not exist" in failed.stderr
    store.client.delete_object(Bucket=BUCKET, Key="broken/collection.json")
    for i in range(4):
        store.client.delete_object(Bucket=BUCKET, Key=f"broken/scene_{i}.json")


def test_signed_urls_are_read(store, cube, environment):
    environment({})
    graph = graphs.whole("cube")
    for key, path in [("cubes/cube.nc", cube.paths["netcdf"]), ("plain/scene_0.tif", None)]:
        url = store.signed_url(key)
        assert "?" in url and requests.head(url, timeout=5).status_code in (200, 403)
        if path is None:
            path = Path(cube.paths["cog-stac-1.0"]).parent / "scene_0.tif"
        found = run(graph, f"cube={url}").figures["checksum"]
        assert found == run(graph, f"cube={path}").figures["checksum"]


def test_relative_addresses_of_items_are_in_the_bucket(store, cube, environment):
    """A catalogue over HTTP whose items are relative to it."""
    environment({})
    base = f"{store.endpoint}/{BUCKET}/cubes/cog-stac-1.1/collection.json"
    graph = graphs.ndvi_maximum("cube")
    expected = run(graph, f"cube={cube.paths['cog-stac-1.1']}").figures["checksum"]
    assert run(graph, f"cube={base}").figures["checksum"] == expected
