"""Targeted edits of birds in photographs: one marked part, one colour that it does not have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mim_tf.data.source import Marks, Source
from mim_tf.data.wording import with_article
from mim_tf.evaluation.points import ASKED_PARTS, hit, kept, may_ask, outside, radius_of
from mim_tf.pictures.colours import COLOURS


def _caption(part: str, colour: str) -> str:
    if part == "wings":
        return f"this bird has {colour} wings"
    return f"this bird has {with_article(f'{colour} {part}')}"


WISHES = {_caption(part, colour): (part, colour) for part in ASKED_PARTS for colour in COLOURS}
"""Caption -> part and colour."""


class Birds:
    """What birds with marked points can be asked for; see :class:`mim_tf.evaluation.targeted.Kind`.

    Args:
        source: photographs with marks.
        size: side of the pictures, in pixels.
    """

    groups: Sequence[str] = ASKED_PARTS
    counted: Sequence[str] = ("crown", "belly", "wings", "tail")
    needs = "a picture must have a box and a visible point of a part"

    def __init__(self, source: Source, size: int) -> None:
        self.source, self.size = source, size

    def wishes(self, index: int, picture: np.ndarray) -> Mapping[str, str]:
        """Caption -> part, for every colour that a visible part does not have."""
        marks = self.source.marks(index, self.size)
        if marks is None:
            return {}
        radius = radius_of(marks.box)
        return {
            caption: part
            for caption, (part, colour) in WISHES.items()
            if may_ask(picture, marks.points.get(part, ()), colour, radius)
        }

    def group(self, index: int, caption: str) -> str | None:
        """The part that a caption asks for."""
        return WISHES[caption][0] if caption in WISHES else None

    def measure(
        self, index: int, caption: str, before: np.ndarray, after: np.ndarray
    ) -> dict[str, float]:
        """``hit``, ``kept`` and ``outside`` of :mod:`mim_tf.evaluation.points`."""
        marks = self.source.marks(index, self.size)
        assert isinstance(marks, Marks)  # or nothing would have been asked
        part, colour = WISHES[caption]
        radius = radius_of(marks.box)
        return {
            "hit": float(hit(after, marks.points.get(part, ()), colour, radius)),
            "kept": kept(before, after, marks.points, part, radius),
            "outside": outside(before, after, marks.box),
        }
