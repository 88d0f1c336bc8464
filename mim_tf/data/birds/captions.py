"""Captions for procedural birds: a small grammar, its parser and random draws.

A caption names one to four parts of the bird with their colours, "a small bird with blue wings and
a white belly". The same sentence serves as the description of a picture or as the request for an
edit.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mim_tf.data.wording import with_article

COLOUR_WORDS: dict[str, tuple[str, ...]] = {
    "red": ("red", "crimson", "scarlet"),
    "yellow": ("yellow", "golden", "lemon"),
    "green": ("green", "emerald", "viridian"),
    "blue": ("blue", "azure", "cobalt"),
    "purple": ("purple", "violet", "plum"),
    "pink": ("pink", "rosy", "rose"),
    "black": ("black", "ebony", "sable"),
    "white": ("white", "snowy", "ivory"),
}

PART_WORDS: dict[str, tuple[str, ...]] = {
    "wings": ("wings", "wing feathers"),
    "belly": ("belly", "breast", "underside"),
    "crown": ("crown", "cap", "top of the head"),
    "tail": ("tail", "tail feathers"),
}

MAX_WORDS = 24

_MOST_PARTS = 4  # in one caption

_NAME_SHARE = 0.7  # probability that a colour or a part is called by its name, not a synonym
_ADJECTIVES = ("small", "little", "tiny", "pretty", "lovely", "plump", "lively", "young", "wild")
_PLURAL = frozenset({"wings", "wing feathers", "tail feathers"})
# "a red top of the head" is not English: this phrase is used only as the subject of a statement,
# with "the" in front of it ("the top of the head is red").
_ONLY_IN_STATEMENTS = frozenset({"top of the head"})
_VERBS = ("make", "make", "paint", "turn", "colour", "color")


@dataclass(frozen=True)
class Words:
    """What colours and parts may be called.

    Attributes:
        colours, parts: name -> its words, the name itself first. No word may stand for two.
        casual: part -> what people type of it besides, though no part is exactly that; said in
            terse captions alone.
    """

    colours: Mapping[str, Sequence[str]]
    parts: Mapping[str, Sequence[str]]
    casual: Mapping[str, Sequence[str]]

    @functools.cached_property
    def meanings(self) -> dict[str, tuple[str, str]]:
        """Phrase -> whether it names a colour or a part, and the name of that colour or part."""
        kinds = (("colour", self.colours), ("part", self.parts), ("part", self.casual))
        return {
            phrase: (kind, name)
            for kind, words in kinds
            for name, phrases in words.items()
            for phrase in phrases
        }

    @functools.cached_property
    def pattern(self) -> re.Pattern[str]:
        """Finds any phrase, longest first, so that "tail feathers" matches as a whole."""
        phrases = sorted(map(re.escape, self.meanings), key=len, reverse=True)
        return re.compile(r"\b(" + "|".join(phrases) + r")\b")


DRAWN = Words(COLOUR_WORDS, PART_WORDS, {"belly": ("chest",), "crown": ("head",)})
"""Of drawn birds."""


def _synonym(rng: np.random.Generator, words: Sequence[str]) -> str:
    """The first word with probability `_NAME_SHARE`, else any of the others."""
    if len(words) == 1 or rng.random() < _NAME_SHARE:
        return words[0]
    return words[1 + int(rng.integers(len(words) - 1))]


def _pick(rng: np.random.Generator, items: Sequence[str]) -> str:
    return items[int(rng.integers(len(items)))]


def _shuffled(rng: np.random.Generator, colours: Mapping[str, str]) -> list[tuple[str, str]]:
    """(part, colour) in random order, which does not depend on the order of the mapping."""
    parts = sorted(colours)
    return [(parts[i], colours[parts[i]]) for i in rng.permutation(len(parts))]


def _join(items: Sequence[str]) -> str:
    """An enumeration: "x", "x and y", "x, y and z"."""
    if len(items) == 1:
        return items[0]
    return ", ".join(items[:-1]) + " and " + items[-1]


def _bird(rng: np.random.Generator) -> str:
    """The noun "bird", with an adjective in half of the draws."""
    return f"{_pick(rng, _ADJECTIVES)} bird" if rng.random() < 0.5 else "bird"


def _noun_phrase(rng: np.random.Generator, words: Words, part: str, colour: str) -> str:
    """A part with its colour as an adjective: "blue wings", "a white belly"."""
    nouns = tuple(noun for noun in words.parts[part] if noun not in _ONLY_IN_STATEMENTS)
    noun = _synonym(rng, nouns)
    phrase = f"{_synonym(rng, words.colours[colour])} {noun}"
    return phrase if noun in _PLURAL else with_article(phrase)


def _noun_phrases(rng: np.random.Generator, words: Words, pairs: Sequence[tuple[str, str]]) -> str:
    return _join([_noun_phrase(rng, words, part, colour) for part, colour in pairs])


def _statement(
    rng: np.random.Generator, words: Words, parts: Sequence[str], colour: str, owner: str
) -> str:
    """A clause about parts of one colour: "its wings are blue", "the tail and crown are both
    yellow"."""
    nouns = [_synonym(rng, words.parts[part]) for part in parts]
    if any(noun in _ONLY_IN_STATEMENTS for noun in nouns):
        owner = "the"
    if len(nouns) == 1:
        verb = "are" if nouns[0] in _PLURAL else "is"
    else:
        verb = _pick(rng, ("are", "are both" if len(nouns) == 2 else "are all"))
    return f"{owner} {_join(nouns)} {verb} {_synonym(rng, words.colours[colour])}"


