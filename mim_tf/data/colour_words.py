"""Words that captions of our own use for colours."""

from __future__ import annotations

import numpy as np

SYNONYMS = {
    "black": ("black", "black", "ebony"),
    "white": ("white", "white", "snowy"),
    "grey": ("grey", "grey", "gray"),
    "brown": ("brown", "brown", "chestnut"),
    "red": ("red", "red", "crimson", "scarlet"),
    "yellow": ("yellow", "yellow", "golden"),
    "blue": ("blue", "blue", "azure"),
    "green": ("green", "green", "emerald"),
    "purple": ("purple", "purple", "violet"),
    "pink": ("pink", "pink", "rosy"),
    "orange": ("orange",),
    "navy blue": ("navy blue", "navy"),
}
"""Name of a colour (:mod:`mim_tf.pictures.colours`) -> words for it, those that are met more often
more than once."""


def word_for(rng: np.random.Generator, colour: str) -> str:
    """A word, or two, for a colour."""
    words = SYNONYMS[colour]
    return words[int(rng.integers(len(words)))]


def article(word: str) -> str:
    """The indefinite one."""
    return "an" if word[0] in "aeiou" else "a"
