"""Who may ask mim_tf.serve: framing, hosts and the token; and how it ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
import requests
from crafted_pictures import bomb
from running_server import TEXT, Stub, error_of, predict, rows, running

from mim_tf import serve
from mim_tf.server.application import application
from mim_tf.server.door import Access, is_loopback
from mim_tf.server.limits import Limits
from mim_tf.server.protocol import guarded_protocol

STATUS = "/v1/models/mim"
BODY = {"signature_name": "encode_text", "instances": [TEXT]}


@pytest.fixture(scope="module")
def url(model):
    access = Access(("pictures.example",), "s3cret")
    with running(application(Stub(model), Limits(), access)) as address:
        yield address


def connect(url: str) -> socket.socket:
    host, port = url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=20)


def exchange(url: str, sent: bytes) -> bytes:
    """All that a connection answers until the server closes it."""
    with connect(url) as connection:
        connection.sendall(sent)
        return b"".join(iter(lambda: connection.recv(4096), b""))


def test_two_framings_are_refused_and_the_connection_is_closed(url):
    head = b"POST /v1/models/mim:predict HTTP/1.1\r\nHost: localhost\r\n"
    smuggled = b"0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    answers = exchange(
        url, head + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n" + smuggled
    )
    assert answers.startswith(b"HTTP/1.1 400") and b"not both" in answers
    assert answers.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize(
    ("host", "allowed"),
    [("localhost:8501", True), ("127.0.0.1", True), ("[::1]:80", True), ("LOCALHOST", True),
     ("pictures.example:443", True), ("evil.example", False), ("127.0.0.1.evil.example", False),
     ("", False), ("a@localhost", False), ("localhost:80:80", False), ("10.0.0.1", False)],
)  # fmt: skip
def test_only_allowed_hosts_are_answered(url, host, allowed):
    answer = requests.get(url + STATUS, headers={"Host": host, "Authorization": "Bearer s3cret"})
    assert answer.status_code == (200 if allowed else 400)
    if not allowed:
        assert "--allowed-host" in error_of(answer)
    assert requests.get(f"{url}/healthz", headers={"Host": host}).ok


def test_the_address_at_which_a_request_arrives_is_an_allowed_host(model):
    with running(application(Stub(model), Limits()), host="0.0.0.0") as url:
        port = url.rpartition(":")[2]
        assert requests.get(f"http://127.0.0.2:{port}{STATUS}").ok
        answer = requests.get(url + STATUS, headers={"Host": f"127.0.0.2:{port}"})
        assert answer.status_code == 400
    with running(application(Stub(model), Limits(), Access(("*",)))) as url:
        assert requests.get(url + STATUS, headers={"Host": "any.example"}).ok


@pytest.mark.parametrize(
    ("headers", "answered"),
    [({}, True), ({"Origin": "http://localhost:8501"}, True),
     ({"Sec-Fetch-Site": "same-origin", "Origin": "https://in-front-of-a-proxy.example"}, True),
     ({"Sec-Fetch-Site": "none"}, True), ({"Sec-Fetch-Site": "cross-site"}, False),
     ({"Origin": "https://evil.example"}, False), ({"Origin": "http://localhost:3000"}, False),
     ({"Origin": "null"}, False)],
)  # fmt: skip
def test_pages_of_other_sites_make_no_work(url, headers, answered):
    given = {"Host": "localhost:8501", "Authorization": "Bearer s3cret", **headers}
    answer = requests.post(f"{url}{STATUS}:predict", data=b"no JSON", headers=given)
    assert answer.status_code == (400 if answered else 403)
    assert ("pages of other sites" in error_of(answer)) != answered
    assert requests.get(url + STATUS, headers=given).ok  # a link from there is no work


@pytest.mark.parametrize("given", [None, "", "Bearer", "Bearer s3cre", "Basic s3cret", "é"])
def test_without_the_token_nothing_is_answered(url, given):
    headers = {} if given is None else {"Authorization": given.encode()}
    answer = requests.get(url + STATUS, headers=headers)
    assert answer.status_code == 401 and "Bearer TOKEN" in error_of(answer)
    assert answer.headers["www-authenticate"] == "Bearer"
    assert requests.get(f"{url}/readyz", headers=headers).ok


def test_which_addresses_are_loopback():
    assert all(map(is_loopback, ("127.0.0.1", "127.3.2.1", "::1", "localhost")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "192.168.0.2", "pictures.example")))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--port", "99999"], "--port 99999: give 0 to 65535"), (["--port", "-1"], "--port -1: "),
     (["--host", "a..b", "--port", "0"], "--host a..b"),
     (["--token", "", "--port", "0"], "give printable ASCII")],
)  # fmt: skip
def test_a_wrong_address_or_token_is_one_line(capsys, arguments, message):
    assert serve.main(["--model", "anything", *arguments]) == 1
    [line] = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("error: ") and message in line


# The end -----------------------------------------------------------------------------------------


def test_at_the_end_requests_in_flight_are_answered_and_others_closed(model):
    stub = Stub(model)
    limits = Limits(shutdown_seconds=3, body_seconds=300, header_seconds=300)
    answers: list[requests.Response] = []
    server = running(application(stub, limits), http=guarded_protocol(limits))
    with server as url:
        asking = threading.Thread(target=lambda: answers.append(predict(url, BODY)))
        asking.start()
        silent, bodyless = connect(url), connect(url)
        bodyless.sendall(
            b"POST /v1/models/mim:predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n"
        )
        time.sleep(0.5)
        threading.Timer(1, stub.go.set).start()
    asking.join(30)  # the end of "with" asks the server to stop, and waits 30 s for that
    assert [answer.status_code for answer in answers] == [200]
    with silent, bodyless:
        assert silent.recv(10) == b"" and b"200" not in bodyless.recv(1000)


def test_sigterm_ends_the_command_within_its_limit(saved_model):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mim_tf.serve", "--model", str(saved_model), "--port",
               str(port), "--max-shutdown-seconds", "1", "--max-body-seconds", "600"]  # fmt: skip
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 120
        while not _answers(url) and time.monotonic() < deadline:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.2)
        assert predict(url, rows(bomb(10_000, 10_000), TEXT)).status_code == 400
        with connect(url) as connection:
            connection.sendall(
                b"POST /v1/models/mim:predict HTTP/1.1\r\nHost: localhost\r\n"
                b"Content-Length: 9\r\n\r\n"
            )
            time.sleep(0.5)
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=60)
        assert process.returncode == -signal.SIGTERM
        assert [line[:7] for line in errors.splitlines()] == ["serving"], errors
    finally:
        process.kill()


def _answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/readyz", timeout=5).ok
    except requests.ConnectionError:
        return False
