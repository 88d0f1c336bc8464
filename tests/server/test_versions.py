"""The folder of a model's versions: which one is served, and how a newer one takes its place."""

from __future__ import annotations

import os
import shutil
import time
import weakref

import pytest
import requests
from running_server import TEXT, predict, running

from mim_tf import serve
from mim_tf.checksums import write_sums_of_all
from mim_tf.errors import UserError
from mim_tf.server.application import Following, application
from mim_tf.server.limits import Limits
from mim_tf.server.versions import Follower, load_newest


@pytest.fixture
def base(saved_model, tmp_path):
    """A folder of its own with version 1."""
    shutil.copytree(saved_model / "1", tmp_path / "mim" / "1")
    return tmp_path / "mim"


def add_version(base, number: int, *, tamper: bool = False) -> None:
    """Copy version 1 under another number, at once."""
    shutil.copytree(base / "1", base / "partial")
    if tamper:
        [data] = (base / "partial" / "variables").glob("variables.data-*")
        data.write_bytes(data.read_bytes()[:1000])
    (base / "partial").rename(base / str(number))


def wait_for(condition) -> bool:
    deadline = time.monotonic() + 60
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.1)
    return condition()


def test_a_new_version_takes_the_place_of_the_old_one(base):
    model = load_newest(base)
    dropped = weakref.ref(model)
    app = application(model, Limits(), following=Following(Follower(base), 0.1))
    del model
    body = {"signature_name": "encode_text", "instances": [TEXT]}

    def status(version: int) -> int:
        return requests.get(f"{url}/v1/models/mim/versions/{version}").status_code

    with running(app) as url:
        before = predict(url, body).json()
        add_version(base, 10)
        assert wait_for(lambda: status(10) == 200)
        assert status(1) == 404
        assert predict(url, body).json() == before
        assert wait_for(lambda: dropped() is None)
        add_version(base, 11, tamper=True)
        time.sleep(0.5)  # long enough to look at it
        assert status(10) == 200 and predict(url, body).ok


def test_a_version_that_cannot_be_loaded_is_reported_once_until_it_changes(base, model):
    follower, served = Follower(base, "birds"), model
    assert follower.another(served) is None
    add_version(base, 2, tamper=True)
    with pytest.raises(
        UserError, match=r"2: variables/variables.data\S+ was damaged .*; version 1 is still served"
    ):
        follower.another(served)
    assert follower.another(served) is None
    shutil.rmtree(base / "2")
    add_version(base, 2)
    newer = follower.another(served)
    assert newer is not None and (newer.name, newer.version) == ("birds", "2")
    shutil.rmtree(base)
    with pytest.raises(UserError, match="there is no such folder; version 1 is still served"):
        follower.another(served)
    assert follower.another(served) is None


def test_the_folder_is_followed_on_after_a_failure_of_any_kind(base, model, monkeypatch, capfd):
    looked = []

    def another(follower, served):
        looked.append(served.version)
        raise RuntimeError("odd\nlines")

    monkeypatch.setattr(Follower, "another", another)
    following = Following(Follower(base), 0.05)
    with running(application(model, Limits(), following=following)) as url:
        assert wait_for(lambda: len(looked) > 1)
        assert requests.get(f"{url}/healthz").ok
    lines = capfd.readouterr().err.splitlines()
    assert lines.count("error: RuntimeError: odd lines") == 1  # told once
    assert not [line for line in lines if "Traceback" in line]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.parametrize("name", ["SHA256SUMS", "saved_model.pb", "variables/variables.index"])
def test_pipes_and_loops_in_a_version_are_one_line(base, model, name):
    add_version(base, 2)
    (base / "2" / name).unlink()
    os.mkfifo(base / "2" / name)
    (base / "3").symlink_to(base / "3")
    (base / "2" / "loop").symlink_to(base)
    with pytest.raises(UserError, match="; version 1 is still served"):
        Follower(base).another(model)


def test_only_folders_with_whole_numbers_are_versions(base):
    for name in ("²", "٣", "007", "-3", "2.0", "3-temp"):
        (base / name).mkdir()
    (base / "99").touch()
    assert load_newest(base).version == "1"


@pytest.mark.parametrize("name", ["saved_model.pb", "variables/variables.index"])
@pytest.mark.parametrize("sealed", [False, True])
def test_a_tampered_model_is_one_line(base, capfd, name, sealed):
    file = base / "1" / name
    data = bytearray(file.read_bytes())
    for place in range(0, len(data), 97):
        data[place] ^= 0x55
    file.write_bytes(data)
    if sealed:  # by whoever has tampered with it
        write_sums_of_all(base / "1")
    capfd.readouterr()
    expected = "is no SavedModel" if sealed else f"{name} was damaged or changed"
    with pytest.raises(UserError, match=expected) as raised:
        load_newest(base)
    assert len(str(raised.value).splitlines()) == 1 and len(str(raised.value)) < 600


@pytest.mark.parametrize("name", ["a:b", "a\nb", "a\udcffb"])
def test_a_name_that_cannot_stand_in_a_url_is_one_line(tmp_path, capsys, name):
    (tmp_path / name / "1").mkdir(parents=True)
    assert serve.main(["--model", str(tmp_path / name), "--port", "0"]) == 1
    [line] = capsys.readouterr().err.strip().splitlines()
    assert "cannot stand in a URL" in line


def test_a_given_name_that_cannot_stand_in_a_url_is_one_line(base, capsys):
    assert serve.main(["--model", str(base), "--model_name", "a/b", "--port", "0"]) == 1
    [line] = capsys.readouterr().err.strip().splitlines()
    assert "'a/b' cannot stand in a URL; give another by --model_name" in line
