"""Commands write their own lines to stderr, and no library's."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from mim_tf.quiet import silenced


def test_what_is_written_is_dropped(capfd, monkeypatch):
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL", raising=False)
    with silenced():
        os.write(2, b"noise")
    os.write(2, b"ours")
    assert capfd.readouterr().err == "ours"


def test_if_it_fails_all_is_written(capfd):
    with pytest.raises(ImportError), silenced():
        os.write(2, b"no such library")
        raise ImportError
    assert capfd.readouterr().err == "no such library"


def test_who_asks_for_all_gets_it(capfd, monkeypatch):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    with silenced():
        os.write(2, b"noise")
    assert capfd.readouterr().err == "noise"


@pytest.mark.parametrize(
    "command", [["train", "--run", "none", "--resume"], ["edit", "none.png", "red wings"]]
)
def test_a_command_writes_one_line(tmp_path, command):
    """In a process of its own: the first of them imports TensorFlow."""
    environment = {
        name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"
    }
    done = subprocess.run(
        [sys.executable, "-m", "mim_tf", *command], capture_output=True, text=True, check=False,
        cwd=tmp_path, env={**environment, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )  # fmt: skip
    assert done.returncode == 1 and done.stdout == ""
    [line] = done.stderr.splitlines()
    assert line.startswith("error: ")
