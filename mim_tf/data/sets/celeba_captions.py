"""Captions of CelebA's faces, written from their attributes by templates of our own.

Where a user has no captions of Text2FaceGAN's, these say the same things: every attribute that is
set and can be seen is named once. A face's wording is drawn from its number, so it never changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np

from mim_tf.data.wording import listed, one_of

ATTRIBUTES = (
    "5_o_Clock_Shadow", "Arched_Eyebrows", "Attractive", "Bags_Under_Eyes", "Bald", "Bangs",
    "Big_Lips", "Big_Nose", "Black_Hair", "Blond_Hair", "Blurry", "Brown_Hair", "Bushy_Eyebrows",
    "Chubby", "Double_Chin", "Eyeglasses", "Goatee", "Gray_Hair", "Heavy_Makeup",
    "High_Cheekbones", "Male", "Mouth_Slightly_Open", "Mustache", "Narrow_Eyes", "No_Beard",
    "Oval_Face", "Pale_Skin", "Pointy_Nose", "Receding_Hairline", "Rosy_Cheeks", "Sideburns",
    "Smiling", "Straight_Hair", "Wavy_Hair", "Wearing_Earrings", "Wearing_Hat",
    "Wearing_Lipstick", "Wearing_Necklace", "Wearing_Necktie", "Young",
)  # fmt: skip
"""In the order of ``list_attr_celeba.txt``."""

_HAIR = (
    ("Straight_Hair", "straight"), ("Wavy_Hair", "wavy"), ("Black_Hair", "black"),
    ("Blond_Hair", "blond"), ("Brown_Hair", "brown"), ("Gray_Hair", "gray"),
)  # fmt: skip
_FEATURES = (
    ("Bangs", "bangs"), ("Receding_Hairline", "a receding hairline"), ("Oval_Face", "an oval face"),
    ("Chubby", "a chubby face"), ("Double_Chin", "a double chin"),
    ("High_Cheekbones", "high cheekbones"), ("Rosy_Cheeks", "rosy cheeks"),
    ("Pale_Skin", "pale skin"), ("Arched_Eyebrows", "arched eyebrows"),
    ("Bushy_Eyebrows", "bushy eyebrows"), ("Narrow_Eyes", "narrow eyes"),
    ("Bags_Under_Eyes", "bags under the eyes"), ("Big_Nose", "a big nose"),
    ("Pointy_Nose", "a pointy nose"), ("Big_Lips", "big lips"),
    ("Mouth_Slightly_Open", "a slightly open mouth"), ("5_o_Clock_Shadow", "a five o'clock shadow"),
    ("Goatee", "a goatee"), ("Mustache", "a mustache"), ("Sideburns", "sideburns"),
)  # fmt: skip
_WORN = (
    ("Eyeglasses", "eyeglasses"), ("Wearing_Hat", "a hat"), ("Wearing_Earrings", "earrings"),
    ("Wearing_Necklace", "a necklace"), ("Wearing_Necktie", "a necktie"),
    ("Wearing_Lipstick", "lipstick"), ("Heavy_Makeup", "heavy makeup"),
)  # fmt: skip


def face_caption(number: int, attributes: Mapping[str, bool]) -> str:
    """The caption of face ``number``: two to four short sentences in one string.

    Args:
        number: of the picture; it draws the wording.
        attributes: CelebA's 40, by name.
    """
    rng = np.random.default_rng([7, number])
    pick = partial(one_of, rng)

    def named(table: tuple[tuple[str, str], ...]) -> list[str]:
        return [words for name, words in table if attributes[name]]

    male = attributes["Male"]
    person = pick("man", "male", "gentleman") if male else pick("woman", "female", "lady")
    pronoun = "he" if male else "she"
    looks = [
        word for word, name in (("young", "Young"), ("attractive", "Attractive"))
        if attributes[name]
    ]  # fmt: skip
    first = " ".join([pick("the", "this"), *looks, person])
    smiles = attributes["Smiling"]
    if attributes["Bald"]:
        sentences = [f"{first} is bald" + (" and smiling" if smiles else "")]
    elif hair := named(_HAIR):
        sentences = [f"{first} has {' '.join(hair)} hair" + (" and is smiling" if smiles else "")]
    else:
        sentences = [
            f"{first} " + ("is smiling" if smiles else pick("does not smile", "is serious"))
        ]
    if features := named(_FEATURES):
        sentences.append(f"{pronoun} has {listed(features)}")
    if male and not attributes["No_Beard"] and not attributes["Goatee"]:
        sentences.append(f"{pronoun} {pick('has', 'wears')} a beard")
    if worn := named(_WORN):
        sentences.append(f"{pronoun} {pick('wears', 'is wearing')} {listed(worn)}")
    return ". ".join(sentences) + "."
