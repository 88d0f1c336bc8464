"""False captions that a picture is to be told from: R-precision's candidates."""

from __future__ import annotations

import numpy as np

from mim_tf.config import Config
from mim_tf.data.birds import captions as bird_captions
from mim_tf.data.birds import scenes
from mim_tf.data.sources import Source, Split, bird_seed

CANDIDATES = 100  # of R-precision: one true caption among so many
_TRIES = 20  # draws for each false candidate before fewer must do


def other_picture(source: Source, index: int, rng: np.random.Generator) -> int:
    """A random picture of another class; any other picture where there is but one class."""
    for _ in range(_TRIES):
        other = int(rng.integers(len(source)))
        if source.classes[other] != source.classes[index]:
            return other
    return (index + 1 + int(rng.integers(len(source) - 1))) % len(source)


def distractors(
    config: Config,
    source: Source,
    split: Split,
    index: int,
    rng: np.random.Generator,
    caption: str,
) -> list[str]:
    """The 99 false captions of R-precision, of other classes than the picture's; fewer where the
    data set has no more.

    Captions written from templates repeat themselves, and every procedural bird is a class of its
    own, of which a caption of another may be true: those that fit are drawn again.

    Args:
        config: names the source.
        source: whose captions.
        split: which of its splits.
        index: the picture.
        rng: the source of every choice.
        caption: the true one, the picture's own or the one that it was edited by.
    """
    found: list[str] = []
    colours: dict[str, str] = {}
    if config.data.source == "birds":
        colours = scenes.scene_colours(bird_seed(config, split), index)
        colours |= bird_captions.parse(caption)
    for _ in range(_TRIES * CANDIDATES):
        if len(found) == CANDIDATES - 1:
            break
        other = other_picture(source, index, rng)
        false = source.captions[other][rng.integers(len(source.captions[other]))]
        asked = bird_captions.parse(false) if colours else {}
        fits = bool(asked) and all(colours.get(part) == one for part, one in asked.items())
        if not fits and false != caption:
            found.append(false)
    return found
