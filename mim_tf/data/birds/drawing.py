"""Drawing tools of the procedural scenes: random numbers, tones, curves and filled outlines.

Points are rows (x, y) with y downwards. In picture units the square picture spans 0..1 in both
directions.
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

# The outlines of a feather and of a leaf that points along +x. Each row: the distance along it as a
# share of its length, and the signed distance from its axis as a share of half its width.
FEATHER = np.array([
    [0, 0.28], [0.25, 0.8], [0.55, 1], [0.8, 0.92], [0.93, 0.6], [1, 0],
    [0.93, -0.6], [0.8, -0.92], [0.55, -1], [0.25, -0.8], [0, -0.28],
])  # fmt: skip
LEAF = np.array([
    [0, 0], [0.12, 0.55], [0.35, 1], [0.6, 0.85], [0.82, 0.42], [1, 0],
    [0.82, -0.42], [0.6, -0.85], [0.35, -1], [0.12, -0.55],
])  # fmt: skip


class Dice:
    """Random draws of one scene.

    Single numbers are taken from blocks of 256, because one call of NumPy's generator for each of
    the several hundred numbers of a scene would take longer than drawing the scene.
    """

    def __init__(self, seed: int, index: int) -> None:
        self._rng = np.random.default_rng((seed, index))
        self._block: list[float] = []

    def between(self, low: float, high: float) -> float:
        """A number in [low, high), uniform."""
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
        """Uniform numbers in [0, 1) of this shape."""
        return self._rng.random(shape)


def scaled(tone: Tone, factor: float, full: float = 255.0) -> Tone:
    """A tone multiplied by ``factor``, each channel clipped to at most ``full``."""
    r, g, b = tone
    return min(full, r * factor), min(full, g * factor), min(full, b * factor)


def mix(a: Tone, b: Tone, share: float) -> Tone:
    """Linear interpolation of two tones: share 0 gives a, share 1 gives b."""
    red, green, blue = (start + (end - start) * share for start, end in zip(a, b, strict=True))
    return red, green, blue


def unit(degrees: float) -> Array:
    """The unit vector of an angle; 0 is +x, and positive angles turn upwards (towards -y)."""
    return np.array([math.cos(math.radians(degrees)), -math.sin(math.radians(degrees))])


def rotation(degrees: float) -> Array:
    """[2, 2] matrix to multiply row vectors with from the right; positive angles turn upwards."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[c, -s], [s, c]])


@functools.cache
def _spline_basis(steps: int) -> Array:
    """[steps, 4] weights of the four control points around a segment of a Catmull-Rom spline."""
    t = np.arange(steps)[:, None] / steps
    powers = np.concatenate([np.ones_like(t), t, t**2, t**3], axis=1)
    matrix = np.array([[0, 2, 0, 0], [-1, 0, 1, 0], [2, -5, 4, -1], [-1, 3, -3, 1]]) / 2
    basis: Array = powers @ matrix
    return basis


@functools.cache
def _neighbours(n: int) -> Array:
    """[n, 4] indices of the four control points around each segment of a closed curve."""
    around: Array = (np.arange(n)[:, None] + np.arange(-1, 3)) % n
    return around


def spline(points: Points, *, closed: bool = True, steps: int = 6) -> Array:
    """A Catmull-Rom spline through control points.

    Args:
        points: [n, 2], the control points.
        closed: whether the curve returns from the last point to the first.
        steps: points on the curve for each segment between two control points.

    Returns:
        [m, 2], m = n * steps for a closed curve and (n - 1) * steps + 1 for an open one.
    """
    p = np.asarray(points, float)
    n = len(p)
    if closed:
        around: Array = (_spline_basis(steps) @ p[_neighbours(n)]).reshape(-1, 2)
        return around
    ends = np.concatenate([2 * p[:1] - p[1:2], p, 2 * p[-1:] - p[-2:-1]])
    curve = (_spline_basis(steps) @ ends[_neighbours(n + 2)[1:n]]).reshape(-1, 2)
    return np.concatenate([curve, p[-1:]])


def blades(base: Array, angle: Array, length: Array, width: Array, shape: Array) -> Array:
    """Outlines of n feathers or leaves.

    Args:
        base: [n, 2], the points where they begin.
        angle: [n], the directions they point in, in degrees as for :func:`unit`.
        length, width: [n].
        shape: [k, 2], `FEATHER` or `LEAF`.

    Returns:
        [n, k, 2].
    """
    a = np.radians(angle)
    along = np.stack([np.cos(a), -np.sin(a)], axis=-1)
    across = along[:, ::-1] * np.array([1, -1])
    u = (shape[:, 0] * np.asarray(length)[:, None])[..., None]
    v = (shape[:, 1] * np.asarray(width)[:, None] / 2)[..., None]
    outlines: Array = base[:, None] + along[:, None] * u + across[:, None] * v
    return outlines


def disc(centre: Array | Sequence[float], radius: float, squash: float = 1.0, n: int = 20) -> Array:
    """[n, 2] outline of an ellipse: its half axes are ``radius`` and ``squash * radius``."""
    a = np.linspace(0, 2 * np.pi, n, endpoint=False)
    return np.asarray(centre) + radius * np.stack([np.cos(a), squash * np.sin(a)], axis=1)


def stroke(start: Array, end: Array, width: float, width_end: float) -> Array:
    """[4, 2] outline of a straight line that is ``width`` wide at its start, ``width_end`` at its
    end."""
    along = (end - start) / max(float(np.hypot(*(end - start))), 1e-9)
    across = np.array([-along[1], along[0]]) / 2
    near, far = across * width, across * width_end
    return np.stack([start + near, end + far, end - far, start - near])


def fill(picture: Array, points: Points, value: Any, line: int = cv2.LINE_AA) -> None:
    """Fill an outline in picture units, in place.

    Args:
        picture: [n, n] or [n, n, 3] uint8.
        points: [m, 2].
        value: the grey level or colour.
        line: OpenCV's line type; the default is anti-aliased.
    """
    # OpenCV takes whole numbers with four fractional bits; pixel i has its centre at i + 0.5.
    fixed = np.rint((np.asarray(points) * len(picture) - 0.5) * 16).astype(np.int32)
    cv2.fillPoly(picture, [fixed], value, line, 4)


def fill_convex(picture: Array, outlines: Array, colours: Array) -> None:
    """Fill convex outlines [m, k, 2] in picture units with colours [m, 3], anti-aliased, in place.

    Later outlines cover earlier ones. OpenCV fills convex outlines faster than general ones.
    """
    fixed = np.rint((outlines * len(picture) - 0.5) * 16).astype(np.int32)
    for points, colour in zip(fixed, colours.tolist(), strict=True):
        cv2.fillConvexPoly(picture, points, colour, cv2.LINE_AA, 4)


def ball(picture: Array, x: float, y: float, radius: float, colour: Any) -> None:
    """Fill a circle in picture units, anti-aliased, in place."""
    scale = 16 * len(picture)
    centre = int(x * scale), int(y * scale)
    cv2.circle(picture, centre, int(radius * scale), colour, -1, cv2.LINE_AA, 4)
