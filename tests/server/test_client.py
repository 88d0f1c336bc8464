"""The client and the load test of export.serving against mim_tf.serve."""

from __future__ import annotations

import json
import socket

import numpy as np
import pytest
from running_server import TEXT, encoded, running

from export.serving import client, load_test
from mim_tf.captions import refusal
from mim_tf.editor import Editor
from mim_tf.errors import UserError
from mim_tf.pictures import files


def test_the_client_edits_at_the_original_size(url, random_run, photo, tmp_path, capsys):
    files.write(tmp_path / "in.png", photo)
    arguments = ["--url", url, "--image", str(tmp_path / "in.png"), "--text", TEXT]
    output = tmp_path / "out" / "edited.png"
    arguments += ["--output", str(output), "--keep-size"]
    assert client.main(arguments) == 0
    assert capsys.readouterr().out.strip() == str(output)
    editor = Editor(random_run)
    expected = editor.edit(photo, TEXT, keep_size=True).picture
    np.testing.assert_array_equal(files.read(output), expected)
    arguments[arguments.index(TEXT)] = "orange wings"
    assert client.main(arguments) == 1
    refused = refusal(editor.messages("orange wings"))
    assert capsys.readouterr().err.endswith(f"HTTP 400: item 0: {refused}\n")
    assert client.main([*arguments, "--anyway", "--strength", "1.25"]) == 0
    edit = editor(photo, "orange wings", strength=1.25, anyway=True)
    np.testing.assert_array_equal(files.read(output), edit.picture)
    told = [f"'orange wings': {warning}" for warning in edit.warnings]
    assert capsys.readouterr().err.splitlines() == told and len(told) == 2


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

    assert "strength 2.0: give a number from 0" in failure(url, path, TEXT, "--strength", "2")
    assert "cannot be reached" in failure("http://127.0.0.1:9", path, TEXT, "--retries", "0")
    assert "give http://host:8501" in failure("ftp://x")
    assert "--url http://[::1: Invalid IPv6 URL" in failure("http://[::1")
    assert "HTTP 400: item 0: The caption has no words" in failure(url, path, "...")
    assert "No such file" in failure(url, tmp_path / "missing.png")
    assert "HTTP 404: Servable not found" in failure(url, path, TEXT, "--model", "other")
    assert not (tmp_path / "out.png").exists()


def test_the_client_gives_up_after_its_timeout(file):
    with socket.create_server(("127.0.0.1", 0)) as server:
        rest = client.RestClient(f"http://127.0.0.1:{server.getsockname()[1]}", "mim", timeout=0.3)
        with pytest.raises(UserError, match="no answer within 0.3 seconds"):
            rest.edit([file], [TEXT])


def test_the_client_retries_while_the_server_is_busy(model, file):
    seen = []

    async def app(scope, receive, send):
        if scope["type"] != "http":
            return
        while (await receive()).get("more_body"):
            pass
        seen.append(scope["path"])
        row = {"image_bytes": encoded(b"png"), "warnings": "one\ntwo"}
        body = json.dumps({"predictions": [row]}).encode()
        await send({"type": "http.response.start", "status": 503 if len(seen) < 3 else 200,
                    "headers": [(b"content-length", b"%d" % len(body))]})  # fmt: skip
        await send({"type": "http.response.body", "body": body})

    with running(app) as url:
        rest = client.RestClient(url, "mim")
        assert rest.edit([file], [TEXT]) == [client.Answer(b"png", ("one", "two"))]
        assert seen == ["/v1/models/mim:predict"] * 3
        seen.clear()
        with pytest.raises(UserError, match="HTTP 503"):
            client.RestClient(url, "mim", retries=1).edit([file], [TEXT])
