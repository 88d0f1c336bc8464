"""``mim_tf.serve --page``: the files of the page, where they come from, and who gets them."""

from __future__ import annotations

import http.client
import json
import shutil
import time

import numpy as np
import pytest
import requests
from running_server import LIMITS, predict, running

from mim_tf import serve
from mim_tf.checksums import write_sums_of_all
from mim_tf.errors import UserError
from mim_tf.pages import app as page_files
from mim_tf.pages.served import served_site
from mim_tf.server.application import Following, application
from mim_tf.server.versions import Follower, load_newest

WASM = bytes(range(256)) * 1000


@pytest.fixture(autouse=True)
def page(tmp_path, monkeypatch):
    """A page of a few files."""
    folder = tmp_path / "page"
    (folder / "wasm").mkdir(parents=True)
    (folder / "index.html").write_text("<p>page</p>")
    (folder / "page.js").write_text("1")
    (folder / "wasm" / "run.wasm").write_bytes(WASM)
    monkeypatch.setattr(page_files, "PAGE", folder)
    return folder


@pytest.fixture
def base(saved_model, tmp_path):
    """A folder of its own with version 1."""
    shutil.copytree(saved_model / "1", tmp_path / "mim" / "1")
    return tmp_path / "mim"


def card_of(base) -> dict:
    return json.loads((base / "1" / "assets" / "model_card.json").read_text())


def add_litert(base, weights: str) -> None:
    folder = base / "litert"
    folder.mkdir()
    for name in ("text_float16.tflite", "image_float16.tflite", "vocabulary.json"):
        (folder / name).write_text(name)
    networks = {f"{kind}_float16.tflite": {"bytes": 1} for kind in ("text", "image")}
    metadata = {"files": networks, "vocabulary": "vocabulary.json", "weights_sha256": weights}
    (folder / "metadata.json").write_text(json.dumps(metadata))
    write_sums_of_all(folder)


def make_page(model):
    return served_site(model.folder, model.name)


