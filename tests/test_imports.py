"""Imports go one way: entry points -> editor -> run -> models and data -> leaves."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import mim_tf

PACKAGE = Path(mim_tf.__file__).parent

# A room (a folder, or a single module) may import rooms of lower layers; a folder's own modules
# may import each other.
LAYERS = [
    {"onednn", "progress", "quiet"},
    {"errors", "captions", "config_fields", "yaml_text"},
    {"config_training"},
    {"config", "flags", "metrics", "places", "storage"},
    {"json_text"},
    {"checksums", "locks", "logs", "pictures"},
    {"text"},
    {"backends/litert"},
    {"models", "data"},
    {
        "config_files",
        "training/clusters",
        "training/costs",
        "training/loss_scale",
        "training/memory_start",
        "training/optimizer",
        "training/replicas",
        "training/schedule",
        "training/updates",
    },
    {"training/losses"},
    {"stored_config", "training/state"},
    {
        "training/accumulation",
        "training/encoding",
        "training/matching",
        "training/pairs",
        "training/random_memories",
    },
    {"training/stages", "training/warm_up"},  # they change the state, which does not know them
    {"training/mimnet"},
    {"training/steps"},
    {"run"},
    {
        "backends/tensorflow",
        "training/checkpoints",
        "training/hooks",
        "training/inspection",
        "training/interruption",
        "training/means",
        "training/start",
        "training/samples",
        "training/strategies",
        "training/transfer",
    },
    {"training/failures"},
    {"editor", "training/loop"},
    {"training/dry_run"},
    {"evaluators"},
    {"evaluation", "server"},
    {"pages"},
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
        "import_evaluators",
        "import_encoder",
        "app",
    },
    {"__main__"},
]
# Rooms whose modules lie on several layers: the run stands between the backend of LiteRT, which
# knows no run, and TensorFlow's; training knows the run, which knows no training but the state.
DIVIDED = {"backends", "training"}


def modules():
    return [path for path in sorted(PACKAGE.rglob("*.py")) if path.name != "__init__.py"]


def room_of(dotted: list[str]) -> str:
    """The room of a module, from its path below ``mim_tf``."""
    return "/".join(dotted[:2]) if dotted[0] in DIVIDED else dotted[0]


def name_of(path: Path) -> str:
    return room_of(list(path.relative_to(PACKAGE).with_suffix("").parts))


def imported(path: Path) -> set[str]:
    """The rooms that a module imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mim_tf"):
            inside = (node.module or "").split(".")[1:]
            found |= {room_of([*inside, alias.name]) for alias in node.names}
        elif isinstance(node, ast.Import):
            names = [a.name.split(".")[1:] for a in node.names if a.name.startswith("mim_tf.")]
            found |= {room_of(inside) for inside in names}
    return found


def layer(name: str) -> int:
    return next(index for index, names in enumerate(LAYERS) if name in names)


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_one_way(path):
    own = name_of(path)
    for other in imported(path):
        assert layer(other) < layer(own) or other == own, f"{own} -> {other}"


@pytest.mark.parametrize("name", ["config", "config_fields", "config_training"])
def test_config_needs_no_tensorflow(name):
    tree = ast.parse((PACKAGE / f"{name}.py").read_text())
    nodes = list(ast.walk(tree))
    roots = {a.name.split(".")[0] for n in nodes if isinstance(n, ast.Import) for a in n.names}
    roots |= {(n.module or "").split(".")[0] for n in nodes if isinstance(n, ast.ImportFrom)}
    assert not roots & {"tensorflow", "keras"}


def test_losses_know_no_network_and_networks_no_loss():
    assert imported(PACKAGE / "training" / "losses.py") == {"training/replicas"}
    for path in (PACKAGE / "models").glob("*.py"):
        assert not any(room.startswith("training") for room in imported(path))


def test_the_pixel_constant_stands_in_one_place():
    assert [p.name for p in modules() if "127.5" in p.read_text()] == ["pixels.py"]


@pytest.mark.parametrize("path", sorted(PACKAGE.glob("*.py")), ids=lambda path: path.name)
def test_commands_import_at_most_once_inside_a_function(path):
    """Parse, check, one call: what is slow to import is imported for that call alone."""
    tree = ast.parse(path.read_text())
    if not any(isinstance(node, ast.FunctionDef) and node.name == "main" for node in tree.body):
        return
    inside = [
        node
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert len(inside) <= 1
