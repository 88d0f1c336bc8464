"""False captions that a picture is to be told from: R-precision's candidates."""

from __future__ import annotations

import numpy as np

from mim_tf.data.source import Source

CANDIDATES = 100  # of R-precision: one true caption among so many
_DRAWS = 20 * CANDIDATES  # after so many draws fewer candidates must do


def distractors(source: Source, index: int, rng: np.random.Generator, caption: str) -> list[str]:
    """The 99 false captions of R-precision, of other classes than the picture's.

    Captions written from templates repeat themselves, so a caption of another picture can be true
    of this one too (:meth:`Source.still_true`): such captions are drawn again. Where the data set
    has too few others, fewer than 99 are returned.

    Args:
        source: whose captions.
        index: the picture.
        rng: the source of every choice.
        caption: the true one, the picture's own or the one that it was edited by.
    """
    found: list[str] = []
    for _ in range(_DRAWS):
        if len(found) == CANDIDATES - 1:
            break
        others = source.captions[source.other_picture(index, rng)]
        false = others[rng.integers(len(others))]
        if false != caption and not source.still_true(index, caption, false):
            found.append(false)
    return found
