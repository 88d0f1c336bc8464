"""mim_tf.serve under good, bad and heavy use, through real sockets."""

from __future__ import annotations

import base64
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
import uvicorn
from crafted_pictures import bomb

from export.serving import client, load_test
from mim_tf import serve
from mim_tf.editor import Editor
from mim_tf.errors import UserError
from mim_tf.pictures import files
from mim_tf.server.application import application
from mim_tf.server.batcher import Batcher
from mim_tf.server.limits import Limits, RequestError
from mim_tf.server.messages import parse
from mim_tf.server.model import Model
from mim_tf.server.protocol import protocol_with_header_timeout

TEXT = "this bird has blue wings"
SQUARE = np.zeros((1, 32, 32, 3)).tolist()
LIMITS = Limits(body=3 << 20, items=4, queue=16, body_seconds=1.0)


@contextlib.contextmanager
def running(app, **options):
    """The address of a server in a thread."""
    config = uvicorn.Config(app, port=0, log_level="error", **options)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(30)


@pytest.fixture(scope="module")
def model(saved_model):
    return Model(saved_model)


@pytest.fixture(scope="module")
def url(model):
    with running(application(model, LIMITS)) as address:
        yield address


@pytest.fixture(scope="module")
def photo():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (50, 70, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def file(photo):
    return files.encode_png(photo)


def encoded(data: bytes) -> dict[str, str]:
    return {"b64": base64.b64encode(data).decode()}


def predict(url: str, body) -> requests.Response:
    data = body if isinstance(body, bytes | str) else json.dumps(body)
    return requests.post(f"{url}/v1/models/mim:predict", data=data, timeout=60)


def rows(file: bytes, *captions: str) -> dict:
    return {
        "instances": [{"image_bytes": encoded(file), "caption": caption} for caption in captions]
    }


def error_of(answer: requests.Response) -> str:
    assert set(answer.json()) == {"error"}
    return answer.json()["error"]


# Good requests -----------------------------------------------------------------------------------


def test_answers_have_the_editors_pixels(url, random_run, photo, file):
    captions = [TEXT, "a red bird"]
    answer = predict(url, rows(file, *captions)).json()
    expected = Editor(random_run).edit_many([photo] * 2, captions)
    for prediction, edit in zip(answer["predictions"], expected, strict=True):
        found = files.decode(base64.b64decode(prediction["b64"]), "answer")
        np.testing.assert_array_equal(found, edit.picture)
    columns = {"inputs": {"image_bytes": [encoded(file)] * 2, "caption": captions}}
    assert predict(url, columns).json() == {"outputs": answer["predictions"]}


def test_the_client_edits_at_the_original_size(url, random_run, photo, tmp_path, capsys):
    files.write(tmp_path / "in.png", photo)
    arguments = ["--url", url, "--image", str(tmp_path / "in.png"), "--text", TEXT]
    output = tmp_path / "out" / "edited.png"
    assert client.main([*arguments, "--output", str(output), "--keep-size"]) == 0
    assert capsys.readouterr().out.strip() == str(output)
    expected = Editor(random_run).edit(photo, TEXT, keep_size=True).picture
    np.testing.assert_array_equal(files.read(output), expected)


def test_signatures_with_number_inputs_and_several_outputs(url, model):
    body = {"signature_name": "encode_text", "instances": [TEXT, {"caption": "a red bird"}]}
    [first, second] = predict(url, body).json()["predictions"]
    assert set(first) == {"h_hat", "mask"} and first["mask"][:6] == [1, 1, 1, 1, 1, 0]
    squares = np.zeros((2, 32, 32, 3)).tolist()
    texture = {name: [first[name], second[name]] for name in first}
    body = {"signature_name": "edit_texture", "inputs": {"images": squares, **texture}}
    out = predict(url, body).json()["outputs"]
    assert np.shape(out["fine"]) == (2, 32, 32, 3) and np.shape(out["coarse"]) == (2, 16, 16, 3)
    pixels = np.full((1, 5, 7, 3), 200).tolist()
    body = {"signature_name": "edit_tensors", "inputs": {"images": pixels, "caption": [TEXT]}}
    found = predict(url, body).json()["outputs"]["fine"]
    expected = model.run(
        "edit_tensors",
        {"images": np.full((1, 5, 7, 3), 200, np.uint8), "caption": np.array([TEXT], object)},
    )
    np.testing.assert_allclose(found, expected["fine"], atol=1e-6)


def test_status_metadata_and_health(url):
    state = {"version": "1", "state": "AVAILABLE",
             "status": {"error_code": "OK", "error_message": ""}}  # fmt: skip
    for path in ("/v1/models/mim", "/v1/models/mim/versions/1"):
        assert requests.get(url + path).json() == {"model_version_status": [state]}
    metadata = requests.get(f"{url}/v1/models/mim/metadata").json()
    assert metadata["model_spec"] == {"name": "mim", "signature_name": "", "version": "1"}
    signature = metadata["metadata"]["signature_def"]["signature_def"]["edit_tensors"]
    assert signature["inputs"]["images"]["dtype"] == "DT_UINT8"
    sizes = [dim["size"] for dim in signature["inputs"]["images"]["tensor_shape"]["dim"]]
    assert sizes == ["-1", "-1", "-1", "3"]
    assert requests.get(f"{url}/healthz").json() == {"status": "ok"}


def test_the_metadata_names_types_and_shapes_as_the_protobufs_do(url, saved_model):
    from google.protobuf.json_format import ParseDict
    from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    metadata = requests.get(f"{url}/v1/models/mim/metadata").json()
    graph = SavedModel.FromString((saved_model / "1" / "saved_model.pb").read_bytes())
    stored = graph.meta_graphs[0].signature_def
    for name, tree in metadata["metadata"]["signature_def"]["signature_def"].items():
        found = ParseDict(tree, SignatureDef())
        for side in ("inputs", "outputs"):
            for key, info in getattr(stored[name], side).items():
                ours = getattr(found, side)[key]
                assert ours.dtype == info.dtype and ours.tensor_shape == info.tensor_shape


# Bad and heavy use -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "status"),
    [("/v1/models/other:predict", 404), ("/v1/models/mim/versions/9:predict", 404),
     ("/v1/models/mim:classify", 405), ("/nothing", 404), ("/healthz", 405)],
)  # fmt: skip
def test_wrong_paths_and_methods_are_answered_in_json(url, path, status):
    answer = requests.post(url + path, data=b"{}")
    assert answer.status_code == status and error_of(answer)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "no JSON"),
        (b"\xff\xfe\x00", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        ([1], "no JSON object"),
        ({}, "either 'instances' or 'inputs'"),
        ({"instances": []}, "at least one item"),
        ({"instances": 3}, "at least one item"),
        ({"instances": [{"caption": TEXT}]}, "item 0: it is no object with exactly"),
        ({"instances": [3]}, "item 0: it is no object with exactly"),
        ({"inputs": {"caption": [TEXT]}}, "the inputs are"),
        ({"inputs": {"caption": [TEXT], "image_bytes": []}}, "differ in their number"),
        ({"inputs": {"caption": TEXT, "image_bytes": []}}, "no list of strings"),
        ({"signature_name": "paint", "instances": [1]}, "no signature 'paint'"),
        ({"signature_name": [1], "instances": [1]}, "no signature"),
        ({"instances": [{"image_bytes": {"b64": "%%%"}, "caption": TEXT}]}, "no base64"),
        ({"instances": [{"image_bytes": {"b64": 3}, "caption": TEXT}]}, "neither a string"),
        ({"instances": [{"image_bytes": encoded(b"x"), "caption": TEXT}]}, "item 0: no picture"),
        (rows(bomb(10_000, 10_000), TEXT), "item 0: up to here the pictures have more than 250"),
        (rows(bomb(50_000, 50_000), TEXT), "item 0: up to here the pictures have more than 250"),
        (rows(bomb(4_000, 4_000), TEXT, TEXT), "item 1: up to here the pictures have more than"),
        (rows(b"x", "a " * 500_000), "item 0: 'caption' has 1000000 characters"),
        (rows(b"x", *[TEXT] * 5), "5 items; send 1 to 4"),
        ({"signature_name": "encode_text", "instances": [TEXT, "..."]}, "item 1: the caption has"),
        ({"signature_name": "encode_text", "instances": [encoded(b"x" * 9000)]}, "9000 bytes"),
        ({"signature_name": "edit_tokens", "inputs": {"images": [[1, 2], [3]], "tokens": []}},
         "no rectangular list"),
        ({"signature_name": "edit_tokens", "inputs": {"images": [1], "tokens": [[2] * 16]}},
         "'images' has the shape [1], not [None, 32, 32, 3]"),
        ({"signature_name": "edit_tokens", "inputs": {"images": SQUARE, "tokens": [[1.5] * 16]}},
         "'tokens' is no rectangular list of numbers (not all are whole"),
        ({"signature_name": "edit_tokens",
          "inputs": {"images": np.full((1, 32, 32, 3), np.nan).tolist(), "tokens": [[2] * 16]}},
         "'images' is no rectangular list of numbers (not all are finite)"),
        ({"signature_name": "edit_tensors",
          "inputs": {"images": [[[[1, 2, 300]]]], "caption": [TEXT]}}, "whole numbers of 0 to 255"),
    ],
)  # fmt: skip
def test_bad_requests_get_one_clear_line(url, body, message):
    answer = predict(url, body)
    assert answer.status_code == 400
    assert message in error_of(answer) and len(error_of(answer)) < 400


