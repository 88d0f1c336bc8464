"""Files of our own that appear whole or not at all: text and networks' weights."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import h5py
import keras
import numpy as np

from mim_tf.errors import UserError


def replace_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    with _replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def save_weights(network: keras.Model, file: Path, rounded: bool = False) -> None:
    """Write a network's weights (``*.weights.h5``) whole or not at all.

    Args:
        network, file: what to write, and where.
        rounded: to values that half precision has too, so that an export in float16 loses less.
    """
    with _replacing(file) as temporary:
        network.save_weights(temporary)
        if rounded:
            with h5py.File(temporary, "r+") as weights:
                weights.visititems(_round)


def _round(_: str, entry: h5py.Group | h5py.Dataset) -> None:
    if isinstance(entry, h5py.Dataset) and entry.dtype == np.float32:
        with np.errstate(over="ignore"):
            half = entry[()].astype(np.float16)
        if np.isfinite(half).all():
            entry[()] = half


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A file to write beside ``path``: it takes its place, or is gone where writing fails."""
    temporary = path.with_name(f".partial.{path.name}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def load_weights(network: keras.Model, file: Path) -> None:
    """Read what :func:`save_weights` wrote.

    Raises:
        UserError: the file is broken, or was made for another configuration or vocabulary.
    """
    try:
        network.load_weights(file)
    except (ValueError, OSError, KeyError) as error:
        raise UserError(
            f"{file} does not fit the configuration and the vocabulary beside it: "
            f"{' '.join(str(error).split())[:200]}; restore the files that were made together"
        ) from None
