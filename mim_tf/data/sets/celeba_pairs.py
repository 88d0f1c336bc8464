"""How captions of recoloured faces speak: of the hair's colour, and of lipstick."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from mim_tf.data.regions import Words
from mim_tf.data.wording import one_of
from mim_tf.pictures.colours import Levels, Palette

PARTS = ("hair", "lips")

HAIR: dict[str, tuple[str, Levels]] = {
    "black": ("Black_Hair", (18, 15, 15)),
    "blond": ("Blond_Hair", (232, 200, 136)),
    "brown": ("Brown_Hair", (90, 52, 30)),
    "gray": ("Gray_Hair", (186, 187, 190)),
}
"""Colour of hair -> its attribute, and sRGB levels of it."""

_LIPSTICK: dict[str, Levels] = {
    "red": (206, 6, 44), "pink": (224, 72, 124), "purple": (132, 24, 104)
}  # fmt: skip
_SPELLINGS = {"blond": ("blond", "blonde"), "gray": ("gray", "grey")}
_LIPS_SHARE = 0.35  # of the captions that speak of lips, half of them of hair as well


def palette(part: str) -> Palette:
    """Colours in which a part is dyed."""
    if part == "hair":
        return tuple((name, levels) for name, (_, levels) in HAIR.items())
    return tuple(_LIPSTICK.items())


def draw_asked(rng: np.random.Generator, present: Sequence[str]) -> tuple[str, ...]:
    """Hair, lips or both, of those that are there; hair where neither is."""
    if "lips" in present and ("hair" not in present or rng.random() < _LIPS_SHARE):
        return ("hair", "lips") if "hair" in present and rng.random() < 0.5 else ("lips",)
    return ("hair",)


def describe(rng: np.random.Generator, male: bool, colours: Mapping[str, str]) -> Words:
    """A caption that gives hair or lips their colours."""
    pick = partial(one_of, rng)
    person = pick("this", "the") + " " + pick("man" if male else "woman", "person")
    said = {part: pick(*_SPELLINGS.get(colour, (colour,))) for part, colour in colours.items()}
    phrases = []
    if "hair" in said:
        hair = f"{said['hair']} hair"
        dye = f"{pick('make', 'color', 'dye')} the hair {said['hair']}"
        change = f"change the {pick('hair', 'color of the hair')} to {said['hair']}"
        phrases.append(pick(f"{person} has {hair}", f"{person} has {hair}", hair, dye, change))
    if "lips" in said:
        colour = said["lips"]
        # Red is what lipstick is unless something else is said.
        lipstick = pick("lipstick", "red lipstick") if colour == "red" else f"{colour} lipstick"
        who = "is" if phrases and phrases[0].startswith(person) else f"{person} is"
        worn = f"{who} wearing {lipstick}"
        lips = pick(
            f"{colour} lips",
            f"{pick('make', 'paint')} the lips {colour}",
            f"change the {pick('lips', 'color of the lips')} to {colour}",
        )
        phrases.append(pick(worn, worn, worn, lipstick, lips))
    speaking = {"hair": "hair", "lipstick": "lips", "lips": "lips"}
    words: list[tuple[str, str | None]] = []
    for number, (part, phrase) in enumerate(zip(said, phrases, strict=True)):
        words += [("and", None)] if number else []
        speaking[said[part]] = part
        words += [(word, speaking.get(word)) for word in phrase.split()]
        del speaking[said[part]]
    return tuple(words)