def _statements(
    rng: np.random.Generator, words: Words, pairs: Sequence[tuple[str, str]], owner: str
) -> str:
    """In three of four draws one statement for each colour, otherwise one for each part."""
    groups: dict[str, list[str]] = {}
    if rng.random() < 0.75:
        for part, colour in pairs:
            groups.setdefault(colour, []).append(part)
        return _join(
            [_statement(rng, words, parts, colour, owner) for colour, parts in groups.items()]
        )
    return _join([_statement(rng, words, [part], colour, owner) for part, colour in pairs])


def _sentence(rng: np.random.Generator, words: Words, pairs: Sequence[tuple[str, str]]) -> str:
    template = int(rng.integers(9))
    if template == 0:
        return f"a {_bird(rng)} with {_noun_phrases(rng, words, pairs)}"
    if template == 1:
        return f"this {_bird(rng)} has {_noun_phrases(rng, words, pairs)}"
    if template == 2:
        return f"this is a {_bird(rng)} with {_noun_phrases(rng, words, pairs)}"
    if template == 3:
        return f"a {_bird(rng)} that has {_noun_phrases(rng, words, pairs)}"
    if template == 4:
        return f"{_noun_phrases(rng, words, pairs)} on a {_bird(rng)}"
    if template == 5:
        return _statements(rng, words, pairs, "the")
    if template == 6:
        return _statements(rng, words, pairs, "its")
    if template == 7:
        return f"the {_bird(rng)} shows {_noun_phrases(rng, words, pairs)}"
    if len(pairs) == 1:
        return f"a {_bird(rng)}, {_statements(rng, words, pairs, 'its')}"
    cut = int(rng.integers(1, len(pairs)))
    opening = _pick(rng, ("this {} has", "the {} has", "a {} with")).format(_bird(rng))
    joint = ", " if opening.endswith("with") else ", and "
    phrases = _noun_phrases(rng, words, pairs[:cut])
    return f"{opening} {phrases}{joint}{_statements(rng, words, pairs[cut:], 'its')}"


