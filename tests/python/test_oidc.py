"""Logging in with the openEO Python client: passwords, and OpenID Connect by the built-in issuer."""

import re
import threading

import openeo
import pytest
import requests
from openeo.rest import OpenEoApiError
from openeo.rest.auth.config import RefreshTokenStore

import graphs
from binary import Server, eolith

PASSWORD = "correct horse battery"
# So short that a test can wait for its end.
TOKEN_SECONDS = 3


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    state = tmp_path_factory.mktemp("state")
    for user in ("ada", "bob"):
        added = eolith("user", "add", user, "--stdin", "--state", state, stdin=PASSWORD + user + "\n")
        assert added.code == 0 and added.stdout == "", added.stderr
    return state


@pytest.fixture(scope="module")
def issuer(sample, state):
    config = state / "eolith.toml"
    config.write_text(f"[issuer]\ntoken_seconds = {TOKEN_SECONDS}\nredirect_urls = ['http://127.0.0.1:1/back']\n")
    with Server(f"sample={sample}", auth="basic,oidc", state=state, options=["--config", config]) as server:
        yield server


def who(connection):
    return connection.describe_account()["user_id"]


def test_users_are_managed_on_the_command_line(state, issuer):
    listed = eolith("user", "list", "--state", state)
    assert [line.split()[1] for line in listed.stdout.splitlines()] == ["ada", "bob"]
    made = eolith("user", "add", "eve", "--state", state)
    assert made.code == 0
    password = made.stdout.strip()
    assert len(password) == 23 and password not in made.stderr
    assert eolith("user", "add", "eve", "--state", state).code == 1
    assert eolith("user", "add", "a@b.org", "--state", state).code == 1
    connection = openeo.connect(issuer.url).authenticate_basic("eve", password)
    assert who(connection) == "eve"
    assert eolith("user", "password", "eve", "--stdin", "--state", state, stdin="short\n").code == 1
    assert eolith("user", "remove", "eve", "--state", state).code == 0
    with pytest.raises(OpenEoApiError, match="CredentialsInvalid"):
        openeo.connect(issuer.url).authenticate_basic("eve", password)
    text = issuer.log.read_text()
    assert password not in text and PASSWORD not in text


def test_users_with_a_password(issuer):
    ada = openeo.connect(issuer.url).authenticate_basic("ada", PASSWORD + "ada")
    bob = openeo.connect(issuer.url).authenticate_basic("bob", PASSWORD + "bob")
    assert (who(ada), who(bob)) == ("ada", "bob")
    job = ada.create_job(graphs.graph(add=graphs.node("add", result=True, x=1, y=2)), title="secret")
    assert [listed["id"] for listed in ada.list_jobs()] == [job.job_id]
    assert bob.list_jobs() == []
    with pytest.raises(OpenEoApiError, match="JobNotFound"):
        bob.job(job.job_id).describe()


def test_client_credentials(state, issuer):
    added = eolith("user", "client", "add", "ada", "--state", state)
    assert added.code == 0, added.stderr
    id, secret = added.stdout.split()
    assert id in eolith("user", "client", "list", "--state", state).stdout
    connection = openeo.connect(issuer.url)
    connection.authenticate_oidc_client_credentials(client_id=id, client_secret=secret)
    assert who(connection) == "ada"
    assert connection.execute(graphs.graph(add=graphs.node("add", result=True, x=1, y=2.5))) == 3.5
    with pytest.raises(Exception, match="401|invalid_client"):
        openeo.connect(issuer.url).authenticate_oidc_client_credentials(client_id=id, client_secret="wrong")
    assert eolith("user", "client", "remove", id, "--state", state).code == 0
    with pytest.raises(Exception, match="401|invalid_client"):
        openeo.connect(issuer.url).authenticate_oidc_client_credentials(client_id=id, client_secret=secret)


def confirm(page, user, password):
    """What somebody does in a browser."""
    browser = requests.Session()
    form = browser.get(page)
    fields = dict(re.findall(r'<input (?:type="\w+" )?name="(\w+)"[^>]*value="([^"]*)"', form.text))
    fields |= {"user": user, "password": password}
    return browser.post(page.split("?")[0], data=fields)


def test_device_code_and_refresh(issuer, tmp_path):
    shown, failed = [], []

    def display(text):
        """The client shows the address to open."""
        shown.append(text)
        page = re.search(r"http://\S+user_code=[A-Z-]+", " ".join(shown))
        if page and len(failed) == 0:
            failed.append(None)
            threading.Timer(0.5, lambda: failed.append(confirm(page[0], "bob", PASSWORD + "bob"))).start()

    store = RefreshTokenStore(path=tmp_path)
    connection = openeo.Connection(issuer.url, refresh_token_store=store)
    connection.authenticate_oidc_device(display=display, store_refresh_token=True, max_poll_time=60)
    assert failed[-1].status_code == 200 and "Confirmed" in failed[-1].text
    assert who(connection) == "bob"
    # The client gets another token by itself when the first one has ended.
    first = connection.auth.bearer
    threading.Event().wait(TOKEN_SECONDS + 1)
    assert who(connection) == "bob"
    assert connection.auth.bearer != first
    # Somebody who comes back has a token to begin with.
    later = openeo.Connection(issuer.url, refresh_token_store=store)
    later.authenticate_oidc_refresh_token()
    assert who(later) == "bob"


def test_expired_tokens_are_told_as_such(state, issuer):
    id, secret = eolith("user", "client", "add", "bob", "--state", state).stdout.split()
    answer = requests.post(
        issuer.root + "/oidc/token",
        data={"grant_type": "client_credentials", "client_id": id, "client_secret": secret},
    ).json()
    bearer = {"Authorization": "Bearer " + answer["access_token"]}
    assert requests.get(issuer.url + "me", headers=bearer).status_code == 200
    threading.Event().wait(TOKEN_SECONDS + 1)
    expired = requests.get(issuer.url + "me", headers=bearer)
    assert expired.status_code == 403 and expired.json()["code"] == "TokenInvalid"
    assert "expired" in expired.json()["message"]
