"""mim_tf.serve with many, slow and disappearing clients: batches, limits and time-outs."""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import socket
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import requests
from running_server import LIMITS, TEXT, Stub, error_of, predict, rows, running

from export.serving import load_test
from mim_tf.pictures import files
from mim_tf.server.application import application
from mim_tf.server.batcher import Batcher
from mim_tf.server.limits import Limits, RequestError
from mim_tf.server.messages import parse
from mim_tf.server.protocol import guarded_protocol


@pytest.fixture(scope="module")
def file():
    return files.encode_png(np.full((50, 70, 3), 99, np.uint8))


def open_request(url: str, length: int) -> socket.socket:
    host, port = url.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)), timeout=20)
    head = (
        f"POST /v1/models/mim:predict HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\n"
    )
    connection.sendall(head.encode() + b'{"instances"')
    return connection


def wait_for(url: str, gauge: str, value: int) -> None:
    """Wait until the server's metrics have the value."""
    line = f':mim_tf:serving:{gauge}{{model_name="mim"}} {value}\n'
    deadline = time.monotonic() + 20
    while line not in (text := requests.get(f"{url}/monitoring/prometheus/metrics").text):
        assert time.monotonic() < deadline, text
        time.sleep(0.05)


def test_a_slow_client_is_answered_408(url, file):
    with open_request(url, 1000) as connection:
        answered = b"".join(iter(lambda: connection.recv(4096), b""))  # until it is closed
    assert answered.startswith(b"HTTP/1.1 408") and b"did not come within 1 seconds" in answered
    assert predict(url, rows(file, TEXT)).ok


def test_clients_that_disconnect_leave_the_server_working(url, file):
    body = json.dumps(rows(file, TEXT)).encode()
    for _ in range(5):
        open_request(url, 1000).close()  # in the middle of the request
        connection = open_request(url, len(body))
        connection.sendall(body[len(b'{"instances"') :])
        connection.close()  # before the answer
    assert predict(url, rows(file, TEXT)).ok


def test_a_bad_request_does_not_fail_the_others_in_its_batch(model, file):
    calls = [
        parse(json.dumps(rows(data, TEXT)).encode(), model, LIMITS)
        for data in (file, b"rubbish", file)
    ]
    first, bad, last = Batcher(LIMITS)._run(calls)
    assert isinstance(bad, RequestError) and "item 0: no picture" in str(bad)
    assert first["image_bytes"] == last["image_bytes"]


def test_waiting_requests_run_as_a_batch_and_a_full_queue_refuses(model):
    stub = Stub(model)
    limits = Limits(queue=5, batch=4)
    body = {"signature_name": "encode_text", "instances": [TEXT]}
    answers: list[requests.Response] = []
    with running(application(stub, limits)) as url:

        def send():
            answers.append(predict(url, body))

        threads = [threading.Thread(target=send) for _ in range(10)]
        for index, thread in enumerate(threads):
            thread.start()
            # The first starts at once and runs alone; the fifth after it fills the queue.
            time.sleep(0.5 if index == 0 else 0.1)
        deadline = time.monotonic() + 20
        while len(answers) < 4 and time.monotonic() < deadline:
            time.sleep(0.05)
        refused = [response.status_code for response in answers]
        stub.go.set()
        for thread in threads:
            thread.join(30)
    assert refused == [503] * 4 and "5 requests wait already" in error_of(answers[0])
    assert [response.status_code for response in answers[4:]] == [200] * 6
    assert stub.batches == [1, 4, 1]


def test_a_small_request_does_not_wait_for_a_large_one(model, file):
    class Slow(Stub):
        def run(self, signature, inputs):
            self.go.wait(0 if signature == "encode_text" else 30)
            return {"echo": inputs["caption"]}

    stub = Slow(model)
    answers: list[requests.Response] = []
    with running(application(stub, Limits(small_pixels=3000))) as url:
        large = threading.Thread(target=lambda: answers.append(predict(url, rows(file, TEXT))))
        large.start()
        time.sleep(0.5)
        assert predict(url, {"signature_name": "encode_text", "instances": [TEXT]}).ok
        assert not answers
        stub.go.set()
        large.join(30)
    assert answers[0].ok