def caption(rng: np.random.Generator, colours: Mapping[str, str], words: Words = DRAWN) -> str:
    """A sentence that mentions exactly the given parts with their colours, in random order.

    Args:
        rng: random numbers for every choice.
        colours: part -> colour name, one to four parts.
        words: what they may be called.

    Returns:
        The sentence in lower case, of at most `MAX_WORDS` words.

    Raises:
        ValueError: ``colours`` is empty.
    """
    if not colours:
        raise ValueError("a caption needs at least one part with its colour")
    while True:
        pairs = _shuffled(rng, colours)
        sentence = _sentence(rng, words, pairs)
        if len(re.findall(r"\w+", sentence)) <= MAX_WORDS:
            return sentence


def terse(rng: np.random.Generator, colours: Mapping[str, str], words: Words = DRAWN) -> str:
    """A short request for an edit, without a whole sentence's grammar: "red wings, white belly",
    "make the crown blue", "wings red".

    Args:
        rng: random numbers for every choice.
        colours: part -> colour name, one to four parts.
        words: what they may be called.
    """
    named = [
        (
            _synonym(rng, (*words.parts[part], *words.casual.get(part, ()))),
            _synonym(rng, words.colours[colour]),
        )
        for part, colour in _shuffled(rng, colours)
    ]
    if rng.random() < 0.5:
        return f"{_pick(rng, _VERBS)} " + _join([f"the {noun} {colour}" for noun, colour in named])
    if rng.random() < 0.7:
        phrases = [f"{colour} {noun}" for noun, colour in named]
    else:
        phrases = [f"{noun} {colour}" for noun, colour in named]
    return _join(phrases) if rng.random() < 0.5 else ", ".join(phrases)


def parse(caption: str, words: Words = DRAWN) -> dict[str, str]:
    """Read a caption of the grammar back: part -> colour name.

    A colour that follows parts which have no colour yet belongs to all of them ("the wings and
    tail are blue"); any other colour belongs to the next part ("blue wings").
    """
    colours: dict[str, str] = {}
    parts_without_colour: list[str] = []
    colour: str | None = None
    for match in words.pattern.finditer(caption.lower()):
        kind, name = words.meanings[match.group(1)]
        if kind == "part":
            if colour is None:
                parts_without_colour.append(name)
            else:
                colours[name] = colour
                colour = None
        elif parts_without_colour:
            colours.update(dict.fromkeys(parts_without_colour, name))
            parts_without_colour = []
        else:
            colour = name
    return colours


def _some_parts(rng: np.random.Generator, colours: Mapping[str, str]) -> list[str]:
    """One to four different parts of those that have colours; their number is uniform."""
    parts = tuple(colours)
    count = int(rng.integers(1, min(_MOST_PARTS, len(parts)) + 1))
    return [parts[i] for i in rng.permutation(len(parts))[:count]]


def draw_caption(rng: np.random.Generator, colours: Mapping[str, str], words: Words = DRAWN) -> str:
    """A sentence that describes some parts of a bird truly.

    Args:
        rng: random numbers for every choice.
        colours: part -> colour name for all parts of the bird that can be seen.
        words: what they may be called.
    """
    return caption(rng, {part: colours[part] for part in _some_parts(rng, colours)}, words)


def draw_terse(rng: np.random.Generator, colours: Mapping[str, str], words: Words = DRAWN) -> str:
    """Like :func:`draw_caption`, in the short form of :func:`terse`."""
    return terse(rng, {part: colours[part] for part in _some_parts(rng, colours)}, words)


def draw_edit(
    rng: np.random.Generator, colours: Mapping[str, str], words: Words = DRAWN
) -> tuple[str, dict[str, str]]:
    """A caption that requests other colours for one to four parts of a bird.

    Args:
        rng: random numbers for every choice.
        colours: part -> colour name for all parts of the bird that can be seen, as it is now.
        words: what they may be called; they also say which colours there are.

    Returns:
        The caption, and the changes (part -> new colour); every new colour differs from the
        part's present one.
    """
    changes = {
        part: _pick(rng, [name for name in words.colours if name != colours[part]])
        for part in _some_parts(rng, colours)
    }
    return caption(rng, changes, words), changes
