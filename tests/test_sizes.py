"""The code stays readable: no long file, no long function, no constructor with many arguments."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = [
    path
    for room in ("mim_tf", "export", "benchmarks")
    for path in sorted((ROOT / room).rglob("*.py"))
]
# What a reader follows from a picture and a caption to the edit, and to how it was learned.
PATH = [
    *(f"mim_tf/models/{name}.py" for name in
      ("layers", "encoders", "mtfg", "icm", "fir", "generator", "discriminators")),
    *(f"mim_tf/training/{name}.py" for name in
      ("losses", "updates", "state", "stages", "warm_up", "mimnet", "loop")),
    "mim_tf/backends/tensorflow.py", "mim_tf/editor.py", "mim_tf/run.py", "mim_tf/text.py",
]  # fmt: skip


def lines(path: Path) -> int:
    return len(path.read_text("utf-8").splitlines())


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_functions_and_constructors_stay_small(path):
    assert lines(path) < 350
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno - node.lineno + 1 <= 60, node.name
            if node.name == "__init__":
                arguments = [*node.args.args[1:], *node.args.kwonlyargs]
                assert len(arguments) <= 8, [argument.arg for argument in arguments]


def test_the_way_from_caption_to_edit_can_be_read_in_an_evening():
    assert sum(lines(ROOT / path) for path in PATH) <= 3000
