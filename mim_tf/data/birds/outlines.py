"""A drawn bird: filled outlines from back to front, and the ovals of its head and body."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from mim_tf.data.birds.drawing import Array, Tone

# The kinds of outlines: the coloured parts, of which drawn birds have the first four and
# photographic ones all seven, and what keeps a natural tone of its own.
WINGS, BELLY, CROWN, TAIL, THROAT, BACK, BREAST, STATIC = range(8)


class Layer(NamedTuple):
    """One filled outline of a bird.

    Attributes:
        outline: [n, 2], in the bird's own units.
        kind: one of WINGS to STATIC.
        tone: in 0..1; the RGB colour of a static layer, the brightness of a coloured part.
        speckle, shadowed, form: weights in 0..1 with which the speckle texture, the wing's shadow
            and the shading of the rounded body darken this layer.
    """

    outline: Array
    kind: int
    tone: Tone
    speckle: float
    shadowed: float
    form: float


@dataclass
class Bird:
    """The outlines of a bird, and the light on them.

    Attributes:
        layers: from back to front.
        points: [n, 2], the points of all outlines in the order of the layers, in picture units.
        shadow: [n, 2], the outline of the near wing's shadow, in picture units.
        light: (x, y), the direction towards the light, y downwards.
        texture: (x, y) in 0..1, the place in the noise from which the speckle is cut.
        trunk: index of the layer that is the silhouette of head and body.
        flying: whether the bird flies; otherwise it stands on something.
        feet: [2], where the feet stand, in picture units.
    """

    layers: list[Layer] = field(default_factory=list)
    points: Array = field(default_factory=lambda: np.zeros((0, 2)))
    shadow: Array = field(default_factory=lambda: np.zeros((0, 2)))
    light: tuple[float, float] = (0.0, -1.0)
    texture: tuple[float, float] = (0.0, 0.0)
    trunk: int = 0
    flying: bool = False
    feet: Array = field(default_factory=lambda: np.zeros(2))

    def pieces(self, points: Array) -> list[Array]:
        """Split the points of all outlines, [n, 2] in any units, into one array for each layer."""
        pieces, start = [], 0
        for layer in self.layers:
            pieces.append(points[start : start + len(layer.outline)])
            start += len(layer.outline)
        return pieces

    def add(
        self,
        outline: Array,
        kind: int,
        tone: float | Tone = 1.0,
        speckle: float = 0.0,
        shadowed: float = 0.0,
        form: float = 1.0,
    ) -> None:
        """Add a layer in front of all others; a single number as ``tone`` is a grey."""
        full = (tone, tone, tone) if isinstance(tone, (int, float)) else tone
        self.layers.append(Layer(outline, kind, full, speckle, shadowed, form))


@dataclass(frozen=True)
class Oval:
    """An ellipse that stands for the head or the body; other outlines are placed relative to it.

    Attributes:
        centre: [2], in the bird's own units.
        axes: [2], its half axes.
        turn: [2, 2], its rotation, as :func:`drawing.rotation` gives it.
    """

    centre: Array
    axes: Array
    turn: Array

    def at(self, x: float, y: float) -> Array:
        """The point with these coordinates, in half axes from the centre: [2]."""
        point: Array = self.centre + np.array([x, y]) * self.axes @ self.turn
        return point

    def rim(self, degrees: float, radius: float = 1.0) -> Array:
        """The point in this direction on the rim, or at ``radius`` times the rim's distance: [2].

        0 degrees is ahead, where the bird looks; positive angles turn upwards.
        """
        t = math.radians(degrees)
        return self.at(radius * math.cos(t), -radius * math.sin(t))
