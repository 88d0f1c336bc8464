"""Targeted edits of faces: another colour of the hair, or lipstick, as a classifier reads them.

The classifier learned CelebA's attributes from the train split (``python -m mim_tf.pretrain
--config evaluators/celeba.yaml``). Then

* `hit`: the hair colour asked for is the most probable of the four; lipstick is read as present;
* `attributes_kept`: share of the other attributes that are read as before the edit.

A face is asked for what neither its labels say nor the classifier reads in it, so that a copy hits
nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mim_tf.data.sets import celeba_pairs
from mim_tf.data.source import Source
from mim_tf.errors import UserError
from mim_tf.evaluators.folder import HAS, Evaluators

HAIR = {f"{colour} hair": attribute for colour, (attribute, _) in celeba_pairs.HAIR.items()}
LIPSTICK = "lipstick"
_COVERED = ("Bald", "Wearing_Hat")  # then there is no hair to paint
_PAINTED_WITH = {LIPSTICK: ("Wearing_Lipstick", "Heavy_Makeup")}  # the latter follows from it

WISHES = {
    **{f"this {person} has {hair}": hair for hair in HAIR for person in ("woman", "man")},
    "this woman is wearing lipstick": LIPSTICK,
}
"""Caption -> what it asks for."""


class Faces:
    """What faces can be asked for; see :class:`mim_tf.evaluation.targeted.Kind`.

    Args:
        source: faces with CelebA's attributes.
        evaluators: with a classifier of those attributes.

    Raises:
        UserError: there is no such classifier.
    """

    groups: Sequence[str] = (*HAIR, LIPSTICK)
    counted: Sequence[str] = groups
    needs = "a face must have one colour of hair, or be a woman's without lipstick"

    def __init__(self, source: Source, evaluators: Evaluators | None) -> None:
        read = () if evaluators is None else evaluators.attributes
        missing = [name for name in (*HAIR.values(), "Wearing_Lipstick") if name not in read]
        if evaluators is None or missing:
            raise UserError(
                "--targeted: edits of faces are read by a classifier of attributes; give "
                "--evaluators DIR, made by python -m mim_tf.pretrain --config "
                "evaluators/celeba.yaml --set data.root=DIR"
            )
        self.source, self.evaluators = source, evaluators
        self._place = {name: place for place, name in enumerate(read)}
        self._hair = [self._place[name] for name in HAIR.values()]

    def wishes(self, index: int, picture: np.ndarray) -> Mapping[str, str]:
        """Caption -> what it asks for, of what the face does not have."""
        has = self.source.attributes(index) or {}
        found = self.evaluators.read_attributes(picture[None])[0]
        person = "man" if has["Male"] else "woman"
        asked: list[str] = []
        own = [hair for hair, name in HAIR.items() if has[name]]
        if len(own) == 1 and not any(has[name] for name in _COVERED):
            asked = [hair for hair in HAIR if hair not in own and not self._shows(hair, found)]
        # The classifier has hardly seen lipstick on men, and would not read it there.
        if not has["Male"] and not has["Wearing_Lipstick"] and not self._shows(LIPSTICK, found):
            asked.append(LIPSTICK)
        return {
            caption: wish for caption, wish in WISHES.items()
            if wish in asked and caption.startswith(f"this {person} ")
        }  # fmt: skip

    def _shows(self, wish: str, found: np.ndarray) -> bool:
        """Whether probabilities [K] of all attributes say what a wish asks for."""
        if wish == LIPSTICK:
            return bool(found[self._place["Wearing_Lipstick"]] > HAS)
        return list(HAIR)[int(np.argmax(found[self._hair]))] == wish

    def group(self, index: int, caption: str) -> str | None:
        """What a caption asks for."""
        return WISHES.get(caption)

    def measure(
        self, index: int, caption: str, before: np.ndarray, after: np.ndarray
    ) -> dict[str, float]:
        """``hit`` and ``attributes_kept``."""
        first, second = self.evaluators.read_attributes(np.stack([before, after]))
        wish = WISHES[caption]
        meant = _PAINTED_WITH.get(wish, tuple(HAIR.values()))
        others = [place for name, place in self._place.items() if name not in meant]
        same = (first[others] > HAS) == (second[others] > HAS)
        return {"hit": float(self._shows(wish, second)), "attributes_kept": float(same.mean())}
