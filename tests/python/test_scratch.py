"""The scratch folder: its limit, and what killed processes leave in it."""

import fcntl
import json
import re
import resource
import signal
import subprocess
import time

import pytest

import cubes
from binary import BINARY, eolith, run
from graphs import graph, load, node, of, reducer, save, whole

DATES, SIZE = 24, 1024
# So little memory that the result waits on disk.
LITTLE = ["--memory", "64M", "--threads", "2"]
BYTES = DATES * SIZE * SIZE * 3


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("scratch") / "cube.zarr"
    return f"cube={cubes.chunked(path, DATES, SIZE, (1, 512, 512))}"


def test_a_result_beyond_the_limit_is_refused_with_both_figures(data, tmp_path):
    options = [*LITTLE, "--scratch", tmp_path / "new"]
    failed = eolith("run", "-", data, "--discard", *options, "--scratch-limit", "10M", stdin=json.dumps(whole("cube")))
    assert failed.code == 1
    assert "ProcessGraphComplexity" in failed.stderr and "--scratch-limit" in failed.stderr, failed.stderr
    assert str(BYTES) in failed.stderr and str(10 << 20) in failed.stderr, failed.stderr
    enough = run(whole("cube"), data, options=[*options, "--scratch-limit", "80M"]).figures
    assert enough["checksum"] == run(whole("cube"), data).figures["checksum"]
    assert list((tmp_path / "new").iterdir()) == []


def test_a_source_is_not_kept_decoded_beyond_the_limit(data):
    median = node("reduce_dimension", data=of("load"), dimension="t", reducer=reducer("median"))
    process = json.dumps(graph(load=load("cube"), made=median, save=save("made", "GTiff")))
    little = ["--stage", "physical", "--memory", "16M", "--threads", "1"]
    plan = eolith("explain", "-", data, *little, "--scratch-limit", "100M", stdin=process)
    assert plan.code == 0 and "kept decoded" in plan.stdout, plan.stderr + plan.stdout
    plan = eolith("explain", "-", data, *little, "--scratch-limit", "10M", stdin=process)
    assert plan.code == 1 and "ProcessGraphComplexity" in plan.stderr and "memory" in plan.stderr, plan.stderr


def test_what_the_system_refuses_is_named(data, tmp_path):
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20 << 20, 20 << 20))
    command = [BINARY, "run", "-", data, "--discard", *LITTLE, "--scratch", tmp_path]
    failed = subprocess.run(
        list(map(str, command)), input=json.dumps(whole("cube")), text=True, capture_output=True, timeout=120,
        # Else the signal of the limit ends the process; here the call fails, as it does for a quota.
        preexec_fn=limit, restore_signals=False,
    )
    assert failed.returncode == 1, failed.stderr
    assert "ProcessGraphComplexity" in failed.stderr and "--scratch" in failed.stderr, failed.stderr
    assert str(BYTES) in failed.stderr and "too large" in failed.stderr.lower(), failed.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_next_start_removes_what_dead_processes_left_and_nothing_else(data, tmp_path):
    killed = subprocess.Popen(
        list(map(str, [BINARY, "run", "-", data, "--discard", *LITTLE, "--scratch", tmp_path])),
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True,
    )
    killed.stdin.write(json.dumps(whole("cube")))
    killed.stdin.close()
    folders = lambda: [path for path in tmp_path.iterdir() if path.is_dir()]
    while not folders():
        assert killed.poll() is None, "it ended before it was killed"
        time.sleep(0.001)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    (left,) = folders()
    assert re.fullmatch(r"eolith-scratch-\w+", left.name)
    (left / "result").write_bytes(bytes(1000))
    # A process that lives holds the lock of its folder.
    living = tmp_path / "eolith-scratch-living"
    living.mkdir()
    (living / "result").write_bytes(bytes(1000))
    (tmp_path / "mine").mkdir()
    with (tmp_path / "eolith-scratch-living.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        run(graph(one=node("add", result=True, x=1, y=2)), data, options=["--scratch", tmp_path])
        assert sorted(path.name for path in tmp_path.iterdir()) == ["eolith-scratch-living", "eolith-scratch-living.lock", "mine"]
        assert (living / "result").stat().st_size == 1000
    run(graph(one=node("add", result=True, x=1, y=2)), data, options=["--scratch", tmp_path])
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
