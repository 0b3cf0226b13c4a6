"""The openEO JavaScript client from npm against a real server: `tests/js/life.cjs` is the user."""

import json
import os
import subprocess

import pytest

from binary import ROOT

# Where `cargo xtask test` has put the packages of `tests/js/package.json`.
MODULES = os.environ.get("EOLITH_TEST_NODE", ROOT / "target/test-env/node/node_modules")


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_users_life(server, cube, version):
    user, password = server.credentials()
    command = ["node", ROOT / "tests/js/life.cjs", f"{server.root}/openeo/{version}", user, password, "zarr-3"]
    run = subprocess.run(
        list(map(str, command)), env={**os.environ, "NODE_PATH": str(MODULES)}, capture_output=True, text=True, timeout=120
    )
    assert run.returncode == 0, run.stderr
    seen = json.loads(run.stdout.splitlines()[-1])
    assert seen["apiVersion"] == f"{version}.0"
    assert len(seen["features"]) == 7
    assert set(seen["collections"]) == {*cube.paths, "sample"} and seen["processes"] > 150
    assert seen["items"] == ["zarr-3"]
    assert seen["user"] == user and seen["errors"] == ["ProcessUnsupported"]
    assert seen["sync"]["logs"] > 0 and seen["sync"]["size"] > 1000
    assert seen["created"] == "created" and seen["estimate"] == 0 and seen["status"] == "finished"
    assert seen["title"] == "Renamed" and seen["stac"] == "Collection" and seen["listed"] and seen["log"]
    (asset,) = seen["assets"]
    # One file, named by the last part of its address, and the same as the one that came at once.
    assert asset["href"].endswith(".tif") and asset["bytes"] == seen["sync"]["size"]
    assert asset["type"].startswith("image/tiff; application=geotiff")
    assert seen["failed"] == "error" and seen["refusal"] and seen["gone"] == "JobNotFound"
