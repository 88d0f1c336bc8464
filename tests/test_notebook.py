"""docs/quickstart.ipynb: its cells run, and what it prints is what it shows."""

from __future__ import annotations

import ast
import contextlib
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest

DOCS = Path(__file__).parents[1] / "docs"
NOTEBOOK = DOCS / "quickstart.ipynb"


@pytest.fixture(scope="module")
def cells() -> list[dict[str, Any]]:
    notebook = json.loads(NOTEBOOK.read_text("utf-8"))
    assert notebook["nbformat"] == 4
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def execute(source: str, names: dict[str, Any]) -> tuple[str, Any]:
    """What a cell prints, and the value of its last line if that is an expression.

    A notebook's own runner would bring thirty packages; these cells are plain Python.
    """
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, str(NOTEBOOK), "exec"), names)
        value = None
        if last is not None:
            value = eval(compile(ast.Expression(last.value), str(NOTEBOOK), "eval"), names)
    return printed.getvalue(), value


def test_the_cells_run_in_their_order_and_give_what_is_stored(cells, monkeypatch):
    monkeypatch.chdir(DOCS)
    names: dict[str, Any] = {}
    pictures = 0
    for number, cell in enumerate(cells, start=1):
        assert cell["execution_count"] == number
        printed, value = execute("".join(cell["source"]), names)
        assert printed == "".join(
            "".join(output["text"]) for output in cell["outputs"] if "text" in output
        )
        if any("image/png" in output.get("data", ()) for output in cell["outputs"]):
            assert value._repr_png_()
            pictures += 1
    assert pictures >= 4
    assert names["edit"].image.tobytes() != names["bird"].tobytes()


def test_it_is_small_and_names_no_place_of_a_machine(cells):
    text = NOTEBOOK.read_text("utf-8")
    assert len(text) < 300_000
    without_pictures = re.sub(r'"image/png": "[^"]*"', "", text)
    assert not re.search(r"/(home|root|tmp|Users|work|mnt)/|[A-Z]:\\\\", without_pictures)
