"""Weights of networks in files (``*.weights.h5``)."""

from __future__ import annotations

from pathlib import Path

import h5py
import keras
import numpy as np

from mim_tf.errors import UserError
from mim_tf.storage import check_room, replacing_file


def save_weights(network: keras.Model, file: Path, rounded: bool = False) -> None:
    """Write a network's weights (``*.weights.h5``) whole or not at all.

    Args:
        network, file: what to write, and where.
        rounded: to values that half precision has too, so that an export in float16 loses less.

    Raises:
        UserError: there is no room for them.
    """
    # HDF5 crashes the process where the disk is full.
    size = sum(int(np.prod(weight.shape)) * 4 for weight in network.weights)
    check_room(file, 2 * size, "run the command again, training with --resume")
    with replacing_file(file) as temporary:
        network.save_weights(temporary)
        if rounded:
            with h5py.File(temporary, "r+") as weights:
                weights.visititems(_round)


def _round(_: str, entry: h5py.Group | h5py.Dataset) -> None:
    """Round one array of the file to half precision, unless a value is too large for it."""
    if isinstance(entry, h5py.Dataset) and entry.dtype == np.float32:
        with np.errstate(over="ignore"):
            half = entry[()].astype(np.float16)
        if np.isfinite(half).all():
            entry[()] = half


def load_weights(network: keras.Model, file: Path) -> None:
    """Read what :func:`save_weights` wrote.

    Raises:
        UserError: the file is broken, was made for another configuration or vocabulary, or holds
            a value that is not finite.
    """
    try:
        network.load_weights(file)
    except (ValueError, OSError, KeyError) as error:
        raise UserError(
            f"{file} does not fit the configuration and the vocabulary beside it: "
            f"{' '.join(str(error).split())[:200]}; restore the files that were made together"
        ) from None
    for weight in network.weights:
        if not np.isfinite(keras.ops.convert_to_numpy(weight)).all():
            raise UserError(
                f"{file}: {weight.path} holds values that are not finite; restore it from a copy, "
                "or train again"
            )
