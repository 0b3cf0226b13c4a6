"""One process, measured from outside: wall, processor time and memory, also inside a memory cgroup.

The program that starts children must stay small: Linux counts the memory of the forking process into the largest
resident size of its child, until the child has called exec. Hence everything that loads arrays is a process too.
"""

import json
import os
import signal
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Ended:
    """What a process did."""

    code: int
    stdout: str
    stderr: str
    wall_s: float
    cpu_s: float
    rss_mb: float
    late: bool

    @property
    def figures(self):
        """The last line of stdout that is a JSON object, or None."""
        for line in reversed(self.stdout.strip().splitlines()):
            if line.startswith("{"):
                return json.loads(line)
        return None

    def reason(self):
        """Why it failed, in one line."""
        if self.late:
            return "not finished in time"
        lines = [line for line in self.stderr.strip().splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith("error")]
        return f"exit code {self.code}: {(errors or lines or ['nothing on stderr'])[-1][:300]}"


def run(command, *, cwd=None, env=None, timeout=600, cgroup=None):
    """Runs a command to its end; kills its process group after `timeout` seconds."""
    join = cgroup.join if cgroup else None
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started = time.perf_counter()
        child = subprocess.Popen(
            [str(word) for word in command],
            cwd=cwd, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
            start_new_session=True, preexec_fn=join,
        )
        late = threading.Event()

        def stop():
            late.set()
            os.killpg(child.pid, signal.SIGKILL)

        timer = threading.Timer(timeout, stop)
        timer.start()
        try:
            # The only way to the figures of one child.
            _, status, usage = os.wait4(child.pid, 0)
        except BaseException:
            os.killpg(child.pid, signal.SIGKILL)
            os.wait4(child.pid, 0)
            raise
        finally:
            timer.cancel()
        wall = time.perf_counter() - started
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        return Ended(
            child.returncode, out.read().decode(errors="replace"), err.read().decode(errors="replace"), wall,
            usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6, late.is_set(),
        )


class Cgroup:
    """A memory limit for children, page cache and all, where the machine lets us make one."""

    def __init__(self, folder, version):
        self.folder, self.version = folder, version

    @classmethod
    def make(cls, limit):
        """A group with a limit of bytes; None and why not where there can be none."""
        root, name = Path("/sys/fs/cgroup"), f"eolith-bench-{os.getpid()}"
        tried = []
        for base in (root, root / "unified"):
            controllers = base / "cgroup.controllers"
            if not controllers.exists() or "memory" not in controllers.read_text().split():
                tried.append(f"{base}: no memory controller of version 2")
                continue
            try:
                (base / "cgroup.subtree_control").write_text("+memory")
                (base / name).mkdir()
                (base / name / "memory.max").write_text(str(limit))
                return cls(base / name, 2), None
            except OSError as error:
                cls.remove_folder(base / name)
                tried.append(f"{base}: {error}")
        base = root / "memory"
        try:
            (base / name).mkdir()
            (base / name / "memory.limit_in_bytes").write_text(str(limit))
            return cls(base / name, 1), None
        except OSError as error:
            cls.remove_folder(base / name)
            tried.append(f"{base}: {error}")
        return None, "; ".join(tried)

    def join(self):
        """Called in the child."""
        (self.folder / "cgroup.procs").write_text(str(os.getpid()))

    def peak_mb(self):
        """Most that was counted, page cache included; None where the kernel does not say."""
        name = "memory.peak" if self.version == 2 else "memory.max_usage_in_bytes"
        try:
            return int((self.folder / name).read_text()) / 1e6
        except OSError:
            return None

    def remove(self):
        self.remove_folder(self.folder)

    @staticmethod
    def remove_folder(folder):
        for _ in range(50):
            try:
                folder.rmdir()
                return
            except FileNotFoundError:
                return
            except OSError:
                time.sleep(0.1)
