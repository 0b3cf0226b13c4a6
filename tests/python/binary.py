"""The eolith binary: one run of it, and a server of it."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import requests

from patience import eventually

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("EOLITH_BIN", ROOT / "target/debug/eolith"))

_named = os.environ.get("EOLITH_REFERENCE", ROOT.parent / "shared")
REAL = Path(_named) / "data/real"
# The folder of real data sets; None where there is none, and generated data has to do.
REAL = REAL if REAL.is_dir() else None
STANDARD = Path(_named) / "openeo"
# The interfaces of the standard and its vectors; None where there are none, and our own have to do.
STANDARD = STANDARD if STANDARD.is_dir() else None


@dataclass
class Run:
    """What a command did."""

    code: int
    stdout: str
    stderr: str
    peak_rss: int

    @property
    def figures(self):
        """The last line of `run --json`."""
        return json.loads(self.stdout.strip().splitlines()[-1])


# Linux counts the memory of whoever starts a process into the largest resident size of that process. This one holds
# arrays and libraries, so a small one starts the binary and tells (to a file) the exit code and the size.
LAUNCHER = """
import os, sys
_, status, usage = os.wait4(os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ), 0)
with open(sys.argv[1], "w") as told:
    told.write(f"{os.waitstatus_to_exitcode(status)} {usage.ru_maxrss}")
"""


def eolith(*args, stdin="", timeout=120):
    """Runs the binary to its end and never checks how it ended."""
    command = [str(BINARY), *map(str, args)]
    with (
        tempfile.TemporaryFile() as given,
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
        tempfile.NamedTemporaryFile() as told,
    ):
        given.write(stdin.encode())
        given.seek(0)
        launcher = [sys.executable, "-I", "-S", "-c", LAUNCHER, told.name, *command]
        child = subprocess.Popen(launcher, stdin=given, stdout=out, stderr=err, start_new_session=True)
        try:
            child.wait(timeout)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            raise AssertionError(f"{command} did not end within {timeout} s") from None
        out.seek(0)
        err.seek(0)
        code, size = map(int, told.read().split())
        return Run(code, out.read().decode(), err.read().decode(), size * 1024)


def run(graph, *data, output=None, options=()):
    """`eolith run`, which must succeed."""
    target = ["-o", output] if output else ["--discard"]
    result = eolith("run", "-", *data, *target, "--json", *options, stdin=json.dumps(graph))
    assert result.code == 0, result.stderr
    return result


def collections(*data):
    """The descriptions of all collections by id."""
    listed = eolith("collections", *data)
    assert listed.code == 0, listed.stderr
    ids = [line.split()[0] for line in listed.stdout.splitlines() if line.strip()]
    return {id: json.loads(eolith("collections", id, *data).stdout) for id in ids}


class Server:
    """`eolith serve` on a free port of loopback, until the end of a `with` block."""

    def __init__(self, *data, auth="none", state, options=(), certificate=None):
        """With the file of a `certificate` that signs itself, it is spoken to by https."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.verify = str(certificate) if certificate else True
        self.root = f"{'https' if certificate else 'http'}://127.0.0.1:{port}"
        self.url = f"{self.root}/openeo/1.2/"
        self.log = Path(state) / "talk.txt"
        self.log.parent.mkdir(parents=True, exist_ok=True)
        command = [BINARY, "serve", *data, "--port", port, "--auth", auth, "--state", state, *options]
        with self.log.open("wb") as log:
            self.child = subprocess.Popen(
                list(map(str, command)), stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )

    def __enter__(self):
        def answers():
            assert self.child.poll() is None, self.log.read_text()
            try:
                return requests.get(self.url, timeout=20, verify=self.verify).status_code == 200
            except requests.ConnectionError:
                return False

        eventually(answers, lambda: "the server does not answer: " + self.log.read_text())
        return self

    def __exit__(self, *_):
        self.child.terminate()
        try:
            self.code = self.child.wait(20)
        except subprocess.TimeoutExpired:
            self.child.kill()
            raise

    def cpu(self):
        """Processor seconds so far."""
        fields = Path(f"/proc/{self.child.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")

    def memory(self):
        """Resident bytes."""
        return int(Path(f"/proc/{self.child.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")

    def credentials(self):
        """User and password as printed at the first start."""
        text = self.log.read_text()
        user = re.search(r"user[^\S\n]*[:=]?[^\S\n]+`?([^\s`,]+)", text, re.IGNORECASE)
        password = re.search(r"password[^\S\n]*[:=]?[^\S\n]+`?([^\s`,]+)", text, re.IGNORECASE)
        assert user and password, text
        return user[1], password[1]
