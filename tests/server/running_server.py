"""A server in a thread, and requests to it."""

from __future__ import annotations

import base64
import contextlib
import json
import threading
import time

import requests
import uvicorn

from mim_tf.server.limits import Limits
from mim_tf.server.model import Model

TEXT = "this bird has blue wings"
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
