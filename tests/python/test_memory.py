"""What a plan declares to hold is what it holds."""

import json
import re
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
import xarray as xr
import zarr

import cubes
from binary import eolith, run
from graphs import graph, load, node, of, reducer, save

MIB = 1 << 20
DATES, SIZE, CHUNK = 24, 1024, 512
# Thread stacks, the buffer of each thread for what it decodes, what the allocator keeps for each thread: those that
# fetch are more than those that compute.
SLACK = {"data": 24 * MIB, "netcdf": 48 * MIB, "remote": 48 * MIB}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("memory") / "cube.zarr"
    cubes.chunked(path, DATES, SIZE, (1, CHUNK, CHUNK))
    zarr.consolidate_metadata(path)
    return f"cube={path}"


@pytest.fixture(scope="module")
def netcdf(data, tmp_path_factory):
    """The same in a file that is decoded while it is fetched."""
    path = tmp_path_factory.mktemp("memory") / "cube.nc"
    with xr.open_zarr(data.removeprefix("cube="), mask_and_scale=False) as cube:
        encoding = {"B04": {"chunksizes": (1, CHUNK, CHUNK), "zlib": True, "complevel": 1}}
        cube.drop_vars("spatial_ref").assign(spatial_ref=cube.spatial_ref.astype("i4")).to_netcdf(path, encoding=encoding)
    return f"cube={path}"


@pytest.fixture(scope="module")
def remote(data):
    """The same behind HTTP: what is fetched waits for its turn in memory."""
    path = data.removeprefix("cube=")
    handler = type("Quiet", (SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=path)) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"cube=http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def reduced(process):
    made = node("reduce_dimension", data=of("load"), dimension="t", reducer=reducer(process))
    return graph(load=load("cube"), made=made, save=save("made", "GTiff"))


def declared(process, data, *options):
    plan = eolith("explain", "-", data, "--stage", "physical", *options, stdin=json.dumps(process))
    assert plan.code == 0, plan.stderr
    return max(int(found) for found in re.findall(r"at most (\d+) bytes each", plan.stdout))


@pytest.mark.parametrize("source", ["data", "netcdf", "remote"])
@pytest.mark.parametrize("process", ["max", "mean", "sd", "median"])
def test_the_measured_peak_is_the_declared_one(process, source, request):
    data = request.getfixturevalue(source)
    options = ["--threads", "1", "--memory", "1G"]
    idle = run(graph(one=node("add", result=True, x=1, y=2)), data, options=options).peak_rss
    held = run(reduced(process), data, options=options).peak_rss - idle
    promised = declared(reduced(process), data, *options)
    result = SIZE * SIZE * 9
    assert held <= promised + result + SLACK[source], f"{held / MIB:.0f} MiB held, {promised / MIB:.0f} promised"


def test_what_waits_for_decoding_is_declared(data, remote, netcdf):
    # One step ahead is fetched: of 512 x 512 pixels of two bytes at least.
    here, far, whole = (declared(reduced("max"), source) for source in (data, remote, netcdf))
    assert min(far, whole) >= here + CHUNK * CHUNK * 2


def test_streams_hold_little_of_a_long_axis(data):
    # All dates together have 48 MiB.
    assert declared(reduced("max"), data) < 24 * MIB
    assert declared(reduced("median"), data, "--memory", "128M") >= DATES * CHUNK * CHUNK * 2


def test_a_large_source_is_decoded_once_in_little_memory(data):
    process = reduced("median")
    little = ["--memory", "16M", "--threads", "2"]
    decoded = run(process, data).figures["bytes_decoded"]
    assert decoded == DATES * SIZE * SIZE * 2
    # All dates of one chunk have 12 MiB: tasks are smaller, and each would decode the chunk again.
    plan = eolith("explain", "-", data, "--stage", "physical", *little, stdin=json.dumps(process))
    assert "kept decoded" in plan.stdout, plan.stdout
    figures = run(process, data, options=little).figures
    assert figures["bytes_decoded"] == decoded
    assert figures["checksum"] == run(process, data).figures["checksum"]


def test_what_cannot_fit_names_the_figure(data):
    failed = eolith("run", "-", data, "--discard", "--memory", "1M", stdin=json.dumps(reduced("median")))
    assert failed.code == 1
    assert "ProcessGraphComplexity" in failed.stderr and re.search(r"needs [\d.]+ (MiB|bytes)", failed.stderr), failed.stderr
    assert "--memory" in failed.stderr or "memory limit" in failed.stderr
