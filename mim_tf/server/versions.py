"""Finds the versions of an exported model, and follows its folder while the server runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mim_tf.errors import UserError
from mim_tf.server.model import Model

_VERSION = re.compile(r"0|[1-9][0-9]*")


def load_newest(base: Path, name: str | None = None) -> Model:
    """Load the highest version in the folder of an exported model.

    Args:
        base: the folder of all versions, whose names are whole numbers.
        name: of the model; by default the folder's own.

    Raises:
        UserError: there is no version, or it is not a SavedModel with signatures.
    """
    return Model(_newest(base), name)


class Follower:
    """Loads a model's newest version when it is another than the one that is served.

    Args:
        base: the folder of all versions.
        name: of the model; by default the folder's own.
    """

    def __init__(self, base: Path, name: str | None = None) -> None:
        self._base, self._name = base, name
        self._refused: Any = None  # the state of the folder that could not be loaded

    def another(self, served: Model) -> Model | None:
        """The newest version, loaded; None where it is the served one.

        Raises:
            UserError: it cannot be loaded. It is tried again when a file in it has changed, as
                while somebody copies it; until then None is returned.
        """
        state = None
        try:
            path = _newest(self._base)
            if path.name == served.version:
                return None
            state = _state(path)
            return None if state == self._refused else Model(path, self._name)
        except (UserError, OSError) as error:
            state = state or str(error)
            if state == self._refused:
                return None
            self._refused = state
            raise UserError(f"{error}; version {served.version} is still served") from None


def _newest(base: Path) -> Path:
    """The folder of the highest version."""
    if (base / "saved_model.pb").is_file():
        raise UserError(f"--model {base} is one version; name the folder of all: {base.parent}")
    if not base.exists():
        raise UserError(f"--model {base}: there is no such folder")
    versions = (
        [path for path in base.iterdir() if _VERSION.fullmatch(path.name) and path.is_dir()]
        if base.is_dir()
        else []
    )
    if not versions:
        raise UserError(
            f"--model {base} holds no version; write one with "
            "mim export saved-model --run RUN (or --preset NAME) --output DIR"
        )
    return max(versions, key=lambda path: int(path.name))


def _state(path: Path) -> Any:
    """Names, sizes and times of all files below a folder."""
    files = sorted(file for file in path.rglob("*") if file.is_file())
    return [(file, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
