"""Servers that are killed, stopped and continued while they run jobs: nothing that was acknowledged may be lost.

`test_chaos.py` does a few rounds; `cargo xtask chaos` does many:

    python chaos.py --kills 50 --stops 10 --postgres postgres://postgres@127.0.0.1:5432
"""

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import requests

import cubes
import graphs
from binary import Server

# Small tasks, so that a job has many of them.
LIMITS = ["--memory", "40M", "--threads", "4"]
THREADS = 4
# Tasks that may be under way when a server is killed: those that are computed and those whose bytes are fetched ahead,
# for each job that runs.
IN_FLIGHT = 2 * THREADS
LEASE = 2


def sample(folder, dates, size):
    """A cube of one band in many small chunks; zeros are no-data, and not in every task."""
    hidden = np.s_[::4, : size // 2, : size // 2]
    return cubes.chunked(Path(folder) / "chaos.zarr", dates, size, (10, 40, 120), hidden)


def jobs():
    """Graphs by name: each format, and two results."""
    load = graphs.load("chaos")
    # All dates of a pixel at once: tasks cannot take them one after the other.
    fill = graphs.graph(
        only=graphs.node("array_interpolate_linear", result=True, data=graphs.parameter("data"))
    )
    smooth = graphs.node("apply_dimension", data=graphs.of("load"), dimension="t", process=fill)
    mean = graphs.node("reduce_dimension", data=graphs.of("smooth"), dimension="t", reducer=graphs.reducer("median"))
    return {
        "zarr": graphs.graph(load=load, smooth=smooth, save=graphs.save("smooth", "Zarr")),
        "netcdf": graphs.graph(load=load, smooth=smooth, save=graphs.save("smooth", "netCDF")),
        "gtiff": graphs.graph(load=load, smooth=smooth, mean=mean, save=graphs.save("mean", "GTiff")),
        "two": graphs.graph(
            load=load,
            smooth=smooth,
            mean=mean,
            one=graphs.node("save_result", data=graphs.of("mean"), format="GTiff"),
            two=graphs.save("smooth", "netCDF"),
        ),
    }


def digest(files):
    """The bytes of all results of a job, by name."""
    found = {}
    for path in sorted(Path(files).rglob("*")):
        if path.is_file():
            found[str(path.relative_to(files))] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


@dataclass
class Client:
    """A client that goes on asking until somebody answers."""

    urls: list
    session: requests.Session = field(default_factory=requests.Session)

    def ask(self, method, path, patience=60, **how):
        end = time.monotonic() + patience
        while True:
            for url in self.urls():
                try:
                    answer = self.session.request(method, url + path, timeout=5, **how)
                    if answer.status_code < 500:
                        return answer
                except requests.RequestException:
                    pass
            assert time.monotonic() < end, f"{method} {path}: nobody answers"
            time.sleep(0.02)

    def create(self, graph):
        answer = self.ask("POST", "jobs", json={"process": graph, "title": "chaos"})
        assert answer.status_code == 201, answer.text
        return answer.headers["OpenEO-Identifier"]

    def start(self, job):
        answer = self.ask("POST", f"jobs/{job}/results")
        assert answer.status_code == 202, answer.text

    def show(self, job):
        answer = self.ask("GET", f"jobs/{job}")
        return answer.json() if answer.status_code == 200 else None

    def wait(self, job, patience=300):
        end = time.monotonic() + patience
        while True:
            shown = self.show(job)
            if shown is None or shown["status"] not in ("queued", "running"):
                return shown
            assert time.monotonic() < end, f"{job} stays {shown['status']} at {shown.get('progress')} %"
            time.sleep(0.1)


class Place:
    """The state of servers: who is started on it, and what lies in it."""

    def __init__(self, folder, data, database=None):
        self.folder, self.data = Path(folder), data
        self.state = self.folder / "state"
        self.scratch = self.folder / "scratch"
        self.scratch.mkdir(parents=True)
        self.options = [*LIMITS, "--scratch", str(self.scratch), "--lease", str(LEASE), "--jobs-of-user", "4"]
        if database:
            self.options += ["--database", database, "--shared-dir"]

    def server(self):
        return Server(f"chaos={self.data}", state=self.state, options=self.options)

    def files(self, job):
        """The one folder of results that a finished job has."""
        (found,) = (self.state / "jobs" / job).glob("*/*/files")
        return found

    def orphans(self, finished, patience=10):
        """Everything of jobs that is not a result of a finished one, once servers had the time to clean up."""
        end = time.monotonic() + patience
        while (left := self.left(finished)) and time.monotonic() < end:
            time.sleep(0.1)
        return left

    def left(self, finished):
        known = [self.files(job) for job in finished]
        parents = {parent for path in known for parent in [path, *path.parents]}
        left = []
        for path in sorted((self.state / "jobs").rglob("*")):
            if path not in parents and not any(folder in path.parents for folder in known):
                left.append(str(path))
        left += [str(path) for path in self.scratch.rglob("*") if path.is_file()]
        left += [str(path) for folder in known for path in folder.rglob(".*")]
        return left


def undisturbed(folder, data):
    """The results of all jobs on a server that nobody disturbs."""
    place = Place(folder, data)
    with place.server() as server:
        client = Client(lambda: [server.url])
        made = {name: client.create(graph) for name, graph in jobs().items()}
        for job in made.values():
            client.start(job)
            about = client.wait(job)
            assert about["status"] == "finished", (about, client.ask("GET", f"jobs/{job}/logs").text)
        return {name: digest(place.files(job)) for name, job in made.items()}


def kill(server):
    server.child.send_signal(signal.SIGKILL)
    server.child.wait()


def kills(folder, data, rounds, seed=0):
    """Kills a server again and again; gives what was seen."""
    wanted = undisturbed(Path(folder) / "calm", data)
    place = Place(Path(folder) / "wild", data)
    chance = random.Random(seed)
    seen = {"kills": 0, "with finished and unfinished chunks": 0, "jobs": 0, "recomputed": 0, "resumed": 0}
    current = {}
    client = Client(lambda: [current["server"].url] if current else [])
    made = {}
    last = {}

    def create(name):
        job = client.create(jobs()[name])
        client.start(job)
        made[job] = (name, seen["kills"])
        last[job] = 0

    current["server"] = place.server().__enter__()
    names = list(jobs())
    while seen["kills"] < rounds:
        going = [job for job in made if last[job] is not None]
        while len(going) < 2:
            create(chance.choice(names))
            going = [job for job in made if last[job] is not None]
        # Any instant will do, but most should find a job half way.
        aim = chance.uniform(1, 98) if chance.random() < 0.8 else None
        end = time.monotonic() + 20
        delay = time.monotonic() + chance.uniform(0, 0.5)
        between = False
        while time.monotonic() < end:
            shown = {job: client.show(job) for job in going}
            for job, about in shown.items():
                if about["status"] not in ("queued", "running"):
                    last[job] = None
            running = [about for about in shown.values() if about["status"] == "running"]
            between = any(half_way(place, about["id"]) for about in running)
            if not running or aim is None and time.monotonic() >= delay:
                break
            if aim is not None and between and any(about.get("progress", 0) >= aim for about in running):
                break
            time.sleep(0.01)
        kill(current["server"])
        seen["kills"] += 1
        seen["with finished and unfinished chunks"] += any(half_way(place, job) for job in going if last[job] is not None)
        current["server"] = place.server().__enter__()
    for job in made:
        about = client.wait(job)
        name, before = made[job]
        assert about["status"] == "finished", (name, about, client.ask("GET", f"jobs/{job}/logs").text)
        usage = {key: value["value"] for key, value in about["usage"].items()}
        disturbed = seen["kills"] - before
        assert usage["chunks_recomputed"] <= IN_FLIGHT * disturbed, (name, usage, disturbed)
        seen["recomputed"] += usage["chunks_recomputed"]
        seen["resumed"] += usage["chunks_resumed"]
        found = digest(place.files(job))
        assert found == wanted[name], (name, found, wanted[name])
    seen["jobs"] = len(made)
    left = place.orphans(made)
    assert not left, left
    current["server"].__exit__()
    return seen


def half_way(place, job):
    """Whether a job has at least one finished and one unfinished task, as its journal says."""
    for journal in (place.state / "jobs" / job).glob("*/*/kept/journal"):
        try:
            lines = journal.read_text(errors="replace").splitlines()
        except OSError:
            continue
        words = [line.split() for line in lines]
        begun = {tuple(word[2:]) for word in words if word[1:2] == ["begin"]}
        done = {tuple(word[2:]) for word in words if word[1:2] == ["done"]}
        if done and begun - done:
            return True
    return False


def stops(folder, data, database, rounds, seed=1):
    """Stops one of two servers for three leases while jobs are cancelled, deleted and started again."""
    wanted = undisturbed(Path(folder) / "calm-2", data)
    place = Place(Path(folder) / "stopped", data, database)
    chance = random.Random(seed)
    seen = {"stops": 0, "taken over": 0}
    with place.server() as first, place.server() as second:
        servers = [first, second]
        for _ in range(rounds):
            awake = lambda: [server.url for server in servers if server is not stopped]  # noqa: E731
            stopped = None
            client = Client(awake)
            made = {name: client.create(graph) for name, graph in jobs().items()}
            for job in made.values():
                client.start(job)
            end = time.monotonic() + 20
            while time.monotonic() < end:
                if any(half_way(place, job) for job in made.values()):
                    break
                time.sleep(0.01)
            stopped = chance.choice(servers)
            stopped.child.send_signal(signal.SIGSTOP)
            seen["stops"] += 1
            fates = list(made.items())
            chance.shuffle(fates)
            (_, cancelled), (_, deleted), (restarted_name, restarted), (kept_name, kept) = fates
            assert client.ask("DELETE", f"jobs/{cancelled}/results").status_code == 204
            assert client.ask("DELETE", f"jobs/{deleted}").status_code == 204
            assert client.ask("DELETE", f"jobs/{restarted}/results").status_code == 204
            client.start(restarted)
            time.sleep(3 * LEASE)
            stopped.child.send_signal(signal.SIGCONT)
            stopped = None
            for name, job in [(restarted_name, restarted), (kept_name, kept)]:
                about = client.wait(job)
                assert about["status"] == "finished", (name, about)
            # What the one that was asleep still wants to do has happened by now.
            time.sleep(3)
            for name, job in [(restarted_name, restarted), (kept_name, kept)]:
                assert client.show(job)["status"] == "finished"
                assert digest(place.files(job)) == wanted[name], name
                seen["taken over"] += client.show(job)["usage"]["chunks_resumed"]["value"] > 0
            assert client.show(cancelled)["status"] in ("created", "canceled", "finished")
            assert client.show(deleted) is None
            finished = [restarted, kept] + [cancelled] * (client.show(cancelled)["status"] == "finished")
            left = place.orphans(finished)
            assert not left, left
            for job in [cancelled, restarted, kept]:
                assert client.ask("DELETE", f"jobs/{job}").status_code == 204
            left = place.orphans([])
            assert not left, left
    return seen


def database(server):
    """A new, empty database."""
    name = f"chaos_{os.getpid()}_{time.monotonic_ns()}"
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1]
    host, port = server.rsplit("@", 1)[1].split(":")
    command = [str(programs / "psql"), "-qAt", "-U", "postgres", "-h", host, "-p", port, "-c", f"CREATE DATABASE {name}"]
    subprocess.run(command, check=True)
    return f"{server}/{name}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--stops", type=int, default=10)
    parser.add_argument("--postgres", required=True)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    given = parser.parse_args()
    print(f"seed {given.seed}", file=sys.stderr)
    data = sample(given.folder, 60, 480)
    seen = kills(given.folder, data, given.kills, given.seed)
    print(json.dumps(seen))
    assert seen["with finished and unfinished chunks"] >= 0.6 * given.kills, "too few kills found a job half way"
    print(json.dumps(stops(given.folder, data, database(given.postgres), given.stops, given.seed)))


if __name__ == "__main__":
    main()
