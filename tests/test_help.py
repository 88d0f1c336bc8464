"""The help of every command ends with examples, and the examples parse."""

from __future__ import annotations

import importlib
import shlex
from pathlib import Path

import pytest

import mim_tf

COMMANDS = [
    path.stem
    for path in sorted(Path(mim_tf.__file__).parent.glob("*.py"))
    if "command_parser(\n" in path.read_text()
]


@pytest.mark.parametrize("name", COMMANDS)
def test_the_examples_of_the_help_parse(name, capsys):
    command = importlib.import_module(f"mim_tf.{name}")
    with pytest.raises(SystemExit) as ended:
        command.main(["--help"])
    assert ended.value.code == 0
    _, heading, examples = capsys.readouterr().out.rpartition("\nexample")
    assert heading
    lines = examples.partition("\n")[2].replace("\\\n", " ").splitlines()
    assert lines
    for line in lines:
        words = shlex.split(line)
        assert words[:3] == ["python", "-m", f"mim_tf.{name}"]
        assert command._arguments(words[3:])
