"""For those who run a server: options from a file and the environment, encryption, `doctor`, logs as JSON."""

import datetime
import ipaddress
import json
import os
import socket
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import graphs
from binary import BINARY, Server, eolith
from patience import eventually


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("operations") / "cube"
    assert eolith("sample", folder).code == 0
    return folder


def certificate(folder, name="first"):
    """A certificate for loopback that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    chain, secret = folder / f"{name}.pem", folder / f"{name}.key"
    chain.write_bytes(made.public_bytes(pem))
    form, none = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    secret.write_bytes(key.private_bytes(pem, form, none))
    return chain, secret


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def test_a_server_speaks_https_and_its_links_say_so(data, tmp_path):
    chain, key = certificate(tmp_path)
    options = ["--tls-certificate", chain, "--tls-key", key]
    with Server(data, state=tmp_path / "state", options=options, certificate=chain) as server:
        answer = requests.get(f"{server.root}/.well-known/openeo", verify=str(chain), timeout=20)
        addresses = [version["url"] for version in answer.json()["versions"]]
        assert addresses and all(address.startswith(server.root) for address in addresses)
        assert f"openEO at {server.root}" in server.log.read_text()
        context = ssl.create_default_context(cafile=str(chain))
        context.set_alpn_protocols(["h2", "http/1.1"])
        host, port = server.root.removeprefix("https://").split(":")
        with socket.create_connection((host, int(port)), 20) as plain:
            with context.wrap_socket(plain, server_hostname=host) as encrypted:
                assert encrypted.selected_alpn_protocol() == "h2"
                assert encrypted.version() in ("TLSv1.2", "TLSv1.3")
        # Neither who does not know the certificate nor who does not encrypt is answered.
        with pytest.raises(requests.exceptions.SSLError):
            requests.get(server.root, timeout=20)
        with pytest.raises(requests.ConnectionError):
            requests.get(server.root.replace("https:", "http:"), timeout=20)
    assert server.code == 0


def test_a_certificate_with_the_key_of_another_is_refused(data, tmp_path):
    chain, key = certificate(tmp_path)[0], certificate(tmp_path, "second")[1]
    options = ["--tls-certificate", chain, "--tls-key", key, "--port", 0, "--state", tmp_path / "state"]
    refused = eolith("serve", data, *options)
    assert refused.code == 1 and "cannot be used together" in refused.stderr
    looked = eolith("doctor", data, *options)
    assert looked.code == 1 and "BROKEN  encryption" in looked.stdout
    # One of them alone is a wrong command line.
    assert eolith("serve", data, "--tls-key", key).code == 2


def test_options_come_from_the_file_the_environment_and_the_command_line(data, tmp_path):
    ports = [free_port() for _ in range(3)]
    file = tmp_path / "eolith.toml"
    file.write_text(f'[server]\ndata = ["of-file={data}"]\nport = {ports[0]}\nstate = "{tmp_path / "state"}"\n')
    command = [BINARY, "serve", "--config", file]
    for port, more, environment in [
        (ports[0], [], {}),
        (ports[1], [], {"EOLITH_PORT": str(ports[1])}),
        (ports[2], ["--port", str(ports[2])], {"EOLITH_PORT": str(ports[1])}),
    ]:
        with (tmp_path / "log").open("wb") as log:
            child = subprocess.Popen(
                [*command, *more], env=os.environ | environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        try:
            wait(f"http://127.0.0.1:{port}/health")
            listed = requests.get(f"http://127.0.0.1:{port}/collections", timeout=60).json()
            assert [collection["id"] for collection in listed["collections"]] == ["of-file"]
        finally:
            child.terminate()
            assert child.wait(20) == 0
    # The same folder and database.
    assert eolith("user", "--config", file, "add", "ada").code == 0
    assert "ada" in eolith("user", "list", "--state", tmp_path / "state").stdout
    file.write_text("[server]\nprot = 1\n")
    wrong = eolith("serve", "--config", file)
    assert wrong.code == 1 and "no option `prot`" in wrong.stderr and "port" in wrong.stderr


def test_doctor_says_what_is_broken_and_changes_nothing(data, tmp_path):
    state = tmp_path / "state"
    fine = eolith("doctor", data, "--state", state, "--port", free_port(), "--auth", "basic")
    assert fine.code == 0, fine.stdout
    for about in ["address", "encryption", "state", "database", "users", "data", "scratch", "memory"]:
        assert f"ok      {about}" in fine.stdout, about
    assert "1 collections" in fine.stdout and "new; its tables are made" in fine.stdout
    assert not (state / "eolith.db").exists()

    file = tmp_path / "eolith.toml"
    dead = f"http://127.0.0.1:{free_port()}/realm"
    file.write_text(f'[[providers]]\nid = "idp"\nissuer = "{dead}"\ntitle = "IdP"\naudience = ["openeo"]\n')
    nothing = tmp_path / "nothing"
    nothing.mkdir()
    database = f"postgres://127.0.0.1:{free_port()}/x"
    options = ["--config", file, "--database", database, "--shared-dir", "--state", state, "--host", "0.0.0.0"]
    broken = eolith("doctor", nothing, tmp_path / "missing", "--port", 0, *options)
    assert broken.code == 1 and "2 things are broken" in broken.stderr, broken.stdout
    assert "BROKEN  database" in broken.stdout and "BROKEN  provider     `idp`" in broken.stdout
    assert "look    encryption" in broken.stdout and "look    data" in broken.stdout


def test_logs_are_json_if_wanted(data, tmp_path):
    state = tmp_path / "state"
    with Server(data, state=state, options=["--log-format", "json", "-v"]) as server:
        requests.get(f"{server.url}collections", timeout=60)
    lines = [line for line in server.log.read_text().splitlines() if line.startswith("{")]
    asked = [entry for entry in map(json.loads, lines) if entry.get("message") == "request"]
    assert any(entry["path"] == "/openeo/1.2/collections" and entry["status"] == 200 for entry in asked)

def test_traces_go_to_a_collector(data, tmp_path, monkeypatch):
    sent = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self):
            sent.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    collector = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=collector.serve_forever, daemon=True).start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{collector.server_port}")
    add = {"process": {"process_graph": {"a": {"process_id": "add", "arguments": {"x": 1, "y": 2}, "result": True}}}}
    with Server(f"cube={data}", state=tmp_path / "state") as server:
        client = {"traceparent": f"00-{'4b' * 16}-{'5c' * 8}-01"}
        assert requests.post(f"{server.url}result", json=add, headers=client, timeout=60).json() == 3
        means = requests.post(f"{server.url}result", json={"process": graphs.whole("cube")}, timeout=60)
        assert means.status_code == 200, means.text
    # What waits is sent when the server ends.
    collector.shutdown()
    assert {path for path, _ in sent} == {"/v1/traces"}
    spans = b"".join(body for _, body in sent)
    for name in [b"eolith", b"request", b"plan", b"results", b"tasks", b"/openeo/1.2/result"]:
        assert name in spans, name
    # The trace of the client goes on, below the span that it named; all spans of its request are in it.
    assert spans.count(bytes.fromhex("4b" * 16)) >= 3 and bytes.fromhex("5c" * 8) in spans


def wait(address):
    def answers():
        try:
            return requests.get(address, timeout=20).ok
        except requests.ConnectionError:
            return False

    eventually(answers, lambda: f"{address} does not answer")
