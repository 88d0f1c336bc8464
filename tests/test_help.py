"""The help of every command ends with examples, and the examples parse."""

from __future__ import annotations

import argparse
import importlib
import shlex

import pytest

from mim_tf.__main__ import COMMANDS

MODULES = [
    *(f"mim_tf.{name}" for name in COMMANDS if name != "export"),
    "export.saved_model",
    "export.tflite",
    "export.serving.client",
    "export.serving.load_test",
]


@pytest.mark.parametrize("module", MODULES)
def test_an_unknown_flag_is_one_line(module, capsys):
    assert importlib.import_module(module).main(["--no-such-flag=1"]) == 1
    told = capsys.readouterr().err
    assert told.startswith("error: ") and told.count("\n") == 1 and f"python -m {module}" in told


def test_a_caption_without_quotes_is_told_apart(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["/usr/bin/mim", "edit"])
    assert importlib.import_module("mim_tf.edit").main(["bird.png", "red", "wings"]) == 1
    told = capsys.readouterr().err
    assert "wings; put a caption or a path with blanks in quotes; see mim edit --help" in told


class Parsed(BaseException):
    """The arguments are as the command takes them; it need not run."""


@pytest.mark.parametrize("module", MODULES)
def test_the_examples_of_the_help_parse(module, capsys, monkeypatch):
    command = importlib.import_module(module)
    with pytest.raises(SystemExit) as ended:
        command.main(["--help"])
    assert ended.value.code == 0
    _, heading, examples = capsys.readouterr().out.rpartition("\nexample")
    assert heading
    lines = examples.partition("\n")[2].replace("\\\n", " ").splitlines()
    assert lines
    real = argparse.ArgumentParser.parse_args

    def parse_only(self, args=None, namespace=None):
        raise Parsed(real(self, args, namespace))

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_only)
    for line in lines:
        words = shlex.split(line)
        assert words[:3] == ["python", "-m", module]
        with pytest.raises(Parsed):
            command.main(words[3:])
