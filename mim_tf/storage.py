"""Files of our own that appear whole or not at all: text and networks' weights."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import keras

from mim_tf.errors import UserError


def replace_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    with _replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def save_weights(network: keras.Model, file: Path) -> None:
    """Write a network's weights (``*.weights.h5``) whole or not at all."""
    with _replacing(file) as temporary:
        network.save_weights(temporary)


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