def raw_status(url: str, path: str) -> int:
    """Of a path that no client may normalise."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=20)
    connection.request("GET", path)
    status = connection.getresponse().status
    connection.close()
    return status


def test_the_page_is_served_with_types_and_nothing_else_is(model, base):
    (base / "1" / "secret.txt").write_text("x")
    with running(application(model, LIMITS, make_page=make_page)) as url:
        for path in ("/", "/app", "/app/", "/app/index.html", "/app/?a=b"):
            answer = requests.get(url + path)
            assert answer.text == "<p>page</p>"
            assert answer.headers["content-type"] == "text/html; charset=utf-8"
            assert answer.headers["x-content-type-options"] == "nosniff"
        script = requests.get(f"{url}/app/page.js")
        assert script.headers["content-type"] == "text/javascript; charset=utf-8"
        runtime = requests.get(f"{url}/app/wasm/run.wasm")
        assert runtime.content == WASM and runtime.headers["content-type"] == "application/wasm"
        head = requests.head(f"{url}/app/wasm/run.wasm")
        assert head.ok and not head.content and int(head.headers["content-length"]) == len(WASM)
        assert requests.post(f"{url}/app/", data="x").status_code == 405
        for path in (
            "/app/../v1/x", "/app/%2e%2e/mim/1/secret.txt", "/app/models/mim/../../secret.txt",
            "/app//etc/passwd", "/app/models/mim/", "/app/models/mim/model_card.json", "/app/wasm",
        ):  # fmt: skip
            assert raw_status(url, path) == 404, path
        answer = requests.get(f"{url}/app/", headers={"Host": "evil.example"})
        assert answer.status_code == 400  # the door is before the page, too
        (page_files.PAGE / "page.js").unlink()
        assert requests.get(f"{url}/app/page.js").status_code == 404


def test_a_server_without_a_page_has_none(model):
    with running(application(model, LIMITS)) as url:
        assert [requests.get(url + path).status_code for path in ("/", "/app/")] == [404, 404]


def test_a_page_without_litert_files_asks_for_edits(model, random_run):
    with running(application(model, LIMITS, make_page=make_page)) as url:
        metadata = requests.get(f"{url}/app/models/mim/metadata.json").json()
        words = requests.get(f"{url}/app/models/mim/{metadata['vocabulary']}").json()["words"]
        address = requests.compat.urljoin(
            f"{url}/app/models/mim/metadata.json", metadata["server"]["predict"]
        )
        assert address == f"{url}/v1/models/mim/versions/1:predict"
        size, coarse = metadata["size"], metadata["coarse_size"]
        tokens = [2] + [0] * (metadata["max_words"] - 1)
        instance = {"images": np.zeros((size, size, 3)).tolist(), "tokens": tokens}
        body = {"signature_name": "edit_tokens", "instances": [instance]}
        answer = requests.post(address, data=json.dumps(body))  # as the page asks
        assert answer.status_code == 200
        [found] = answer.json()["predictions"]
        assert answer.json() == predict(url, body).json()
    assert (
        np.shape(found["fine"]) == (size, size, 3) and np.shape(found["alpha"])[:2] == (size,) * 2
    )
    assert np.shape(found["coarse"]) == (coarse, coarse, 3)
    assert tuple(words) == random_run.vocabulary.words and metadata["files"] == {}
    deciding = set(random_run.config.data.swap_words) & set(words)
    assert set(metadata["deciding_words"]) == deciding and deciding


def test_litert_files_are_given_where_they_are_of_the_same_weights(base, capsys):
    add_litert(base, card_of(base)["weights_sha256"])
    files = served_site(base / "1", "a bird")
    network = base / "litert" / "image_float16.tflite"
    assert files["models/a bird/image_float16.tflite"][0] == network
    metadata = json.loads(files["models/a bird/metadata.json"][0])
    assert set(metadata["files"]) == {"text_float16.tflite", "image_float16.tflite"}
    assert metadata["server"] == {"predict": "../../../v1/models/a%20bird/versions/1:predict"}
    assert capsys.readouterr().err == ""

    shutil.rmtree(base / "litert")
    add_litert(base, "others")
    files = served_site(base / "1", "mim")
    assert "models/mim/image_float16.tflite" not in files
    assert files["models/mim/vocabulary.json"][0] == base / "1" / "assets" / "vocabulary.json"
    told = capsys.readouterr().err
    assert "other weights" in told and told.count("\n") == 1

    (base / "litert" / "image_float16.tflite").write_text("cut")
    with pytest.raises(UserError, match="image_float16.tflite was damaged"):
        served_site(base / "1", "mim")


def test_a_newer_version_brings_its_own_page(base):
    following = Following(Follower(base), 0.1)
    app = application(load_newest(base), LIMITS, following=following, make_page=make_page)
    with running(app) as url:
        shutil.copytree(base / "1", base / "partial")
        (base / "partial").rename(base / "2")
        deadline = time.monotonic() + 60
        while not _asks_version_2(f"{url}/app/models/mim/metadata.json"):
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_a_page_that_could_not_be_made_is_made_later(base, capfd):
    following = Following(Follower(base), 0.1)
    app = application(load_newest(base), LIMITS, following=following, make_page=make_page)
    shutil.copytree(base / "1", base / "partial")
    card = base / "partial" / "assets" / "model_card.json"
    whole = card.read_text()
    card.write_text("{}")
    write_sums_of_all(base / "partial")
    with running(app) as url:
        (base / "partial").rename(base / "2")
        told, deadline = "", time.monotonic() + 60
        while "tells too little for a page" not in told:
            assert time.monotonic() < deadline
            time.sleep(0.1)
            told += capfd.readouterr().err
        assert requests.get(f"{url}/app/").status_code == 404
        time.sleep(0.5)  # several looks at the folder: it is told once
        assert "too little" not in capfd.readouterr().err
        (base / "2" / "assets" / "model_card.json").write_text(whole)
        while not _asks_version_2(f"{url}/app/models/mim/metadata.json"):
            assert time.monotonic() < deadline
            time.sleep(0.1)


def _asks_version_2(metadata: str) -> bool:
    answer = requests.get(metadata)
    return answer.ok and "/versions/2:" in answer.json()["server"]["predict"]


def test_mistakes_are_one_clear_line(base, page, capsys, monkeypatch):
    def error(*arguments):
        monkeypatch.setattr("mim_tf.server.listening.uvicorn.run", None)  # it never comes to that
        assert serve.main(["--model", str(base), "--port", "0", "--page", *arguments]) == 1
        found = capsys.readouterr().err
        assert found.startswith("error: ") and found.count("\n") == 1
        return found

    assert "no browser sends --token" in error("--token", "s3cret")
    (page / "index.html").unlink()
    assert "run: make app" in error()
    (page / "index.html").write_text("x")
    card = card_of(base)
    del card["deciding_words"]  # as former exports
    (base / "1" / "assets" / "model_card.json").write_text(json.dumps(card))
    write_sums_of_all(base / "1")
    assert "model_card.json tells too little for a page; export the model again" in error()
