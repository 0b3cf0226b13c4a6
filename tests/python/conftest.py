"""Fixtures: the binary, cubes and a server."""

import pytest

import cubes
from binary import BINARY, REAL, STANDARD, Server, eolith


def pytest_configure(config):
    config.addinivalue_line("markers", "reference: needs the reference data, and is not there without them")
    assert BINARY.is_file(), f"{BINARY} is missing: `cargo xtask test` builds it"


@pytest.fixture(scope="session", params=cubes.names())
def cube(request, tmp_path_factory):
    if request.param == "generated":
        folder = request.config.stash.setdefault(FOLDER, None) or tmp_path_factory.mktemp("cubes")
        request.config.stash[FOLDER] = folder
        return cubes.cube("generated", folder)
    return cubes.cube(request.param, None)


FOLDER = pytest.StashKey()


@pytest.fixture(scope="session")
def sample(tmp_path_factory):
    """What `eolith sample` writes, small."""
    path = tmp_path_factory.mktemp("sample") / "sample.zarr"
    made = eolith("sample", path, "--dates", "5", "--size", "96")
    assert made.code == 0, made.stderr
    return path


@pytest.fixture(scope="session")
def server(cube, sample, tmp_path_factory):
    """A server with basic authentication over all containers of a cube and the sample."""
    data = [f"{container}={path}" for container, path in cube.paths.items()]
    state = tmp_path_factory.mktemp("state")
    with Server(*data, f"sample={sample}", auth="basic", state=state) as server:
        yield server

collect_ignore = [] if REAL else ["test_reference.py"]


def pytest_collection_modifyitems(config, items):
    """Without reference data their tests are none; a test that is there and skipped would fail the run."""
    if REAL and STANDARD:
        return
    missing = [item for item in items if item.get_closest_marker("reference")]
    config.hook.pytest_deselected(items=missing)
    items[:] = [item for item in items if item not in missing]


def pytest_report_header():
    return f"reference data: {REAL or 'absent, generated data instead'}"
