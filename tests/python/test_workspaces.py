"""What is only a user's: collections and workspaces that results are exported to, with clients of two users."""

import numpy as np
import openeo
import pystac_client
import pytest
import requests
import xarray as xr

import graphs
from binary import Server, eolith

USERS = ["ada", "bob"]


@pytest.fixture(scope="module")
def server(sample, tmp_path_factory):
    state = tmp_path_factory.mktemp("state")
    for user in USERS:
        added = eolith("user", "add", user, "--stdin", "--state", state, stdin=f"password of {user}\n")
        assert added.code == 0, added.stderr
    with Server(f"sample={sample}", auth="basic", state=state) as server:
        server.state = state
        yield server


@pytest.fixture(scope="module")
def users(server):
    return {user: openeo.connect(server.url).authenticate_basic(user, f"password of {user}") for user in USERS}


def export(process, **where):
    """All dates as images, handed on."""
    return graphs.graph(
        load=graphs.load("sample", bands=["B04", "B08"]),
        save=graphs.node("save_result", data=graphs.of("load"), format="GTiff"),
        change=graphs.node("stac_modify", data=graphs.of("save"), changes={"id": "images"}),
        export=graphs.node(process, result=True, data=graphs.of("change"), **where),
    )


def test_collections_of_a_user_are_there_for_nobody_else(server, users, tmp_path):
    ada, bob, anyone = users["ada"], users["bob"], openeo.connect(server.url)
    before = {"sample"}
    assert {c["id"] for c in ada.list_collections()} == before
    job = ada.create_job(export("export_collection", collection="mine/winter"))
    job.start_and_wait(print=lambda _: None, max_poll_interval=0.3)
    assert {c["id"] for c in ada.list_collections()} == before | {"mine/winter"}
    assert ada.describe_collection("mine/winter")["cube:dimensions"]["bands"]["values"] == ["B04", "B08"]
    pages = list(ada.collection_items("mine/winter"))
    found = [item for page in pages for item in page["features"]]
    assert len(found) > 1 and all(list(item["assets"]) == ["data"] for item in found)
    tiff = requests.get(found[0]["assets"]["data"]["href"])
    assert tiff.status_code == 200 and tiff.content[:2] == b"II"
    assert str(server.state) not in str(pages)
    loaded, original = tmp_path / "mine.nc", tmp_path / "sample.nc"
    ada.load_collection("mine/winter").download(loaded)
    ada.load_collection("sample", bands=["B04", "B08"]).download(original)
    with xr.open_dataset(loaded) as own, xr.open_dataset(original) as sample:
        for band in ("B04", "B08"):
            assert np.array_equal(own[band].values, sample[band].values, equal_nan=True)
    # With the token in its header; searches see it, too.
    token = {"Authorization": f"Bearer {ada.auth.bearer}"}
    client = pystac_client.Client.open(server.url, headers=token)
    assert {item.collection_id for item in client.search().items()} == {"sample", "mine/winter"}
    for other in (bob, anyone):
        assert {c["id"] for c in other.list_collections()} == before
        for path in ("collections/mine/winter", "collections/mine/winter/items", "collections/mine/winter/queryables"):
            with pytest.raises(openeo.rest.OpenEoApiError, match="CollectionNotFound"):
                other.get(path)
        assert {item["collection"] for item in other.get("search").json()["features"]} == before
    with pytest.raises(openeo.rest.OpenEoApiError, match="CollectionNotFound"):
        bob.load_collection("mine/winter", fetch_metadata=False).download(tmp_path / "no.nc", validate=False)
    answer = requests.get(server.url + "collections", headers={"Authorization": "Bearer basic//nonsense"})
    assert answer.status_code == 403 and answer.json()["code"] == "TokenInvalid"


def test_results_are_exported_to_a_workspace(server, users):
    ada, bob = users["ada"], users["bob"]
    offered = requests.get(server.url + "workspace_providers").json()["providers"]
    assert all(provider["intents"] == ["create"] for provider in offered.values())
    made = ada.post("workspaces", json={"intent": "create", "title": "My results", "type": None}, expected_status=201)
    id = made.headers["OpenEO-Identifier"]
    assert made.headers["Location"] == f"{server.url}workspaces/{id}"
    assert ada.get(f"workspaces/{id}").json() == {"id": id, "type": "local", "status": "ready", "title": "My results"}
    job = ada.create_job(export("export_workspace", workspace=id))
    job.start_and_wait(print=lambda _: None, max_poll_interval=0.3)
    folder = server.state / "users/u-ada/workspaces" / id / "images"
    assert (folder / "collection.json").is_file()
    # A second export under that id is in the way; other users have other workspaces.
    again = ada.create_job(export("export_workspace", workspace=id))
    with pytest.raises(openeo.rest.job.JobFailedException):
        again.start_and_wait(print=lambda _: None, max_poll_interval=0.3)
    assert [entry["code"] for entry in again.logs(level="error")] == ["ResourceExists"]
    assert [own["id"] for own in ada.get("workspaces").json()["workspaces"]] == [id]
    assert bob.get("workspaces").json()["workspaces"] == []
    for method in (bob.get, bob.delete):
        with pytest.raises(openeo.rest.OpenEoApiError, match="WorkspaceNotFound"):
            method(f"workspaces/{id}")
    ada.delete(f"workspaces/{id}", expected_status=204)
    assert not folder.exists() and ada.get("workspaces").json()["workspaces"] == []
