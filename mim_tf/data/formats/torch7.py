"""Reads Torch7's binary files (``.t7``), the format of Reed et al.'s captions (2016).

Tables, strings, numbers, booleans and tensors are read; functions are refused.
"""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import Any

import numpy as np

from mim_tf.errors import UserError
from mim_tf.storage import read_plain

_NIL, _NUMBER, _STRING, _TABLE, _TORCH, _BOOLEAN = range(6)
_MAX_DEPTH = 32

_TYPES = {
    "Byte": "<u1", "Char": "<i1", "Short": "<i2", "Int": "<i4", "Long": "<i8",
    "Float": "<f4", "Double": "<f8",
}  # fmt: skip


_MOST_BYTES = 1_000_000_000


def load(path: Path) -> Any:
    """Read the value in a file: a dict, str (Latin-1), float, bool, None or NumPy array.

    Raises:
        UserError: the file is unreadable or truncated, or holds a function or an unknown type.
    """
    try:
        return _Reader(read_plain(path, _MOST_BYTES)).value()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except (struct.error, ValueError, TypeError, IndexError, OverflowError) as error:
        raise UserError(f"{path}: not a Torch file, or a broken one ({error})") from error


class _Reader:
    """Reads values one after the other.

    Attributes:
        data: the whole file.
        place: offset of the next byte.
        known: tables and tensors by the index that the file gives them; where a file refers to the
            same object again, it repeats only the index.
    """

    def __init__(self, data: bytes) -> None:
        self.data, self.place = data, 0
        self.known: dict[int, Any] = {}

    def take(self, form: str) -> Any:
        """The next number, in a format of :mod:`struct`."""
        (value,) = struct.unpack_from("<" + form, self.data, self.place)
        self.place += struct.calcsize("<" + form)
        return value

    def bytes(self, count: int) -> bytes:
        """The next ``count`` bytes."""
        if count < 0 or self.place + count > len(self.data):
            raise ValueError("it ends too early")
        self.place += count
        return self.data[self.place - count : self.place]

    def string(self) -> str:
        """The next string: its length, then its characters."""
        return self.bytes(self.take("i")).decode("latin-1")

    def value(self, depth: int = 0) -> Any:
        """The next value of any type; ``depth`` is that of the tables around it."""
        if depth > _MAX_DEPTH:
            raise ValueError("nested too deeply")
        kind = self.take("i")
        if kind == _NIL:
            return None
        if kind == _NUMBER:
            return self.take("d")
        if kind == _STRING:
            return self.string()
        if kind == _BOOLEAN:
            return self.take("i") == 1
        if kind not in (_TABLE, _TORCH):
            raise ValueError(f"value of type {kind}, which may hold code")
        index = self.take("i")
        if index not in self.known:
            self.known[index] = None  # read where a table refers to itself
            self.known[index] = self.table(depth) if kind == _TABLE else self.torch(depth)
        return self.known[index]

    def table(self, depth: int) -> dict[Any, Any]:
        """The next table: its number of entries, then keys and values in turn."""
        return {self.value(depth + 1): self.value(depth + 1) for _ in range(max(0, self.take("i")))}

    def torch(self, depth: int) -> np.ndarray:
        """The next Torch object: a tensor, or a storage of the numbers that tensors share."""
        name = self.string()
        if name.startswith("V "):  # the format's version, which later files have in front
            name = self.string()
        element, _, form = name.removeprefix("torch.").rpartition("T")
        if name.endswith("Storage"):
            dtype = np.dtype(_TYPES.get(name.removeprefix("torch.").removesuffix("Storage"), "V0"))
            if not dtype.itemsize:
                raise ValueError(f"value of type {name}")
            return np.frombuffer(self.bytes(self.take("q") * dtype.itemsize), dtype)
        if form != "ensor" or element not in _TYPES:
            raise ValueError(f"value of type {name}")
        dimensions = self.take("i")
        if not 0 <= dimensions <= 8:
            raise ValueError(f"a tensor of {dimensions} dimensions")
        sizes = [self.take("q") for _ in range(dimensions)]
        strides = [self.take("q") for _ in range(dimensions)]
        first = self.take("q") - 1
        storage = self.value(depth + 1)
        if storage is None or not dimensions:
            return np.empty(0, _TYPES[element])
        if not isinstance(storage, np.ndarray):
            raise ValueError(f"a tensor whose storage is a {type(storage).__name__}")
        last = first + sum((n - 1) * s for n, s in zip(sizes, strides, strict=True))
        # A stride of 0 repeats values. The product of the sizes is limited as well, so that a small
        # file cannot ask for an array of any size.
        needed = max(math.prod(sizes), last + 1)
        if min(sizes) < 1 or min(strides) < 0 or first < 0 or needed > len(storage):
            raise ValueError("a tensor larger than its storage")
        step = storage.itemsize
        return np.lib.stride_tricks.as_strided(
            storage[first:], sizes, [stride * step for stride in strides], writeable=False
        ).copy()
