"""What the documents say exists: their links, and the commands of their examples."""

from __future__ import annotations

import argparse
import importlib
import re
import shlex
from pathlib import Path

import pytest

from mim_tf.config_files import find_config

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")),
             *sorted((ROOT / "presets").glob("**/README.md"))]  # fmt: skip
PROJECT = ("mim_tf", "export", "benchmarks")


class Parsed(BaseException):
    """A command's arguments are as it takes them; it need not run."""


def links(document: Path) -> list[str]:
    text = re.sub(r"```.*?```", "", document.read_text("utf-8"), flags=re.DOTALL)
    found = re.findall(r"\]\(([^)\s]+)\)", text)
    return [link for link in found if not re.match(r"[a-z]+:|#", link)]


def commands(document: Path) -> list[list[str]]:
    """The project's own commands in a document's shell examples, split into words."""
    found = []
    for block in re.findall(r"```sh\n(.*?)```", document.read_text("utf-8"), flags=re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            starts = [place for place, word in enumerate(words) if word in ("python", "mim")]
            for start in starts:
                tail = words[start:]
                ends = [place for place, word in enumerate(tail) if word in ("|", ">", ">>", "&")]
                command = tail[: ends[0]] if ends else tail
                ours = command[0] == "mim" or (
                    command[1:2] == ["-m"] and command[2].split(".")[0] in PROJECT
                )
                if ours:
                    found.append(command)
    return found


def cases(of):
    return [
        pytest.param(document, item, id=f"{document.name}: {item}")
        for document in DOCUMENTS
        for item in of(document)
    ]


@pytest.mark.parametrize(("document", "link"), cases(links))
def test_links_lead_somewhere(document, link):
    assert (document.parent / link.split("#")[0]).exists()


@pytest.mark.parametrize(("document", "command"), cases(commands))
def test_commands_of_examples_parse(document, command, monkeypatch):
    real = argparse.ArgumentParser.parse_args

    def parse_only(self, args=None, namespace=None):
        raise Parsed(real(self, args, namespace))

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_only)
    if command[0] == "mim":
        module, arguments = "mim_tf.__main__", command[1:]
    else:
        module, arguments = command[2], command[3:]
    with pytest.raises(Parsed) as parsed:
        importlib.import_module(module).main(arguments)
    for name in getattr(parsed.value.args[0], "config", None) or ():
        find_config(name)


def test_there_are_examples_to_check():
    assert sum(len(commands(document)) for document in DOCUMENTS) > 20
