"""False captions that a picture is to be told from: R-precision's candidates."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping

import numpy as np

from mim_tf.data.source import Source

CANDIDATES = 100  # of R-precision: one true caption among so many
_DRAWS = 20 * CANDIDATES  # after so many draws fewer candidates must do


def classes_of_captions(source: Source) -> Mapping[str, Collection[str]]:
    """Caption -> the classes of the pictures that have it; empty where each picture is a class of
    its own."""
    found: dict[str, set[str]] = defaultdict(set)
    if len(set(source.classes)) < len(source):
        for captions, name in zip(source.captions, source.classes, strict=True):
            for caption in captions:
                found[caption].add(name)
    return found


def distractors(
    source: Source,
    index: int,
    rng: np.random.Generator,
    caption: str,
    classes: Collection[str] = (),
) -> list[str]:
    """The 99 false captions of R-precision, of other classes than the picture's and than
    ``classes``.

    Captions written from templates repeat themselves, so a caption of another picture can be true
    of this one too (:meth:`Source.still_true`): such captions are drawn again. The same false
    caption may come more than once. Where the data set has too few others, fewer than 99 are
    returned.

    Args:
        source: whose captions.
        index: the picture.
        rng: the source of every choice.
        caption: the true one, the picture's own or the one that it was edited by.
        classes: those that the true one is of.
    """
    found: list[str] = []
    for _ in range(_DRAWS):
        if len(found) == CANDIDATES - 1:
            break
        other = source.other_picture(index, rng)
        false = source.captions[other][rng.integers(len(source.captions[other]))]
        if source.classes[other] in classes:
            continue
        if false != caption and not source.still_true(index, caption, false):
            found.append(false)
    return found
