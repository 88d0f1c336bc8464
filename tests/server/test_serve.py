"""mim_tf.serve through real sockets: its answers, its refusals and the command."""

from __future__ import annotations

import base64
import json
import socket
from pathlib import Path

import numpy as np
import pytest
import requests
from crafted_pictures import animation, bomb
from PIL import Image
from running_server import LIMITS, TEXT, encoded, error_of, predict, rows, running

from mim_tf import serve
from mim_tf.captions import refusal
from mim_tf.editor import Editor
from mim_tf.pictures import files
from mim_tf.server import listening

SQUARE = np.zeros((1, 32, 32, 3)).tolist()


# Good requests -----------------------------------------------------------------------------------


def test_answers_have_the_editors_pixels(url, random_run, photo, file):
    captions = [TEXT, "a red bird"]
    answer = predict(url, rows(file, *captions)).json()
    expected = Editor(random_run).edit_many([photo] * 2, captions)
    for prediction, edit in zip(answer["predictions"], expected, strict=True):
        found = files.decode(base64.b64decode(prediction["image_bytes"]["b64"]), "answer")
        np.testing.assert_array_equal(found, edit.picture)
        assert prediction["warnings"] == ""
    columns = {"inputs": {"image_bytes": [encoded(file)] * 2, "caption": captions}}
    names = ("image_bytes", "warnings")
    by_name = {name: [row[name] for row in answer["predictions"]] for name in names}
    assert predict(url, columns).json() == {"outputs": by_name}


def test_captions_are_checked_as_in_python(url, random_run):
    """All that newcomers type, by the words of this model."""
    cases = json.loads((Path(__file__).parents[1] / "captions.json").read_text("utf-8"))["cases"]
    captions = [case["caption"] for case in cases]
    editor = Editor(random_run)
    for start in range(0, len(captions), LIMITS.items):
        some = captions[start : start + LIMITS.items]
        body = {"signature_name": "check_caption", "instances": some}
        for caption, found in zip(some, predict(url, body).json()["predictions"], strict=True):
            messages = editor.messages(caption)
            assert found["messages"].splitlines() == [message.text for message in messages]
            assert found["refuses"] == any(message.refuses for message in messages)


def test_a_refused_caption_is_told_all_and_may_be_forced(url, random_run, photo, file):
    caption = "redd wings, ß"
    answer = predict(url, rows(file, caption))
    editor = Editor(random_run)
    assert answer.status_code == 400
    assert error_of(answer) == f"item 0: {refusal(editor.messages(caption))}"
    row = {"image_bytes": encoded(file), "caption": caption, "strength": 0.5, "anyway": True,
           "keep_size": True}  # fmt: skip
    [found] = predict(url, {"signature_name": "edit", "instances": [row]}).json()["predictions"]
    edit = editor(photo, caption, strength=0.5, anyway=True)
    picture = files.decode(base64.b64decode(found["image_bytes"]["b64"]), "answer")
    np.testing.assert_array_equal(picture, edit.picture)
    assert found["warnings"].splitlines() == list(edit.warnings)


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


# Bad requests ------------------------------------------------------------------------------------


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
        (rows(bomb(10_000, 10_000, broken_note=True), TEXT), "item 0: the picture is truncated or"),
        (rows(animation(*[Image.new("RGB", (9, 9), c) for c in ("red", "blue")]), TEXT),
         "item 0: an animation; send a picture that stands still"),
        (rows(bomb(4_000, 4_000), TEXT, TEXT), "item 1: up to here the pictures have more than"),
        (rows(b"x", "a " * 500_000), "item 0: 'caption' has 1000000 characters"),
        (rows(b"x", *[TEXT] * 5), "5 items; send 1 to 4"),
        ({"signature_name": "encode_text", "instances": [TEXT, "..."]}, "item 1: The caption has"),
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
        ({"signature_name": "edit_tokens",
          "inputs": {"images": np.full((1, 32, 32, 3), 1e39).tolist(), "tokens": [[2] * 16]}},
         "'images' is no rectangular list of numbers (not all are finite)"),
        ({"signature_name": "edit_tokens",
          "inputs": {"images": [[1.5, 10**400]], "tokens": [[2] * 16]}},
         "'images' is no rectangular list of numbers ("),
        ({"signature_name": "edit_tokens",
          "inputs": {"images": np.full((1, 32, 32, 3), 3e38).tolist(), "tokens": [[2] * 16]}},
         "is not finite: numbers in the inputs are too large"),
        ({"signature_name": "edit_tokens",
          "inputs": {"images": SQUARE, "tokens": [[10**6] * 16]}},
         "item 0: a token is outside the vocabulary; ids are 0 to"),
        ({"signature_name": "edit_tokens", "inputs": {"images": SQUARE, "tokens": [[-5] * 16]}},
         "item 0: a token is outside the vocabulary; ids are 0 to"),
        ({"signature_name": "edit", "instances": [
            {"image_bytes": encoded(b"x"), "caption": TEXT, "strength": 1, "anyway": 1,
             "keep_size": True}]}, "'anyway' is no rectangular list of truth values (not all are"),
        ({"signature_name": "edit", "instances": [
            {"image_bytes": encoded(b"x"), "caption": TEXT, "strength": 2, "anyway": False,
             "keep_size": True}]}, "item 0: strength is not from 0 to 1.5"),
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


# The command -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--model", "{tmp}/nothing"], "no such folder"), (["--model", "{tmp}"], "no SavedModel"),
     (["--model", "{tmp}/version"], "is one version; name the folder of all"),
     (["--model", "{tmp}", "--max-queue", "0"], "--max-queue 0: must be above 0"),
     (["--model", "{tmp}", "--max-items", "9"], "--max-items 9: a request of more pictures"),
     (["--model", "{tmp}", "--max-flight-body", "9"], "could not be read"),
     (["--model", "{tmp}", "--max-flight-pixels", "9"], "could not run")],
)  # fmt: skip
def test_mistakes_at_the_start_are_one_line(tmp_path, capsys, arguments, message):
    (tmp_path / "1").mkdir()
    (tmp_path / "version").mkdir()
    (tmp_path / "version" / "saved_model.pb").touch()
    filled = [argument.format(tmp=tmp_path) for argument in arguments]
    assert serve.main(["--port", "0", *filled]) == 1
    [line] = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("error: ") and message in line


def test_tensorflow_servings_names_of_flags_are_taken(saved_model, monkeypatch):
    found = {}

    def serve_once(app, *, port, **options):
        with running(app) as url:
            for name in ("birds", "mim"):
                found[name] = requests.get(f"{url}/v1/models/{name}/metadata")
        found["port"] = port

    monkeypatch.setattr(listening.uvicorn, "run", serve_once)
    given = [f"--model_base_path={saved_model}", "--model_name=birds", "--rest_api_port=0"]
    assert serve.main(given) == 0
    assert found["port"] == 0 and found["mim"].status_code == 404
    assert found["birds"].json()["model_spec"]["name"] == "birds"


def test_the_port_of_tensorflow_servings_grpc_is_not_taken_for_that_of_rest(capsys):
    assert serve.main(["--model=anything", "--rest_api_port=8501", "--port=8500"]) == 1
    assert "not allowed with argument" in capsys.readouterr().err


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