def test_a_body_that_is_too_large_is_answered_413(url, file):
    answer = predict(url, b" " * (LIMITS.body + 1))
    assert answer.status_code == 413 and "more than 3145728 bytes" in error_of(answer)
    assert predict(url, rows(file, TEXT)).ok


def open_request(url: str, length: int) -> socket.socket:
    host, port = url.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)), timeout=20)
    head = f"POST /v1/models/mim:predict HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n"
    connection.sendall(head.encode() + b'{"instances"')
    return connection


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
    first, bad, last = Batcher(model, LIMITS)._run(calls)
    assert isinstance(bad, RequestError) and "item 0: no picture" in str(bad)
    assert first["image_bytes"] == last["image_bytes"]


class Stub:
    """A model whose ``run`` waits until ``go`` is set."""

    name, version = "mim", "1"

    def __init__(self, model: Model) -> None:
        self.signatures, self.inputs = model.signatures, model.inputs
        self.go, self.batches = threading.Event(), []

    def run(self, signature, inputs):
        self.go.wait(30)
        self.batches.append(len(inputs["caption"]))
        return {"echo": inputs["caption"]}


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
    with running(app, http=protocol_with_header_timeout(0.3)) as url:
        host, port = url.removeprefix("http://").split(":")
        for sent in (b"", b"POST /v1/models/mim:predict HTTP/1.1\r\nHost:"):
            with socket.create_connection((host, int(port)), timeout=20) as connection:
                connection.sendall(sent)
                assert connection.recv(100) == b""
        assert requests.get(f"{url}/healthz").ok


