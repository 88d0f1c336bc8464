"""Head and body of a photographic bird: crown, throat, breast, belly and back on one silhouette."""

from __future__ import annotations

import numpy as np

from mim_tf.data.birds.drawing import Array, Dice, Tone, spline
from mim_tf.data.birds.outlines import BACK, BELLY, BREAST, CROWN, STATIC, THROAT, Bird, Oval
from mim_tf.data.birds.shapes import STEPS, Anatomy

# What the rest of the trunk (nape, flank) and the cheek look like: plumage of their own, or as a
# part beside them, so that whole birds may be of one colour.
_TRUNKS = (STATIC, BACK, BACK, BELLY)
_CHEEKS = (STATIC, THROAT, CROWN, CROWN)


def add_areas(
    dice: Dice, bird: Bird, body: Oval, skull: Oval, silhouette: Array, plumage: Tone
) -> None:
    """Add head and body with five parts; see `add_trunk` of :func:`shapes.draw_bird`."""
    # Control points of the silhouette: 1 to 3 over the head, 4 nape, 7 rump, 8 vent, 13 the fold
    # between body and head, 14 chin, 15 below the bill.

    def along(first: float, last: float, *inner: Array) -> Array:
        """An area along the silhouette from one control point to another, closed inside."""
        outer = silhouette[round(first * STEPS) : round(last * STEPS) + 1]
        return np.concatenate([outer, spline([outer[-1], *inner, outer[0]], closed=False)])

    def tone(kind: int) -> Tone | float:
        return plumage if kind == STATIC else 0.95

    trunk, cheek = dice.pick(_TRUNKS), dice.pick(_CHEEKS)
    speckle = dice.between(0.1, 0.7)
    bird.trunk = len(bird.layers)
    bird.add(silhouette, trunk, tone(trunk), speckle=speckle, shadowed=1.0)
    across = dice.between(-0.15, 0.2)  # how far down the back reaches
    back = along(4, 7, body.at(-0.75, across), body.at(-0.1, across - 0.15), body.at(0.5, -0.4))
    bird.add(back, BACK, 0.95, speckle=speckle, shadowed=1.0)
    fold = dice.between(10.9, 11.6)  # where the breast ends and the belly begins
    belly = along(8, fold, body.at(0.3, 0.35), body.at(-0.1, 0.15), body.at(-0.55, 0.25))
    bird.add(belly, BELLY, 0.97, speckle=speckle, shadowed=1.0)
    breast = along(fold, 13.4, body.at(0.72, -0.3), body.at(0.42, -0.1), body.at(0.3, 0.35))
    bird.add(breast, BREAST, 0.97, speckle=speckle, shadowed=1.0)
    cheeks = [skull.at(0.62, 0.25), skull.at(0.1, 0.0), skull.at(-0.5, 0.25), skull.at(0.0, 0.66)]
    bird.add(spline(cheeks), cheek, tone(cheek), speckle=0.3)
    throat = along(13.2, 15.5, skull.at(0.6, 0.32), skull.at(0.12, 0.42), skull.at(-0.1, 0.8))
    bird.add(throat, THROAT, 0.97, speckle=0.3)
    crown = along(0, 4.2, skull.at(-0.75, 0.02), skull.at(-0.2, -0.28), skull.at(0.4, -0.42))
    bird.add(crown, CROWN, 0.97, speckle=0.35)


SEVEN = Anatomy(add_areas, eye=0.6)
"""The anatomy of photographic birds."""
