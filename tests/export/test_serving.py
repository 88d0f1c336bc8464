"""The gRPC client against a real gRPC server with the real messages; the configuration files."""

from __future__ import annotations

import concurrent.futures
from pathlib import Path

import grpc
import numpy as np
import pytest
import tensorflow as tf
import yaml
from google.protobuf import text_format
from tensorflow_serving.apis import prediction_service_pb2_grpc
from tensorflow_serving.apis.predict_pb2 import PredictRequest, PredictResponse
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from export.serving import client
from export.serving.messages import predict_request
from mim_tf.editor import Editor
from mim_tf.errors import UserError
from mim_tf.pictures import files
from mim_tf.server.limits import RequestError
from mim_tf.server.model import Model
from mim_tf.server.versions import load_newest

FOLDER = Path(client.__file__).parent
TEXT = "this bird has blue wings"


class Servicer(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Answers a PredictRequest as TensorFlow Serving does; unavailable for ``busy`` requests."""

    def __init__(self, model: Model) -> None:
        self.model, self.busy = model, 0

    def Predict(self, request, context):  # noqa: N802 (the protocol's name)
        if self.busy:
            self.busy -= 1
            context.abort(grpc.StatusCode.UNAVAILABLE, "still loading")
        if request.model_spec.name != self.model.name:
            context.abort(grpc.StatusCode.NOT_FOUND, "Servable not found")
        inputs = {name: tf.make_ndarray(proto) for name, proto in request.inputs.items()}
        try:
            outputs = self.model.run(request.model_spec.signature_name, inputs)
        except RequestError as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        answer = PredictResponse()
        for name, value in outputs.items():
            answer.outputs[name].CopyFrom(tf.make_tensor_proto(value))
        return answer


@pytest.fixture(scope="module")
def servicer(saved_model):
    return Servicer(load_newest(saved_model))


@pytest.fixture(scope="module")
def address(servicer):
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(2))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None)


@pytest.mark.parametrize("keep_size", [False, True])
def test_grpc_gives_the_editors_pixels(address, random_run, keep_size):
    rng = np.random.default_rng(0)
    photos = [rng.integers(0, 256, (50, 70, 3)).astype(np.uint8) for _ in range(2)]
    captions = [TEXT, "orange wings"]
    connection = client.connect(f"grpc://{address}", "mim", 60, 0)
    pngs = [files.encode_png(photo) for photo in photos]
    options = client.Options(keep_size, strength=0.5, anyway=True)
    found = connection.edit(pngs, captions, options)
    expected = Editor(random_run).edit_many(photos, captions, keep_size, strength=0.5)
    for answer, edit in zip(found, expected, strict=True):
        np.testing.assert_array_equal(files.decode(answer.file, "answer"), edit.picture)
        assert answer.warnings == edit.warnings
    assert len(found[1].warnings) == 2


def test_grpc_errors_are_clear(address, servicer):
    def edit(model="mim", text=TEXT, retries=3, timeout=60.0):
        png = files.encode_png(np.zeros((8, 8, 3), np.uint8))
        connection = client.GrpcClient(address, model, timeout, retries)
        return connection.edit([png], [text])

    with pytest.raises(UserError, match="INVALID_ARGUMENT: item 0: The caption has no words"):
        edit(text="...")
    with pytest.raises(UserError, match="NOT_FOUND: Servable not found"):
        edit(model="other")
    servicer.busy = 2
    assert len(edit()) == 1
    servicer.busy = 2
    with pytest.raises(UserError, match="UNAVAILABLE: still loading"):
        edit(retries=1)
    servicer.busy = 0
    with pytest.raises(UserError, match="UNAVAILABLE"):
        client.GrpcClient("127.0.0.1:9", "mim", 5, 0).edit([b"x"], [TEXT])


def test_messages_survive_the_wire():
    sent = predict_request("mim", "serving_default", {"image_bytes": [b"\xff\x00"], "x": [[1.5]]})
    request = PredictRequest.FromString(sent.SerializeToString())
    assert request.model_spec.name == "mim"
    assert request.model_spec.signature_name == "serving_default"
    assert tf.make_ndarray(request.inputs["image_bytes"]).tolist() == [b"\xff\x00"]
    assert tf.make_ndarray(request.inputs["x"]).tolist() == [[1.5]]


def settings(name: str) -> list[tuple[str, str]]:
    """Fields of a text protobuf as (name, value), in order."""
    text = (FOLDER / name).read_text()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    found = []
    for line in filter(None, lines):
        key, value = line.replace("{ value: ", ": ").replace("}", "").split(": ", 1)
        found.append((key.strip(), value.strip()))
    return found


def test_model_config_parses():
    config = text_format.Parse((FOLDER / "models.config").read_text(), ModelServerConfig())
    [model] = config.model_config_list.config
    assert (model.name, model.base_path, model.model_platform) == (
        "mim", "/models/mim", "tensorflow",
    )  # fmt: skip


@pytest.mark.parametrize("name", ["batching_cpu.config", "batching_gpu.config"])
def test_the_last_allowed_batch_size_is_the_largest(name):
    found = settings(name)
    allowed = [int(value) for key, value in found if key == "allowed_batch_sizes"]
    assert allowed == sorted(allowed) and allowed[-1] == int(dict(found)["max_batch_size"])
    known = {"max_batch_size", "batch_timeout_micros", "max_enqueued_batches",
             "num_batch_threads", "allowed_batch_sizes"}  # fmt: skip
    assert {key for key, _ in found} == known


def test_docker_compose_mounts_the_files_that_its_flags_name():
    services = yaml.safe_load((FOLDER / "docker-compose.yaml").read_text())["services"]
    assert set(services) == {"cpu", "gpu"}
    for service in services.values():
        assert any(volume.startswith(".:/config") for volume in service["volumes"])
        names = [flag.split("=/config/")[1] for flag in service["command"] if "/config/" in flag]
        assert len(names) == 3 and all((FOLDER / name).is_file() for name in names)
        assert "8501:8501" in service["ports"] and "8500:8500" in service["ports"]
