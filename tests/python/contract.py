"""The official OpenAPI document against a server: requests that it allows, and some that it does not, for each operation.

What must hold: no status of 500 or more, no status that the document does not know, no answer that breaks its schema,
and every operation succeeds at least once. Half of the ids in paths are those of things that are there.

    python contract.py --cases 5000
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter, defaultdict
from functools import cache
from pathlib import Path

import requests
import schemathesis
import yaml
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.checks import CHECKS
from schemathesis.core.failures import FailureGroup

import graphs
from binary import STANDARD, Server, eolith

CHECKED = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
]
ADD = graphs.graph(sum=graphs.node("add", x=3, y=2, result=True))
# The address of an XYZ service has `{z}` in it, as its clients need it, which the document takes for no address.
TYPE = "WMTS"
# Statuses of a request that did not get past authentication.
REFUSED = {401, 403}


def document():
    """OpenEO 1.2.0 as OpenAPI, with its one contradiction taken out."""
    document = yaml.safe_load((STANDARD / "api/openapi-1.2.0.yaml").read_text())
    # YAML makes instants of the texts in examples.
    document = json.loads(json.dumps(document, default=str))
    # Costs are a header, too, and a header that may be null is never read as a number.
    document["components"]["schemas"]["money"].pop("nullable")
    # The parts of this `oneOf` overlap, so that nothing with a subtype of the first matches exactly one.
    schema = document["components"]["schemas"]["process_json_schema"]
    for place in [schema, *schema.get("allOf", [])]:
        if "oneOf" in place:
            place["anyOf"] = place.pop("oneOf")
    return document


class Contract:
    def __init__(self, server, user, password, collection):
        self.root, self.collection = server.url.rstrip("/"), collection
        answer = requests.get(f"{self.root}/credentials/basic", auth=(user, password), timeout=20)
        self.token = answer.json()["access_token"]
        self.login = (user, password)
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer basic//{self.token}"
        self.statuses = defaultdict(Counter)
        self.problems = {}
        self.random = random.Random(5)

    def ask(self, method, path, **how):
        return self.session.request(method, self.root + path, timeout=60, **how)

    def make(self, kind):
        """Something that is there, for an operation that needs it."""
        if kind == "collection_id":
            return self.collection
        if kind == "job_id":
            return self.ask("POST", "/jobs", json={"process": ADD}).headers["OpenEO-Identifier"]
        if kind == "finished":
            return self.finished_job()
        if kind == "process_graph_id":
            name = f"p{self.random.randrange(10**6)}"
            self.ask("PUT", f"/process_graphs/{name}", json=ADD)
            return name
        if kind == "service_id":
            load = graphs.graph(load=graphs.load(self.collection, bands=["B04"]), save=graphs.save("load", "PNG"))
            body = {"type": TYPE, "process": load}
            return self.ask("POST", "/services", json=body).headers["OpenEO-Identifier"]
        if kind == "path":
            name = f"f{self.random.randrange(10**6)}.txt"
            self.ask("PUT", f"/files/{name}", data=b"x", headers={"Content-Type": "application/octet-stream"})
            return name
        raise AssertionError(f"cannot make a {kind}")

    @cache
    def finished_job(self):
        job = self.make("job_id")
        self.ask("POST", f"/jobs/{job}/results")
        end = time.monotonic() + 60
        while self.ask("GET", f"/jobs/{job}").json()["status"] != "finished":
            assert time.monotonic() < end, "the job does not end"
            time.sleep(0.05)
        return job

    def call(self, case, name):
        real = self.random.random() < 0.5
        kinds = list(case.path_parameters or {})
        if real and kinds:
            kind = "finished" if name == "GET /jobs/{job_id}/results" else kinds[0]
            case.path_parameters = {kinds[0]: self.make(kind)}
        headers = {"Authorization": f"Bearer basic//{self.token}"}
        how = {}
        if name == "GET /credentials/basic":
            headers, how = {}, {"auth": self.login}
        if real and name == "POST /result":
            case.body = {"process": ADD}
        if real and name in ("POST /jobs", "PATCH /jobs/{job_id}"):
            case.body = {"process": ADD, "title": "contract"}
        if real and name == "PUT /process_graphs/{process_graph_id}":
            case.body, case.path_parameters = ADD, {"process_graph_id": f"q{self.random.randrange(10**6)}"}
        if real and name == "POST /services":
            load = graphs.graph(load=graphs.load(self.collection, bands=["B04"]), save=graphs.save("load", "PNG"))
            case.body = {"type": TYPE, "process": load}
        return case.call(base_url=self.root, headers=headers, timeout=60, **how)

    def check(self, operation, cases, number):
        """Asks one operation that often."""
        name = f"{operation.method.upper()} {operation.path}"
        checks = [CHECKS.get_by_names([check])[0] for check in CHECKED]

        @seed(number)
        @settings(
            max_examples=cases,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def ask(case):
            response = self.call(case, name)
            self.statuses[name][response.status_code] += 1
            try:
                case.validate_response(response, checks=checks)
            except FailureGroup as group:
                for failure in group.exceptions:
                    key = (name, response.status_code, type(failure).__name__, " ".join(str(failure).split())[:160])
                    text = f"{failure.message}\n{case.as_curl_command()[:600]}\n{response.content[:600]!r}"
                    self.problems.setdefault(key, text)

        ask()

    def run(self, cases, only=None):
        schema = schemathesis.openapi.from_dict(document())
        operations = [operation.ok() for operation in schema.get_all_operations()]
        operations = [o for o in operations if o.path != "/.well-known/openeo"]
        if only:
            operations = [o for o in operations if only in f"{o.method.upper()} {o.path}"]
        # Those that take a body are asked more often: there is more to get wrong.
        for number, operation in enumerate(operations):
            self.check(operation, -(-cases // len(operations)), number)
        self.judge()

    def judge(self):
        for name, statuses in self.statuses.items():
            total, refused = sum(statuses.values()), sum(statuses[s] for s in REFUSED)
            if not any(200 <= status < 300 for status in statuses):
                self.problems[name, "never succeeds"] = str(dict(statuses))
            if refused > 0.4 * total:
                self.problems[name, "mostly refused"] = str(dict(statuses))


def serve(folder):
    """A server with a password over the sample."""
    sample = Path(folder) / "sample.zarr"
    made = eolith("sample", sample, "--dates", "2", "--size", "32")
    assert made.code == 0, made.stderr
    # Thousands of requests in a minute are not what the limits are for.
    config = Path(folder) / "config.toml"
    config.write_text("[rates]\nrequests = 0\n")
    options = ["--udf-python", sys.executable, "--config", config]
    return Server(f"sample={sample}", auth="basic,oidc", state=Path(folder) / "state", options=options)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=5000)
    parser.add_argument("--only", help="operations whose method and path contain this")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, serve(folder) as server:
        contract = Contract(server, *server.credentials(), "sample")
        contract.run(given.cases, given.only)
    asked = sum(sum(statuses.values()) for statuses in contract.statuses.values())
    for name, statuses in contract.statuses.items():
        print(f"{name}: {json.dumps(dict(sorted(statuses.items())))}")
    print(f"{asked} cases, {len(contract.problems)} problems")
    for key, text in contract.problems.items():
        print("\n", key, "\n", text)
    sys.exit(bool(contract.problems))


if __name__ == "__main__":
    main()
