"""Weights of networks in files (``*.weights.h5``)."""

from __future__ import annotations

import io
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
        rounded: to values that half precision has too, so that an export in float16 loses less,
            and compressed.

    Raises:
        UserError: there is no room for them.
    """
    size = sum(int(np.prod(weight.shape)) * 4 for weight in network.weights)
    check_room(file, 2 * size, "run the command again, training with --resume")
    # HDF5 crashes the process where the disk becomes full while it writes.
    content: io.BytesIO = _Memory()
    network.save_weights(content)
    if rounded:
        whole, content = content, io.BytesIO()
        with h5py.File(whole, "r") as weights, h5py.File(content, "w") as smaller:
            _copy_rounded(weights, smaller)
    with replacing_file(file) as temporary:
        temporary.write_bytes(content.getbuffer())


class _Memory(io.BytesIO):
    """A file in memory; Keras writes to those whose name it knows."""

    def __str__(self) -> str:
        return "memory.weights.h5"


def _copy_rounded(source: h5py.Group, target: h5py.Group) -> None:
    """Copy a file of arrays rounded to half precision, unless a value is too large for it.

    The bits that rounding leaves at zero are compressed: the file is half as large.
    """
    target.attrs.update(source.attrs)
    for name, entry in source.items():
        if isinstance(entry, h5py.Group):
            _copy_rounded(entry, target.create_group(name))
            continue
        array = entry[()]
        if array.dtype == np.float32:
            with np.errstate(over="ignore"):
                half = array.astype(np.float16)
            array = half.astype(np.float32) if np.isfinite(half).all() else array
        options = {"compression": "gzip", "shuffle": True} if array.ndim else {}
        target.create_dataset(name, data=array, **options).attrs.update(entry.attrs)


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
