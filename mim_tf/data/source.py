"""A source: pictures with captions, whatever data set they come from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mim_tf.data.formats.photographs import Box

Split = Literal["train", "test"]


@dataclass(frozen=True)
class Source:
    """Pictures with their captions.

    Attributes:
        name: what the user calls it.
        ids: for each picture, its name within the data set.
        captions: for each picture, its captions.
        classes: for each picture, its class; every picture its own where there are none.
        picture: index and size -> uint8 [size, size, 3]; the caller may ask for a margin. Several
            threads may call it at once, and it can be sent to other processes.
        boxes: for each picture, the box that `picture` crops to; none at all where nothing is
            cropped to boxes.
    """

    name: str
    ids: tuple[str, ...]
    captions: tuple[tuple[str, ...], ...]
    classes: tuple[str, ...]
    picture: Callable[[int, int], np.ndarray]
    boxes: tuple[Box | None, ...] = ()

    def __len__(self) -> int:
        return len(self.captions)
