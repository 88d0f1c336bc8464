"""How captions of recoloured birds, drawn or photographed, speak: which parts, in which words.

Wordings are drawn from one generator, so the same generator gives the same caption.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from mim_tf.data.on_pairs import RecolouredSource
from mim_tf.data.regions import Words
from mim_tf.data.wording import article, one_of, word_for

PARTS = (
    "crown", "throat", "breast", "belly", "back", "wings", "tail", "nape", "forehead", "bill",
    "legs",
)  # fmt: skip
"""The parts that CUB marks; bill and legs are told apart, and never dyed or asked for."""

GROUPS = {
    "head": ("crown", "forehead", "nape", "throat"),
    "bird": ("crown", "throat", "breast", "belly", "back", "wings", "tail", "nape", "forehead"),
}
ASKED = PARTS[:-2]
_GROUP_SHARE = 0.12  # share of the captions that speak of a group, and of nothing else
_MOST_ASKED = 3

_PLURAL = {"wings"}


class RecolouredBirds(RecolouredSource):
    """A split of birds that may be recoloured, which captions speak of as this module says."""

    def draw_asked(
        self, rng: np.random.Generator, index: int, present: Sequence[str]
    ) -> tuple[str, ...]:
        """See :func:`draw_asked`."""
        return draw_asked(rng, present)

    def describe_parts(
        self, rng: np.random.Generator, index: int, colours: Mapping[str, str]
    ) -> Words:
        """See :func:`describe_parts`."""
        return describe_parts(rng, colours)


def draw_asked(rng: np.random.Generator, present: Sequence[str]) -> tuple[str, ...]:
    """Parts, or one group, that a caption of the picture speaks of."""
    if rng.random() < _GROUP_SHARE:
        return ("head" if rng.random() < 0.4 else "bird",)
    askable = [part for part in ASKED if part in present]
    # A part without a region can still be spoken of: then nothing is to change.
    askable = askable or list(ASKED[:1])
    count = min(len(askable), 1 + int(rng.choice(_MOST_ASKED, p=[0.5, 0.3, 0.2])))
    return tuple(askable[int(k)] for k in rng.permutation(len(askable))[:count])


def describe_parts(rng: np.random.Generator, colours: Mapping[str, str]) -> Words:
    """A caption that gives parts their colours, at most 24 words."""
    pick = partial(one_of, rng)
    spoken = {name: word_for(rng, colour) for name, colour in colours.items()}
    if set(spoken) == {"bird"}:
        return _plain(pick("a {}", "this is a {}", "make it a {}").split(), spoken)
    form = pick("with", "with", "has", "is", "terse", "make", "paint", "change")
    if form == "make":
        return _joined(_make(pick("make", "color", "turn"), spoken))
    if form == "paint":
        return _joined([
            [(pick("paint", "colour"), None), ("the", None), (name, name), (colour, name)]
            for name, colour in spoken.items()
        ])  # fmt: skip
    if form == "change":
        long = len(spoken) < _MOST_ASKED and rng.random() < 0.5
        color = (("color", None), ("of", None), ("the", None)) if long else ()
        return _joined([
            [("change", None), ("the", None), *color, (name, name), ("to", None), (colour, name)]
            for name, colour in spoken.items()
        ])  # fmt: skip
    if form == "is":
        return _joined([
            [("the", None), (name, name), (_is(name), None), (colour, name)]
            for name, colour in spoken.items()
        ])  # fmt: skip
    phrases = [
        [*([] if name in _PLURAL or (form == "terse" and rng.random() < 0.5)
           else [(article(colour), None)]), (colour, name), (name, name)]
        for name, colour in spoken.items()
    ]  # fmt: skip
    opening = {
        "with": [pick("a", "this"), "bird", "with"],
        "has": [pick("this", "the"), "bird", "has"],
        "terse": [],
    }[form]
    return (*((word, None) for word in opening), *_joined(phrases))


def _make(verb: str, spoken: Mapping[str, str]) -> list[list[tuple[str, str | None]]]:
    return [
        [(verb, None), ("the", None), (name, name), (colour, name)]
        for name, colour in spoken.items()
    ]


def _plain(form: list[str], spoken: Mapping[str, str]) -> Words:
    words: list[tuple[str, str | None]] = []
    for word in form:
        if word == "{}":
            words += [(spoken["bird"], "bird"), ("bird", "bird")]
        else:
            words.append((article(spoken["bird"]) if word == "a" else word, None))
    return tuple(words)


def _is(name: str) -> str:
    return "are" if name in _PLURAL else "is"


def _joined(phrases: list[list[tuple[str, str | None]]]) -> Words:
    """Phrases in a row, with an "and" before the last."""
    words: list[tuple[str, str | None]] = []
    for number, phrase in enumerate(phrases):
        if number and number == len(phrases) - 1:
            words.append(("and", None))
        words += phrase
    return tuple(words)
