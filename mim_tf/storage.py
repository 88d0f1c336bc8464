"""Files of our own that appear whole or not at all: text and networks' weights."""

from __future__ import annotations

from pathlib import Path

import keras

from mim_tf.errors import UserError


def replace_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    temporary = path.with_name(f".partial.{path.name}")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def save_weights(network: keras.Model, file: Path) -> None:
    """Write a network's weights (``*.weights.h5``) whole or not at all."""
    temporary = file.with_name(f".partial.{file.name}")
    network.save_weights(temporary)
    temporary.replace(file)


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
