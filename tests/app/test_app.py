"""``mim_tf.app``: what it exports, what it serves, and what it refuses."""

from __future__ import annotations

import http.client
import json
import threading

import pytest

from mim_tf import app
from mim_tf.errors import UserError
from mim_tf.pages import app as page_files
from mim_tf.places import ABOUT, PRESETS, VOCABULARY, preset_names


def get(server, path):
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    connection.request("GET", path)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer, content


def test_the_export_holds_the_page_and_the_smallest_files(small, tmp_path, capsys):
    output = tmp_path / "site"
    for _ in range(2):  # the second replaces the first
        assert app.main(["--preset", str(small), "--export", str(output)]) == 0
    assert capsys.readouterr().out.split() == [str(output)] * 2
    found = {path.relative_to(output).as_posix() for path in output.rglob("*") if path.is_file()}
    assert found == {
        "SHA256SUMS",
        "index.html",
        "assets/a.js",
        "models.json",
        "models/robins/metadata.json",
        "models/robins/vocabulary.json",
        "models/robins/text_float16.tflite",  # float16 where there is one, else float32
        "models/robins/image.tflite",
    }
    metadata = json.loads((output / "models" / "robins" / "metadata.json").read_text())
    assert set(metadata["files"]) == {"text_float16.tflite", "image.tflite"}
    assert metadata["size"] == 64
    listed = json.loads((output / "models.json").read_text())
    assert listed == [{"name": "robins", "title": "robins", "captions": []}]
    assert not list(tmp_path.glob(".partial.*"))


def test_without_a_model_all_presets_are_offered(small, tmp_path):
    assert app.main(["--export", str(tmp_path / "site")]) == 0
    listed = json.loads((tmp_path / "site" / "models.json").read_text())
    assert [model["name"] for model in listed] == preset_names()
    for model in listed:
        words = json.loads((PRESETS / model["name"] / VOCABULARY).read_text())["words"]
        assert model["title"] != model["name"] and model["captions"]
        said = " ".join(model["captions"]).replace("-", " ").split()
        assert set(said) <= set(words)
        folder = tmp_path / "site" / "models" / model["name"]
        assert {"metadata.json", "image_float16.tflite"} <= {path.name for path in folder.iterdir()}


def test_a_run_may_tell_what_its_pictures_show(small):
    about = small.parent / ABOUT
    about.write_text('{"title": "a robin", "captions": ["a red breast"]}')
    model = page_files.read_model(small)
    assert (model.name, model.title, model.captions) == ("robins", "a robin", ("a red breast",))
    for text in ("{", "[]", '{"title": "a robin"}', '{"title": "a", "captions": 3}'):
        about.write_text(text)
        with pytest.raises(UserError, match="must hold a title and a list of captions"):
            page_files.read_model(small)


def test_a_folder_of_something_else_is_not_replaced(small, tmp_path, capsys):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("x")
    assert app.main(["--preset", str(small), "--export", str(tmp_path / "thesis")]) == 1
    assert "not an earlier export" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "thesis").iterdir()] == ["chapter.txt"]


def test_only_the_sites_files_are_served(small):
    server = page_files.make_server([page_files.read_model(small)], 0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        assert server.server_address[0] == "127.0.0.1"
        answer, content = get(server, "/?a=b")
        assert answer.status == 200 and content == b"<p>page</p>"
        assert answer.getheader("Content-Type") == "text/html; charset=utf-8"
        answer, _ = get(server, "/assets/a.js")
        assert answer.getheader("Content-Type") == "text/javascript; charset=utf-8"
        assert get(server, "/models/robins/image.tflite")[1] == b"image.tflite"
        folder = "/models/robins/"
        for path in (f"{folder}text.tflite", f"/..{folder}metadata.json", "/%2e%2e/x", folder):
            assert get(server, path)[0].status == 404, path
        with pytest.raises(UserError, match=f"--port {server.server_port}: .*choose another"):
            page_files.make_server([page_files.read_model(small)], server.server_port)
    finally:
        server.shutdown()
        server.server_close()


def test_mistakes_are_one_clear_line(small, tmp_path, capsys, monkeypatch):
    def error(*arguments):
        assert app.main(list(arguments)) == 1
        found = capsys.readouterr().err
        assert found.startswith("error: ") and found.count("\n") == 1
        return found

    output = str(tmp_path / "site")
    assert "no preset robins" in error("--preset", "robins")
    assert "python -m mim_tf export tflite --run" in error(
        "--run", str(tmp_path), "--export", output
    )
    assert "there is no such folder" in error("--run", str(tmp_path / "none"))
    assert "has no LiteRT files" in error("--preset", str(tmp_path / "page"), "--export", output)
    assert "--port 99999" in error("--preset", str(small), "--port", "99999")
    (small / "image.tflite").write_text("cut")
    assert "image.tflite was damaged" in error("--preset", str(small), "--export", output)
    (small / "image.tflite").unlink()
    assert "has no file image.tflite" in error("--preset", str(small), "--export", output)
    (small / "metadata.json").write_text("[]")
    assert "not what export.tflite writes" in error("--preset", str(small), "--export", output)
    assert not (tmp_path / "site").exists()


def test_a_page_that_is_not_built_says_how(small, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(page_files, "PAGE", tmp_path / "nothing")
    assert app.main(["--preset", str(small), "--export", str(tmp_path / "site")]) == 1
    assert "run: make app" in capsys.readouterr().err
