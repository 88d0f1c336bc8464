"""Whatever a client sends, it gets an answer, one clear line, or nothing; and the server lives on.

Hypothesis looks for what breaks it, the same on every run (``BUDGET``); what was found once is kept
as cases here and in ``test_serve.py``.
"""

from __future__ import annotations

import http.client
import json
import socket
from urllib.parse import quote

import numpy as np
import pytest
import requests
from damage import BUDGET, altered, damaged
from hypothesis import given
from hypothesis import strategies as st
from running_server import TEXT, encoded, predict, rows, running

from mim_tf.pictures import files
from mim_tf.server.application import application
from mim_tf.server.limits import Limits
from mim_tf.server.protocol import guarded_protocol

pytestmark = pytest.mark.slow

# Short times: half a request is sent again and again.
LIMITS = Limits(body=1 << 20, header_seconds=0.2, body_seconds=0.2)
HEAD = b"POST /v1/models/mim:predict HTTP/1.1\r\nHost: localhost\r\n"
BODY = json.dumps({"signature_name": "encode_text", "instances": [TEXT]}).encode()
PICTURE = files.encode_png(np.full((6, 7, 3), 99, np.uint8))
SQUARE = np.zeros((1, 32, 32, 3)).tolist()
TREES = [
    rows(PICTURE, TEXT),
    {"signature_name": "edit_keep_size",
     "inputs": {"image_bytes": [encoded(PICTURE)], "caption": [TEXT]}},
    {"signature_name": "edit", "inputs": {
        "image_bytes": [encoded(PICTURE)], "caption": [TEXT], "strength": [0.5], "anyway": [True],
        "keep_size": [False]}},
    {"signature_name": "check_caption", "instances": [TEXT]},
    json.loads(BODY),
    {"signature_name": "edit_tensors", "inputs": {"images": [[[[1, 2, 3]]]], "caption": [TEXT]}},
    {"signature_name": "edit_tokens", "inputs": {"images": SQUARE, "tokens": [[2] * 16]}},
    {"signature_name": "edit_texture", "inputs": {
        "images": SQUARE, "h_hat": [[[0.5] * 8] * 16], "mask": [[1] * 16]}},
]  # fmt: skip


@pytest.fixture(scope="module")
def url(model):
    with running(application(model, LIMITS), http=guarded_protocol(LIMITS)) as address:
        yield address
        assert predict(address, BODY).ok


def check(status: int, content: bytes) -> None:
    assert status in (200, 503) or 400 <= status < 500, content
    if status != 200:
        told = json.loads(content)["error"] if content.startswith(b"{") else content.decode()
        assert told.strip() and len(told.splitlines()) == 1 and len(told) <= 2004


def send(url: str, sent: bytes) -> int | None:
    """The status of the first answer; None where the server closes without one."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        answer = http.client.HTTPResponse(connection)
        try:
            connection.sendall(sent)
            answer.begin()
            content = answer.read()
        except (ConnectionError, http.client.RemoteDisconnected):
            return None
    check(answer.status, content)
    return answer.status


@pytest.mark.parametrize("tree", TREES, ids=lambda tree: tree.get("signature_name", "default"))
def test_bodies_whose_parts_are_other_values(url, tree):
    assert predict(url, tree).ok

    @BUDGET
    @given(body=altered(tree))
    def try_it(body):
        answer = predict(url, body)
        check(answer.status_code, answer.content)

    try_it()


@BUDGET
@given(body=damaged(BODY))
def test_bytes_of_bodies(url, body):
    answer = predict(url, body)
    check(answer.status_code, answer.content)


@BUDGET
@given(picture=damaged(PICTURE), caption=st.text(st.characters(), max_size=40))
def test_bytes_of_pictures_and_captions(url, picture, caption):
    answer = predict(url, rows(picture, caption))
    check(answer.status_code, answer.content)


@BUDGET
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "HEAD", "OPTIONS"]),
    parts=st.lists(st.sampled_from(["v1", "models", "mim", "versions", "1", "labels", "metadata",
                                    "..", "healthz", "mim:predict", "²"]) | st.text(max_size=5)),
)  # fmt: skip
def test_paths(url, method, parts):
    path = "/".join(quote(part, safe=":") for part in parts)
    answer = requests.request(method, f"{url}/{path}", data=BODY)
    if method != "HEAD":
        check(answer.status_code, answer.content)


@BUDGET
@given(sent=damaged(HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY))
def test_bytes_of_whole_requests(url, sent):
    send(url, sent)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (HEAD + b"Content-Length: -1\r\n\r\n", 400),
        (HEAD + b"Content-Length: 99999999999999999999999\r\n\r\n{", 400),
        (HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400),
        (HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (HEAD + b"Transfer-Encoding: gzip\r\n\r\n{}", 400),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"F" * 40 + b"\r\n{", 400),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n2;" + b"x" * 90_000, 400),
        (HEAD + b"X: " + b"y" * 200_000 + b"\r\n\r\n", 400),
        (HEAD + b"X\x00: y\r\n\r\n", 400),
        (HEAD + b"Upgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 2\r\n\r\n{}", 400),
        (HEAD.replace(b"1.1", b"9.9") + b"\r\n", 400),
        (b"GET /v1/models/%00%ff%0a HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        (b"GET /v1/models/" + b"x" * 50_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        (b"GET http://evil.example/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        (b"GET /v1/models/mim HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET /v1/models/mim HTTP/1.1\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"\r\n" * 100, 400),
        (HEAD, None),
    ],
    ids=lambda value: str(value)[:60],
)  # fmt: skip
def test_requests_that_are_none(url, sent, status):
    found = send(url, sent)
    # An answer is lost where the connection is closed before all was read.
    assert found == status or (found is None and len(sent) > 60_000)
