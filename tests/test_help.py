"""The help of every command ends with examples, and the examples parse."""

from __future__ import annotations

import argparse
import importlib
import shlex

import pytest

from mim_tf.__main__ import COMMANDS, main
from mim_tf.flags import command_parser

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
    assert "wings; put what has blanks in quotes, and several values after their flag;" in told
    assert told.endswith("see mim edit --help\n")


def test_a_second_override_needs_its_own_flag(capsys):
    given = ["--config", "birds.yaml", "--set", "train.steps=5", "train.seed=1"]
    assert importlib.import_module("mim_tf.train").main(given) == 1
    assert "train.seed=1; repeat --set before each; see" in capsys.readouterr().err


def test_a_repeated_flag_of_several_values_adds_to_them():
    parser = command_parser("test", "")
    parser.add_argument("--several", nargs="+", default=("default",))
    parser.add_argument("--one")
    several = parser.add_mutually_exclusive_group()
    several.add_argument("--in-group", nargs="+")
    parse = parser.parse_args
    assert parse([]).several == ("default",) and parse([]).in_group is None
    given = parse(
        shlex.split("--several a b --one 1 --several c --one 2 --in-group d --in-group e")
    )
    assert (given.several, given.one, given.in_group) == (["a", "b", "c"], "2", ["d", "e"])
    assert parse(["--several", "x"]).several == ["x"]  # nothing of the former call


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_export_has_help_of_its_own(flag, capsys):
    assert main(["export", flag]) == 0
    told = capsys.readouterr().out
    assert "mim export saved-model --help" in told and "tflite" in told


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
