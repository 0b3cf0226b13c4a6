"""A server under small requests: one client first, then 200 at a time for a minute, then once with the usual limits.

    python load.py [--seconds 60] [--connections 200]

The request is `add(1, 2)`, authenticated, planned and run; discovery is asked as often in the second part. What is wanted
stands in GOALS; the exit code is 1 if something is missed. The load comes from wrk, on the same cores.
"""

import argparse
import base64
import http.client
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BINARY = os.environ["EOLITH_BIN"]
ADD = {"a": {"process_id": "add", "arguments": {"x": 1, "y": 2}, "result": True}}
BODY = json.dumps({"process": {"process_graph": ADD}})
# Milliseconds, requests a second, share of the memory after ten seconds.
GOALS = {"p50_ms": 1.5, "requests_s": 3000, "p99_ms": 250, "growth": 0.05}

SCRIPT = """
local body = os.getenv("LOAD_BODY")
local headers = {["Content-Type"] = "application/json", ["Authorization"] = "Bearer basic//" .. os.getenv("LOAD_TOKEN")}
local turn = 0
request = function()
  turn = turn + 1
  if turn % 2 == 0 then return wrk.format("GET", "/openeo/1.2/") end
  return wrk.format("POST", "/openeo/1.2/result", headers, body)
end
"""


class Server:
    def __init__(self, folder, config):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        (folder / "config.toml").write_text(config)
        self.log = folder / "log"
        command = [BINARY, "serve", "--auth", "basic", "--port", self.port, "--state", folder / "state"]
        with self.log.open("wb") as log:
            command = [*map(str, command), "--config", str(folder / "config.toml")]
            self.child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def __enter__(self):
        for _ in range(500):
            try:
                if self.ask("GET", "/openeo/1.2/")[0] == 200:
                    break
            except OSError:
                time.sleep(0.02)
        password = re.search(r"password `([^`]+)", self.log.read_text())[1]
        login = base64.b64encode(f"eolith:{password}".encode()).decode()
        status, text = self.ask("GET", "/openeo/1.2/credentials/basic", {"Authorization": f"Basic {login}"})
        assert status == 200, text
        self.token = json.loads(text)["access_token"]
        return self

    def __exit__(self, *_):
        self.child.terminate()
        self.child.wait(20)

    def ask(self, method, path, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request(method, path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read()

    def memory(self):
        text = Path(f"/proc/{self.child.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) / 1024


def one_client(server, requests):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer basic//{server.token}"}
    times = []
    for _ in range(requests):
        start = time.perf_counter()
        connection.request("POST", "/openeo/1.2/result", BODY, headers)
        answer = connection.getresponse()
        text = answer.read()
        times.append((time.perf_counter() - start) * 1000)
        assert (answer.status, text) == (200, b"3"), (answer.status, text)
    return statistics.median(times), statistics.quantiles(times, n=100)[98]


def many_clients(server, folder, connections, seconds):
    """What wrk says, and the memory after ten seconds and at the end."""
    script = folder / "load.lua"
    script.write_text(SCRIPT)
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(script)]
    environment = os.environ | {"LOAD_TOKEN": server.token, "LOAD_BODY": BODY}
    command.append(f"http://127.0.0.1:{server.port}")
    load = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    time.sleep(min(10, seconds / 2))
    early = server.memory()
    text = load.communicate()[0]
    late = server.memory()
    assert load.returncode == 0, text
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1])
    worst = re.search(r"99%\s+([\d.]+)(us|ms|s)", text)
    p99 = float(worst[1]) * {"us": 0.001, "ms": 1, "s": 1000}[worst[2]]
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    broken = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    errors = sum(map(int, broken.groups())) if broken else 0
    return rate, p99, int(refused[1]) if refused else 0, errors, early, late


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--connections", type=int, default=200)
    parser.add_argument("--requests", type=int, default=5000)
    given = parser.parse_args()
    missed = []

    def judge(name, value, good):
        print(f"{'ok    ' if good else 'MISSED'} {name}: {value}", flush=True)
        missed.extend([] if good else [name])

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with Server(folder, "[rates]\nrequests = 0\n[limits]\nrequests = 0\n") as server:
            p50, p99 = one_client(server, given.requests)
            judge("one client", f"p50 {p50:.2f} ms, p99 {p99:.2f} ms", p50 <= GOALS["p50_ms"])
            rate, p99, refused, errors, early, late = many_clients(server, folder, given.connections, given.seconds)
            judge(f"{given.connections} clients", f"{rate:.0f} requests/s", rate >= GOALS["requests_s"])
            judge("their p99", f"{p99:.0f} ms", p99 <= GOALS["p99_ms"])
            judge("their errors", f"{refused} refused, {errors} broken", refused + errors == 0)
            growth = late / early - 1
            judge("memory", f"{early:.0f} MB, then {late:.0f} MB", growth <= GOALS["growth"])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with Server(folder, "") as server:
            rate, _, refused, errors, _, _ = many_clients(server, folder, given.connections, min(5, given.seconds))
            status = http_429(server)
            judge("with limits", f"{refused} refused, {errors} broken, then {status}", refused > 0 and status == 429)
    sys.exit(bool(missed))


def http_429(server):
    """The status of a request right after the load."""
    return server.ask("GET", "/openeo/1.2/")[0]


if __name__ == "__main__":
    main()
