"""Imports go one way: entry points -> editor -> run -> models and data -> leaves."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import mim_tf

PACKAGE = Path(mim_tf.__file__).parent

# A module may import modules of lower layers, and of its own where that is noted.
LAYERS = [
    {"errors"},
    {"config", "flags", "images", "inception", "layers", "losses"},
    {"metrics", "memorise", "storage"},
    {"text", "damsm", "sheets", "tables"},
    {"classifier"},
    {"data"},
    {"encoders"},
    {"generator", "discriminators"},
    {"mimnet"},
    {"run"},
    {"editor", "truth", "trainer"},
    {"rulers", "pairs", "memory_sheet", "server"},
    {"pretraining", "evaluation", "ratings"},
    {
        "train",
        "edit",
        "demo",
        "prepare",
        "serve",
        "pretrain",
        "evaluate",
        "ablate",
        "memories",
        "study",
        "report",
        "import_rulers",
    },
]
WITHIN = {"data", "server"}  # packages, whose modules use each other


def modules():
    return [path for path in sorted(PACKAGE.rglob("*.py")) if path.name != "__init__.py"]


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mim_tf"):
            rest = (node.module or "").split(".")[1:]
            found |= {rest[0]} if rest else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {a.name.split(".")[1] for a in node.names if a.name.startswith("mim_tf.")}
    return found


def layer(name: str) -> int:
    return next(index for index, names in enumerate(LAYERS) if name in names)


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_one_way(path):
    own = name_of(path)
    for other in imported(path):
        assert layer(other) < layer(own) or (other == own and own in WITHIN), f"{own} -> {other}"


def test_config_needs_no_tensorflow():
    tree = ast.parse((PACKAGE / "config.py").read_text())
    roots = {
        a.name.split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names
    }
    assert not roots & {"tensorflow", "keras"}


def test_losses_know_no_network_and_networks_no_config():
    assert imported(PACKAGE / "losses.py") == set()
    for name in ("encoders", "generator", "discriminators", "layers"):
        assert not imported(PACKAGE / f"{name}.py") & {"config", "losses"}


def test_the_pixel_constant_stands_in_one_place():
    assert [p.name for p in modules() if "127.5" in p.read_text()] == ["images.py"]
