"""Runs that are killed and taken up again: the files are those of a run that nobody disturbed."""

import ctypes
import fcntl
import json
import os
import re
import select
import shutil
import signal
import subprocess
import time

import numpy as np
import pytest
import zarr

import cubes
from binary import BINARY, eolith
from graphs import graph, load, node, of, parameter, reducer, save

DATES, SIZE = 60, 480
THREADS = 4
# So little memory that there are many tasks.
LITTLE = ["--memory", "34M", "--threads", THREADS]


# All dates of a pixel at once: tasks cannot take them one after the other.
FILLED = node(
    "apply_dimension", data=of("load"), dimension="t",
    process=graph(only=node("array_interpolate_linear", result=True, data=parameter("data"))),
)
MEDIAN = node("reduce_dimension", data=of("load"), dimension="t", reducer=reducer("median"))

# The main file and the process.
JOBS = {
    "zarr": ("out.zarr", graph(load=load("cube"), made=FILLED, save=save("made", "Zarr"))),
    "netcdf": ("out.nc", graph(load=load("cube"), made=FILLED, save=save("made", "netCDF"))),
    "gtiff": ("out.tif", graph(load=load("cube"), made=MEDIAN, save=save("made", "GTiff"))),
    "two": (
        "out.nc",
        graph(
            load=load("cube"),
            filled=FILLED,
            first={**save("filled", "Zarr"), "result": False},
            made=MEDIAN,
            save=save("made", "netCDF"),
        ),
    ),
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("kept") / "cube.zarr"
    # Not in every task.
    hidden = np.s_[::4, :200, :300]
    return f"cube={cubes.chunked(path, DATES, SIZE, (10, 40, 120), hidden)}"


@pytest.fixture(scope="module")
def undisturbed(data, tmp_path_factory):
    """The files and figures of each job, made without a ledger."""
    made = {}

    def run(job):
        if job not in made:
            folder = tmp_path_factory.mktemp(job)
            result = eolith(*command(job, data, folder))
            assert result.code == 0, result.stderr
            assert "resumed" not in result.figures
            made[job] = (files(folder), result.figures)
        return made[job]

    return run


def command(job, data, folder, *options):
    """Arguments of the command; the process lies beside the folder."""
    name, process = JOBS[job]
    written = folder.with_suffix(".json")
    written.write_text(json.dumps(process))
    return ["run", written, data, "-o", folder / name, "--json", *LITTLE, *options]


def files(folder):
    """All files below a folder, with their bytes."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def lines(kept, kind):
    """Part and task of the records of a kind, as far as they are written whole."""
    try:
        text = (kept / "journal").read_text()
    except FileNotFoundError:
        return []
    whole = [line.split() for line in text.split("\n")[:-1]]
    return [tuple(line[2:]) for line in whole if line[1] == kind]


def kill(command, reached):
    """Runs a command until something is reached, and kills it there; False where it ended before."""
    with subprocess.Popen(
        list(map(str, [BINARY, *command])), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as child:
        end = time.monotonic() + 120
        while not reached():
            if child.poll() is not None:
                assert child.returncode == 0, child.stderr.read()
                return False
            assert time.monotonic() < end
            time.sleep(0.0005)
        child.send_signal(signal.SIGKILL)
        child.wait()
        return child.returncode == -signal.SIGKILL


def begun_in(folder):
    """Something is being made in a folder. The system tells it at once: it is there for less than a look around takes."""
    system = ctypes.CDLL(None, use_errno=True)
    events = system.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    create = 0x100
    assert events >= 0 and system.inotify_add_watch(events, os.fsencode(folder), create) >= 0, ctypes.get_errno()

    def reached():
        # Returns early when something happens.
        select.select([events], [], [], 0.2)
        try:
            return b".writing-" in os.read(events, 65536)
        except BlockingIOError:
            return False

    return reached


def done(kept, share, tasks):
    """This share of all tasks is done."""
    return lambda: len(set(lines(kept, "done"))) >= share * tasks and (kept / "journal").exists()


def writing(folder, delay):
    """So many seconds after a file was begun."""
    since = []

    def reached():
        if not since and any(path.name != ".mode" for path in folder.glob(".writing-*/*")):
            since.append(time.monotonic())
        return bool(since) and time.monotonic() >= since[0] + delay

    return reached


def under_way(kept):
    return set(lines(kept, "begin")) - set(lines(kept, "done"))


INSTANTS = [("done", share) for share in (0, 0.3, 0.7, 1)] + [("writing", delay) for delay in (0, 0.1)]


@pytest.mark.parametrize("kind, value", INSTANTS)
@pytest.mark.parametrize("job", JOBS)
def test_a_killed_run_is_taken_up_where_it_ended(job, kind, value, data, undisturbed, tmp_path):
    expected, figures = undisturbed(job)
    folder, kept = tmp_path / "out", tmp_path / "kept"
    folder.mkdir()
    again = command(job, data, folder, "--keep", kept)
    reached = done(kept, value, figures["tasks"]) if kind == "done" else writing(folder, value)
    if not kill(again, reached):
        # The last instants of a run are short.
        assert value in (1, 0.1), "it ended before it was killed"
    finished, begun = (set(lines(kept, "done")), under_way(kept)) if kept.exists() else (set(), set())
    # One that is killed before it says so has not begun.
    killed = len(lines(kept, "boot"))
    assert killed <= 1 and len(begun) <= THREADS
    result = eolith(*again)
    assert result.code == 0, result.stderr
    assert files(folder) == expected
    assert sorted(path.name for path in folder.iterdir()) == sorted({name.split("/")[0] for name in expected})
    assert not kept.exists()
    own = result.figures
    assert own["checksum"] == figures["checksum"] and own["tasks"] == figures["tasks"]
    assert own["resumed"] == len(finished)
    assert own["recomputed"] <= len(begun)
    assert own["attempts"] == 1 + killed
    if own["resumed"] == own["tasks"]:
        assert own["bytes_read"] == 0
    if killed:
        assert f"{len(finished)} of {own['tasks']} tasks are done" in result.stderr


def test_a_run_that_is_killed_again_and_again_comes_to_its_end(data, undisturbed, tmp_path):
    expected, figures = undisturbed("two")
    folder, kept = tmp_path / "out", tmp_path / "kept"
    folder.mkdir()
    again = command("two", data, folder, "--keep", kept)
    kills, lost = 0, 0
    for step in range(1, 12):
        if not kill(again, done(kept, step / 12, figures["tasks"])):
            break
        kills += 1
        lost += len(under_way(kept))
    assert kills >= 8
    result = eolith(*again)
    assert result.code == 0, result.stderr
    assert files(folder) == expected
    assert result.figures["attempts"] == kills + 1
    assert result.figures["recomputed"] <= lost <= THREADS * kills
    assert not kept.exists()


def test_an_undisturbed_kept_run_gives_the_same_and_leaves_nothing(data, undisturbed, tmp_path):
    for job in JOBS:
        expected, figures = undisturbed(job)
        folder, kept = tmp_path / job, tmp_path / "kept"
        folder.mkdir()
        result = eolith(*command(job, data, folder, "--keep", kept))
        assert result.code == 0, result.stderr
        assert files(folder) == expected and not kept.exists()
        own = result.figures
        assert (own["checksum"], own["resumed"], own["recomputed"], own["attempts"]) == (figures["checksum"], 0, 0, 1)


EXPORTED = {
    "apart": {"merge": None},
    "collection": {"merge": "all/of/them"},
}


def export(to):
    """The median is exported before the rest is computed."""
    return graph(
        load=load("cube"),
        median=MEDIAN,
        image={**save("median", "GTiff"), "result": False},
        copied=node("export_workspace", data=of("image"), workspace="mine", **EXPORTED[to]),
        filled=FILLED,
        save=save("filled", "netCDF"),
    )


def crc32c(text, value):
    """The checksum of Castagnoli, bit by bit, going on from another one."""
    value ^= 0xFFFFFFFF
    for byte in text.encode():
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    return value ^ 0xFFFFFFFF


@pytest.mark.parametrize("job", JOBS)
def test_after_a_stop_of_the_machine_pixels_that_were_not_on_the_disk_may_be_anything(job, data, undisturbed, tmp_path):
    expected, figures = undisturbed(job)
    folder, kept = tmp_path / "out", tmp_path / "kept"
    folder.mkdir()
    again = command(job, data, folder, "--keep", kept)
    assert kill(again, done(kept, 0.5, figures["tasks"]))
    # Another start of the machine, under which nothing was synced.
    text, value = "", 0
    for line in (kept / "journal").read_text().split("\n")[:-1]:
        said = line.split(" ", 1)[1]
        if said.startswith("synced"):
            continue
        if said.startswith("boot"):
            said = "boot another"
        value = crc32c(said, value)
        text += f"{value:08x} {said}\n"
    (kept / "journal").write_text(text)
    begun = len(set(lines(kept, "begin")))
    for pixels in kept.glob("pixels-*"):
        pixels.write_bytes(b"\xa7" * pixels.stat().st_size)
    result = eolith(*again)
    assert result.code == 0, result.stderr
    assert files(folder) == expected
    own = result.figures
    assert (own["resumed"], own["recomputed"], own["attempts"]) == (0, begun, 2)


@pytest.mark.parametrize("moment", ["copying", "copied", "later"])
@pytest.mark.parametrize("to", EXPORTED)
def test_what_a_killed_run_exported_is_exported_once(to, moment, data, tmp_path):
    target = EXPORTED[to]["merge"] or ""

    def prepared(name):
        root = tmp_path / name
        (root / "workspaces/mine" / target).mkdir(parents=True)
        (root / "out").mkdir()
        written = root / "graph.json"
        written.write_text(json.dumps(export(to)))
        run = ["run", written, data, "-o", root / "out/out.nc", "--json", *LITTLE, "--workspace", root]
        return root, run

    root, run = prepared("expected")
    result = eolith(*run)
    assert result.code == 0, result.stderr
    # Each attempt says when it made the documents.
    said = lambda: {name: re.sub(rb'"created": "[^"]+"', b"", content) for name, content in files(root / "workspaces").items()}
    expected = said()
    assert expected
    root, run = prepared("killed")
    kept = root / "kept"
    place = root / "workspaces/mine"
    reached = {
        "copying": begun_in(place / target),
        "copied": lambda: any(path.name == "image" for path in place.rglob("image")),
        "later": lambda: len(lines(kept, "effect")) > 0 and any(part == "2" for part, _ in lines(kept, "done")),
    }[moment]
    assert kill([*run, "--keep", kept], reached)
    # A server gives the next attempt what was kept at another place.
    moved = kept.rename(root / "moved")
    again = [*run, "--keep", moved]
    result = eolith(*again)
    assert result.code == 0, result.stderr
    assert said() == expected
    assert result.figures["attempts"] == 2 and not moved.exists()
    # What another run has put there is still in the way.
    refused = eolith(*again)
    assert refused.code == 1 and "ResourceExists" in refused.stderr, refused.stderr
    assert said() == expected


def test_another_run_starts_anew_and_says_why(data, undisturbed, tmp_path):
    expected, figures = undisturbed("gtiff")
    folder, kept = tmp_path / "out", tmp_path / "kept"
    folder.mkdir()
    again = command("gtiff", data, folder, "--keep", kept)
    path = data.split("=")[1]

    def anew(change, reason, run=again):
        assert kill(again, done(kept, 0.5, figures["tasks"]))
        change()
        result = eolith(*run)
        assert result.code == 0, result.stderr
        assert reason in result.stderr, result.stderr
        assert result.figures["resumed"] == 0 and result.figures["attempts"] == 1
        return files(folder)

    more = ["120M" if argument == LITTLE[1] else argument for argument in again]
    assert anew(lambda: None, "other tasks", more) == expected
    other = command("netcdf", data, tmp_path / "other", "--keep", kept)
    (tmp_path / "other").mkdir()
    anew(lambda: None, "another plan", other)
    assert files(tmp_path / "other") == undisturbed("netcdf")[0]
    shutil.rmtree(folder)
    folder.mkdir()
    assert anew(lambda: (kept / "journal").write_text("nonsense\n"), "damaged") == expected
    assert anew(lambda: (kept / "pixels-0").unlink(), "pixels") == expected
    # The data are replaced: what was computed from the old ones is not mixed with the new ones.
    copy = tmp_path / "cube.zarr"
    shutil.copytree(path, copy)
    again = command("gtiff", f"cube={copy}", folder, "--keep", kept)

    def replace():
        group = zarr.open_group(copy, mode="r+")
        group["B04"][:, :50] = 77
        # A store is known by the document at its root.
        group.attrs["changed"] = True

    changed = anew(replace, "another plan", again)
    assert changed != expected
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    assert eolith(*command("gtiff", f"cube={copy}", fresh)).code == 0
    assert changed == files(fresh)


def test_a_folder_is_for_one_run_at_a_time(data, tmp_path):
    folder, kept = tmp_path / "out", tmp_path / "kept"
    folder.mkdir()
    kept.mkdir()
    with (kept / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        failed = eolith(*command("gtiff", data, folder, "--keep", kept))
    assert failed.code == 1 and "another run uses the folder" in failed.stderr and str(kept) in failed.stderr
    assert list(folder.iterdir()) == []


def test_what_no_disk_holds_is_refused(data, tmp_path):
    folder, kept = tmp_path / "out", tmp_path / "kept"
    folder.mkdir()
    limited = command("netcdf", data, folder, "--keep", kept, "--scratch-limit", "10M")
    failed = eolith(*limited)
    assert failed.code == 1 and "--scratch-limit" in failed.stderr, failed.stderr
    assert str(DATES * SIZE * SIZE * 9) in failed.stderr
    assert list(folder.iterdir()) == []
    # With enough room the same folder serves, and files that are not the run's stay in it.
    (kept / "mine").write_text("of the user")
    enough = eolith(*limited[:-1], "150M")
    assert enough.code == 0, enough.stderr
    assert [path.name for path in kept.iterdir()] == ["mine"]