def test_requests_of_different_sizes_share_batches(model):
    stub = Stub(model)
    sizes = [1, 2, 8, 2, 6, 6]
    answers: dict[int, requests.Response] = {}
    with running(application(stub, Limits(batch=8))) as url:

        def send(place):
            body = {"signature_name": "encode_text", "instances": [TEXT] * sizes[place]}
            answers[place] = predict(url, body)

        threads = [threading.Thread(target=send, args=[place]) for place in range(len(sizes))]
        for thread in threads:
            thread.start()
            time.sleep(0.2)
        stub.go.set()
        for thread in threads:
            thread.join(30)
        assert requests.get(f"{url}/healthz").ok
    counts = [len(answers[place].json()["predictions"]) for place in range(len(sizes))]
    assert counts == sizes and sum(stub.batches) == sum(sizes)
    assert len(stub.batches) < len(sizes) and max(stub.batches) <= 8


def test_healthz_reports_a_dead_worker(model, monkeypatch):
    def fail(self):
        raise RuntimeError("a defect")

    monkeypatch.setattr(Batcher, "_take_batch", fail)
    limits = Limits(answer_seconds=0.3)
    with running(application(Stub(model), limits)) as url:
        body = {"signature_name": "encode_text", "instances": [TEXT]}
        assert predict(url, body).status_code == 504
        assert requests.get(f"{url}/healthz").status_code == 500


def test_a_connection_without_a_request_is_closed(model):
    app = application(Stub(model), Limits())
    with running(app, http=guarded_protocol(Limits(header_seconds=0.3))) as url:
        host, port = url.removeprefix("http://").split(":")
        for sent in (b"", b"POST /v1/models/mim:predict HTTP/1.1\r\nHost:"):
            with socket.create_connection((host, int(port)), timeout=20) as connection:
                connection.sendall(sent)
                assert connection.recv(100) == b""
        assert requests.get(f"{url}/healthz").ok


def test_a_connection_with_half_a_second_request_is_closed(model):
    app = application(Stub(model), Limits())
    with running(app, http=guarded_protocol(Limits(header_seconds=0.5))) as url:
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=20) as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert connection.recv(4096).startswith(b"HTTP/1.1 200")
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost:")
            connection.settimeout(20)
            assert b"200" not in connection.recv(4096)


