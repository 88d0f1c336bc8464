"""The Dockerfiles, read, for no Docker is needed: base images are pinned, copied paths exist."""

from __future__ import annotations

import re
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "docker").glob("*.Dockerfile"))


def instructions(file: Path) -> list[tuple[str, list[str]]]:
    """Instruction and words, of each that is no comment, with continued lines joined."""
    text = re.sub(r"^\s*#.*\n", "", file.read_text("utf-8"), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return [(line.split()[0], line.split()[1:]) for line in lines if line.strip()]


def test_there_are_dockerfiles():
    assert [file.name for file in FILES] == ["app.Dockerfile", "train.Dockerfile"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_base_images_are_pinned_and_stages_are_defined_before_they_are_used(file):
    stages: set[str] = set()
    for name, words in instructions(file):
        if name == "FROM":
            assert re.search(r":\d+\.?\d*-", words[0]), words[0]
            stages |= {words[2]} if words[1:2] == ["AS"] else set()
        elif words[:1] and words[0].startswith("--from="):
            assert words[0].removeprefix("--from=") in stages


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_what_is_copied_is_there_and_not_ignored(file):
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    ignored = [line for line in lines if line and not line.startswith("#")]
    needed = {"README.md", "LICENSE", "pyproject.toml", "requirements.txt", "configs", "presets"}
    for name, words in instructions(file):
        if name == "COPY" and not words[0].startswith("--from="):
            needed |= {word for word in words[:-1] if word != "."}
    for path in needed:
        assert (ROOT / path).exists()
        assert not any(fnmatch(path, pattern) for pattern in ignored), path
