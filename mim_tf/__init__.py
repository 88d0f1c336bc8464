"""MIM-Net in TensorFlow: text-guided image manipulation with memory.

    import mim_tf
    editor = mim_tf.load("birds-64")
    edit = editor("bird.png", "a bird with red wings")
    edit.image.save("edited.png")

``__all__`` is the interface; what else the modules hold may change.
"""

from __future__ import annotations

import importlib
import itertools
import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mim_tf.editor import Edit, Editor, load
    from mim_tf.errors import UserError

__version__ = "0.2.0"
__all__ = ["Edit", "Editor", "UserError", "__version__", "load"]

# Notes about CPU flags and absent GPUs are no news to a user; set the variable to read them.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

_HOMES = {
    "Edit": "mim_tf.editor",
    "Editor": "mim_tf.editor",
    "UserError": "mim_tf.errors",
    "load": "mim_tf.editor",
}


if any(
    flag == "-m" and name.startswith(f"{__name__}.")
    for flag, name in itertools.pairwise(sys.orig_argv)
):
    # The first imports of ``python -m mim_tf.train`` come before its ``main``, which would say in
    # one line which package is missing.
    sys.excepthook = importlib.import_module("mim_tf.errors").tell_missing_package


def __getattr__(name: str) -> Any:
    """Import a name of the interface when it is first used: the package itself costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