def test_silent_and_slow_connections_lock_nobody_out(model):
    stub = Stub(model)
    stub.go.set()
    limits = Limits(connections=40, client_connections=20, header_seconds=60, body_seconds=60)
    with running(application(stub, limits), http=guarded_protocol(limits)) as url:
        host, port = url.removeprefix("http://").split(":")
        with contextlib.ExitStack() as stack:
            for number in range(150):
                # Other addresses of the loopback interface stand for other clients.
                source = (f"127.0.0.{2 + number % 4}" if number % 2 else "127.0.0.1", 0)
                connection = stack.enter_context(
                    socket.create_connection((host, int(port)), 20, source)
                )
                head = b"POST /v1/models/mim:predict HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                parts = (b"", head, head + b"Content-Length: 9\r\n\r\n{")
                with contextlib.suppress(ConnectionError):  # closed to make room for others
                    connection.sendall(parts[number % 3])
            assert requests.get(f"{url}/healthz", timeout=20).ok
            assert requests.get(f"{url}/readyz", timeout=20).json() == {"status": "ready"}
            body = {"signature_name": "encode_text", "instances": [TEXT]}
            assert predict(url, body).ok


def test_a_connection_that_is_being_answered_is_not_closed_for_a_new_one(model):
    stub = Stub(model)
    limits = Limits(client_connections=2)
    body = {"signature_name": "encode_text", "instances": [TEXT]}
    answers: list[requests.Response] = []
    with running(application(stub, limits), http=guarded_protocol(limits)) as url:
        threads = [
            threading.Thread(target=lambda: answers.append(predict(url, body))) for _ in range(2)
        ]
        for thread in threads:
            thread.start()
            time.sleep(0.3)
        refused = predict(url, body)
        assert refused.status_code == 503 and "too many requests" in error_of(refused)
        assert requests.get(f"{url}/healthz", timeout=20).ok
        assert requests.get(f"{url}/readyz", timeout=20).ok
        stub.go.set()
        for thread in threads:
            thread.join(30)
    assert [answer.status_code for answer in answers] == [200, 200]


def test_a_health_check_is_answered_among_a_burst_of_connections_from_its_address(model):
    limits = Limits(client_connections=4)
    loops: list[asyncio.AbstractEventLoop] = []
    app = application(Stub(model), limits)

    async def noting(scope, receive, send):
        loops.append(asyncio.get_running_loop())
        await app(scope, receive, send)

    with running(noting, http=guarded_protocol(limits)) as url:
        host, port = url.removeprefix("http://").split(":")
        requests.get(f"{url}/healthz")
        loops[0].call_soon_threadsafe(time.sleep, 1)  # all of them wait to be accepted, at once
        with contextlib.ExitStack() as stack:
            connections = [
                stack.enter_context(socket.create_connection((host, int(port)), 20))
                for _ in range(60)
            ]
            connections[5].sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert connections[5].recv(4096).startswith(b"HTTP/1.1 200")
            assert connections[20].recv(10) == b""  # silent ones make room


def test_an_answer_that_is_not_taken_is_dropped(model, monkeypatch):
    monkeypatch.setattr(Stub, "run", lambda *_: {"echo": np.array([b"a" * (32 << 20)], object)})
    limits = Limits(answer_seconds=0.5, header_seconds=60)
    protocol = guarded_protocol(limits)
    body = b'{"instances": ["a red bird"], "signature_name": "encode_text"}'
    with running(application(Stub(model), limits), http=protocol) as url:
        with open_request(url, len(body)) as connection:
            connection.sendall(body[len(b'{"instances"') :])
            assert connection.recv(1)
            deadline = time.monotonic() + 20
            while protocol.connections_of_server.open and time.monotonic() < deadline:
                time.sleep(0.1)
            assert not protocol.connections_of_server.open
        assert requests.get(f"{url}/healthz").ok


def test_pixels_of_all_requests_are_limited_until_their_batch_has_run(model, file):
    stub = Stub(model)
    large = rows(files.encode_png(np.zeros((300, 400, 3), np.uint8)), TEXT)
    limits = Limits(small_pixels=10, flight_pixels=130_000, pixels=130_000, answer_seconds=0.5)
    with running(application(stub, limits)) as url:
        # Its client is told 504, but the batch still runs and holds its pixels.
        assert predict(url, large).status_code == 504
        refused = predict(url, large)
        assert refused.status_code == 503 and "more than 130000 pixels" in error_of(refused)
        assert predict(url, rows(file, TEXT)).status_code == 504  # small enough to wait
        stub.go.set()
        deadline = time.monotonic() + 20
        while predict(url, large).status_code == 503 and time.monotonic() < deadline:
            time.sleep(0.1)
        assert [predict(url, large).status_code for _ in range(3)] == [200] * 3


def test_bytes_of_large_requests_are_limited_until_they_are_answered(model):
    limits = Limits(body=3 << 20, flight_body=2 << 20, body_seconds=60)
    small, large = b'{"instances": 1}', b" " * (5 << 19)
    with running(application(Stub(model), limits)) as url:
        with open_request(url, 3 << 20) as half:
            half.sendall(large)
            # Sent is not yet read: what the server holds of it must be there before the next.
            wait_for(url, "body_bytes_in_flight", len(b'{"instances"') + len(large) - (1 << 20))
            refused = predict(url, large)
            assert refused.status_code == 503 and "2097152 bytes" in error_of(refused)
            assert predict(url, small).status_code == 400  # read, and wrong
        assert [predict(url, large).status_code for _ in range(3)] == [400] * 3


def test_readyz_tells_a_full_queue_and_healthz_does_not(model):
    stub = Stub(model)
    body = {"signature_name": "encode_text", "instances": [TEXT]}
    with running(application(stub, Limits(queue=1))) as url:
        threads = [threading.Thread(target=predict, args=(url, body)) for _ in range(2)]
        for thread in threads:
            thread.start()
            time.sleep(0.5)
        assert requests.get(f"{url}/readyz").status_code == 503
        assert requests.get(f"{url}/healthz").ok
        stub.go.set()
        for thread in threads:
            thread.join(30)
        assert requests.get(f"{url}/readyz").ok


def test_no_answer_in_time_is_answered_504(model):
    stub = Stub(model)
    body = {"signature_name": "encode_text", "instances": [TEXT]}
    with running(application(stub, Limits(answer_seconds=0.3))) as url:
        answer = predict(url, body)
        assert answer.status_code == 504 and "no answer within 0.3 seconds" in error_of(answer)
        stub.go.set()
        assert predict(url, body).ok


def test_under_load_nothing_is_lost_and_memory_stays(url, file):
    load_test.run(url, "mim", file, TEXT, clients=8, seconds=1)
    before = memory()
    result = load_test.run(url, "mim", file, TEXT, clients=8, seconds=3)
    assert result["lost"] == 0 and result["busy"] == 0, result
    assert result["answered"] >= 8 and result["a_second"] > 0
    assert memory() - before < 64 << 20


def memory() -> int:
    """Bytes this process holds now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