def test_a_connection_with_half_a_second_request_is_closed(model):
    app = application(Stub(model), Limits())
    with running(app, http=protocol_with_header_timeout(0.5)) as url:
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=20) as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n")
            assert connection.recv(4096).startswith(b"HTTP/1.1 200")
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost:")
            connection.settimeout(20)
            assert b"200" not in connection.recv(4096)


def test_no_answer_in_time_is_answered_504(model):
    stub = Stub(model)
    body = {"signature_name": "encode_text", "instances": [TEXT]}
    with running(application(stub, Limits(answer_seconds=0.3))) as url:
        answer = predict(url, body)
        assert answer.status_code == 504 and "no answer within 0.3 seconds" in error_of(answer)
        stub.go.set()
        assert predict(url, body).ok


def test_under_load_nothing_is_lost_and_memory_stays(url, file):
    load_test.run(url, "mim", file, TEXT, clients=8, seconds=2)
    before = memory()
    result = load_test.run(url, "mim", file, TEXT, clients=8, seconds=5)
    assert result["lost"] == 0 and result["busy"] == 0, result
    assert result["answered"] >= 8 and result["a_second"] > 0
    assert memory() - before < 64 << 20


def memory() -> int:
    """Bytes this process holds now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


# The command -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--model", "{tmp}/nothing"], "holds no version"), (["--model", "{tmp}"], "no SavedModel"),
     (["--model", "{tmp}/version"], "is one version; name the folder of all"),
     (["--model", "{tmp}", "--max-queue", "0"], "--max-queue 0: must be above 0"),
     (["--model", "{tmp}", "--max-items", "9"], "--max-items 9: a request of more pictures")],
)  # fmt: skip
def test_mistakes_at_the_start_are_one_line(tmp_path, capsys, arguments, message):
    (tmp_path / "1").mkdir()
    (tmp_path / "version").mkdir()
    (tmp_path / "version" / "saved_model.pb").touch()
    filled = [argument.format(tmp=tmp_path) for argument in arguments]
    assert serve.main(["--port", "0", *filled]) == 1
    [line] = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("error: ") and message in line


def test_a_port_in_use_is_one_line(capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert serve.main(["--model", "anything", "--port", port]) == 1
    [line] = capsys.readouterr().err.strip().splitlines()
    assert f"--port {port}: " in line and "in use" in line


def test_an_ipv6_address_is_accepted_as_host(tmp_path, capsys):
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            pass
    except OSError:
        pytest.skip("this machine has no IPv6")
    assert serve.main(["--model", str(tmp_path), "--host", "::1", "--port", "0"]) == 1
    assert "holds no version" in capsys.readouterr().err


def test_the_load_test_command(url, file, tmp_path, capsys):
    (tmp_path / "in.png").write_bytes(file)
    arguments = ["--image", str(tmp_path / "in.png"), "--text", TEXT, "--clients", "2",
                 "--seconds", "0.5"]  # fmt: skip
    assert load_test.main(["--url", url, *arguments]) == 0
    assert json.loads(capsys.readouterr().out)["answered"] >= 2
    assert load_test.main(["--url", url, *arguments, "--model", "other"]) == 1
    assert "Servable not found" in json.loads(capsys.readouterr().out)["first_loss"]
    assert load_test.main(["--url", url, *arguments, "--seconds", "1e9"]) == 1


def test_client_errors_are_one_line(url, file, tmp_path, capsys):
    path = tmp_path / "in.png"
    path.write_bytes(file)

    def failure(address: str, image=path, text=TEXT, *more: str) -> str:
        arguments = ["--url", address, "--image", str(image), "--text", text, *more]
        assert client.main([*arguments, "--output", str(tmp_path / "out.png")]) == 1
        [line] = capsys.readouterr().err.strip().splitlines()
        return line

    assert "cannot be reached" in failure("http://127.0.0.1:9", path, TEXT, "--retries", "0")
    assert "give http://host:8501" in failure("ftp://x")
    assert "HTTP 400: item 0: the caption has no words" in failure(url, path, "...")
    assert "No such file" in failure(url, tmp_path / "missing.png")
    assert "HTTP 404: Servable not found" in failure(url, path, TEXT, "--model", "other")
    assert not (tmp_path / "out.png").exists()


def test_the_client_gives_up_after_its_timeout(file):
    with socket.create_server(("127.0.0.1", 0)) as server:
        rest = client.RestClient(f"http://127.0.0.1:{server.getsockname()[1]}", "mim", timeout=0.3)
        with pytest.raises(UserError, match="no answer within 0.3 seconds"):
            rest.edit([file], [TEXT], keep_size=False)


def test_the_client_retries_while_the_server_is_busy(model, file):
    seen = []

    async def app(scope, receive, send):
        if scope["type"] != "http":
            return
        while (await receive()).get("more_body"):
            pass
        seen.append(scope["path"])
        body = json.dumps({"predictions": [encoded(b"png")]}).encode()
        await send({"type": "http.response.start", "status": 503 if len(seen) < 3 else 200,
                    "headers": [(b"content-length", b"%d" % len(body))]})  # fmt: skip
        await send({"type": "http.response.body", "body": body})

    with running(app) as url:
        rest = client.RestClient(url, "mim")
        assert rest.edit([file], [TEXT], keep_size=False) == [b"png"]
        assert seen == ["/v1/models/mim:predict"] * 3
        seen.clear()
        with pytest.raises(UserError, match="HTTP 503"):
            client.RestClient(url, "mim", retries=1).edit([file], [TEXT], keep_size=False)
