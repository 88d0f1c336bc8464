"""Reads state dictionaries of PyTorch, with torch's own reader that runs no code of the file."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np

from mim_tf.errors import UserError


def read_state(path: Path) -> dict[str, np.ndarray]:
    """Name -> array of a ``.pth`` file.

    Raises:
        UserError: torch is not installed, or the file is none of PyTorch's.
    """
    try:
        import torch
    except ImportError:
        raise UserError(
            f"reading {path} needs torch: pip install -r requirements-import.txt"
        ) from None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        return {name: value.numpy() for name, value in state.items()}
    except (OSError, RuntimeError, pickle.UnpicklingError, AttributeError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{path}: no state dictionary of PyTorch ({reason})") from None
