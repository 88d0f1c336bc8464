"""Where things are: what ships with the project, and the files of a run's folder."""

from __future__ import annotations

import os
from importlib import resources
from pathlib import Path

from mim_tf.errors import UserError

CONFIG = "config.yaml"
VOCABULARY = "vocabulary.json"
PICTURES = "train.txt"
LOG = "log.jsonl"
WEIGHTS = "generator.weights.h5"
LITERT = "litert"
"""Folder of the LiteRT files that ``export.tflite`` writes, inside a run's or preset's folder."""
ABOUT = "about.json"
"""What a page tells of a model: ``title``, what its pictures show, and ``captions`` it can do."""

DEFAULT_PRESET = "birds-64"


def _shipped(name: str) -> Path:
    """A folder that lies inside an installed package, and beside the package in a checkout."""
    package = Path(str(resources.files("mim_tf")))
    installed = package / name
    return installed if installed.is_dir() else package.parent / name


CONFIGS = _shipped("configs")
PRESETS = _shipped("presets")


def preset_names() -> list[str]:
    """The names of the presets that ship with the project."""
    return sorted(path.parent.name for path in PRESETS.glob(f"*/{CONFIG}"))


def find_model(model: str | os.PathLike[str]) -> Path:
    """The folder of a preset or a run.

    Args:
        model: the name of a preset, or a folder. A string that is both means the preset;
            ``"./birds-64"`` or a ``Path`` means the folder.

    Raises:
        UserError: there is neither; the message lists the presets.
    """
    if not isinstance(model, str | os.PathLike):
        raise UserError(
            f"a model is the name of a preset or a folder, not a {type(model).__name__}; "
            "there are the presets " + ", ".join(preset_names())
        )
    # Only a bare name is looked up: "./birds-64" would be found below PRESETS, too.
    bare = isinstance(model, str) and Path(model).name == model
    if bare and (PRESETS / model / CONFIG).is_file():
        return PRESETS / model
    folder = Path(model)
    if folder.is_dir():
        return folder
    if isinstance(model, str):
        raise UserError(
            f"no preset {model}, and no folder of that name; there are the presets "
            + ", ".join(preset_names())
        )
    raise UserError(f"{folder} is no run directory: there is no such folder")
