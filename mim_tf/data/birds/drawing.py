"""What every part of a procedural scene is drawn with: dice, tones, curves and filled outlines.

Points are rows (x, y) with y down; a picture is a square that spans 0..1 both ways.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any, TypeVar

import cv2
import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
Points = Array | Sequence[Sequence[float] | Array]
T = TypeVar("T")
Tone = tuple[float, float, float]

# A feather or leaf along +x: distance along it, half width there (both as shares).
FEATHER = np.array([
    [0, 0.28], [0.25, 0.8], [0.55, 1], [0.8, 0.92], [0.93, 0.6], [1, 0],
    [0.93, -0.6], [0.8, -0.92], [0.55, -1], [0.25, -0.8], [0, -0.28],
])  # fmt: skip
LEAF = np.array([
    [0, 0], [0.12, 0.55], [0.35, 1], [0.6, 0.85], [0.82, 0.42], [1, 0],
    [0.82, -0.42], [0.6, -0.85], [0.35, -1], [0.12, -0.55],
])  # fmt: skip


class Dice:
    """Cheap random draws: one block of numbers from a seeded generator, used up one by one."""

    def __init__(self, seed: int, index: int) -> None:
        self._rng = np.random.default_rng((seed, index))
        self._block: list[float] = []

    def between(self, low: float, high: float) -> float:
        if not self._block:
            self._block = self._rng.random(256).tolist()
        return low + (high - low) * self._block.pop()

    def chance(self, probability: float) -> bool:
        return self.between(0, 1) < probability

    def pick(self, items: Sequence[T]) -> T:
        return items[int(self.between(0, len(items)))]

    def count(self, low: int, high: int) -> int:
        """A whole number from low to high, both included."""
        return int(self.between(low, high + 1))

    def array(self, *shape: int) -> Array:
        """Numbers in 0..1."""
        return self._rng.random(shape)


def scaled(tone: Tone, factor: float, full: float = 255.0) -> Tone:
    """A brighter or darker tone, at most `full`."""
    r, g, b = tone
    return min(full, r * factor), min(full, g * factor), min(full, b * factor)


def mix(a: Tone, b: Tone, share: float) -> Tone:
    """Share 0 is a, share 1 is b."""
    r, g, b_ = (low + (high - low) * share for low, high in zip(a, b, strict=True))
    return r, g, b_


def unit(degrees: float) -> Array:
    """The direction of an angle; positive turns +x towards -y, that is upwards."""
    return np.array([math.cos(math.radians(degrees)), -math.sin(math.radians(degrees))])


def rotation(degrees: float) -> Array:
    """Right-multiplies row vectors; positive turns upwards."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[c, -s], [s, c]])


@functools.cache
def _spline_basis(steps: int) -> Array:
    """[steps, 4] weights of four neighbouring points along a Catmull-Rom segment."""
    t = np.arange(steps)[:, None] / steps
    powers = np.concatenate([np.ones_like(t), t, t**2, t**3], axis=1)
    matrix = np.array([[0, 2, 0, 0], [-1, 0, 1, 0], [2, -5, 4, -1], [-1, 3, -3, 1]]) / 2
    basis: Array = powers @ matrix
    return basis


@functools.cache
def _neighbours(n: int) -> Array:
    """[n, 4] indices of the points around each segment of a closed curve."""
    around: Array = (np.arange(n)[:, None] + np.arange(-1, 3)) % n
    return around


def spline(points: Points, closed: bool = True, steps: int = 6) -> Array:
    """A smooth curve through the points: [n, 2] -> [m, 2], steps points for each segment."""
    p = np.asarray(points, float)
    n = len(p)
    if closed:
        around: Array = (_spline_basis(steps) @ p[_neighbours(n)]).reshape(-1, 2)
        return around
    ends = np.concatenate([2 * p[:1] - p[1:2], p, 2 * p[-1:] - p[-2:-1]])
    curve = (_spline_basis(steps) @ ends[_neighbours(n + 2)[1:n]]).reshape(-1, 2)
    return np.concatenate([curve, p[-1:]])


def blades(base: Array, angle: Array, length: Array, width: Array, shape: Array) -> Array:
    """[n, k, 2] outlines of n feathers or leaves from base [n, 2], angles [n] in degrees."""
    a = np.radians(angle)
    along = np.stack([np.cos(a), -np.sin(a)], axis=-1)
    across = along[:, ::-1] * np.array([1, -1])
    u = (shape[:, 0] * np.asarray(length)[:, None])[..., None]
    v = (shape[:, 1] * np.asarray(width)[:, None] / 2)[..., None]
    outlines: Array = base[:, None] + along[:, None] * u + across[:, None] * v
    return outlines


def disc(centre: Array | Sequence[float], radius: float, squash: float = 1.0, n: int = 20) -> Array:
    """The outline of a circle, or of an ellipse that is squashed in height."""
    a = np.linspace(0, 2 * np.pi, n, endpoint=False)
    return np.asarray(centre) + radius * np.stack([np.cos(a), squash * np.sin(a)], axis=1)


def stroke(start: Array, end: Array, width: float, width_end: float) -> Array:
    """The outline of a straight line whose width changes along it."""
    along = (end - start) / max(float(np.hypot(*(end - start))), 1e-9)
    across = np.array([-along[1], along[0]]) / 2
    near, far = across * width, across * width_end
    return np.stack([start + near, end + far, end - far, start - near])


def fill(picture: Array, points: Points, value: Any, line: int = cv2.LINE_AA) -> None:
    """Fills an outline given in picture units, in place; anti-aliased unless told otherwise."""
    fixed = np.rint((np.asarray(points) * len(picture) - 0.5) * 16).astype(np.int32)
    cv2.fillPoly(picture, [fixed], value, line, 4)


def fill_convex(picture: Array, outlines: Array, colours: Array) -> None:
    """Anti-aliased convex outlines [m, k, 2] in picture units with colours [m, 3], in order."""
    fixed = np.rint((outlines * len(picture) - 0.5) * 16).astype(np.int32)
    for points, colour in zip(fixed, colours.tolist(), strict=True):
        cv2.fillConvexPoly(picture, points, colour, cv2.LINE_AA, 4)


def ball(picture: Array, x: float, y: float, radius: float, colour: Any) -> None:
    """An anti-aliased circle, given in picture units."""
    scale = 16 * len(picture)
    centre = int(x * scale), int(y * scale)
    cv2.circle(picture, centre, int(radius * scale), colour, -1, cv2.LINE_AA, 4)
