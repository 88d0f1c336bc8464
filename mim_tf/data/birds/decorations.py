"""The near things of a landscape: twigs with leaves, berries or blossoms, reeds, and perches.

Every function draws in place into an RGB picture, [n, n, 3] uint8, as sharply as the bird is drawn;
places and sizes are in picture units.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from mim_tf.data.birds.drawing import (
    FEATHER,
    LEAF,
    Array,
    Dice,
    Tone,
    ball,
    blades,
    disc,
    fill,
    fill_convex,
    mix,
    scaled,
    spline,
    unit,
)
from mim_tf.data.birds.outlines import Bird

Tones = tuple[Tone, ...]

# Draws berries or a blossom into a picture, at the place (x, y) of a twig.
Trim = Callable[[Dice, Array, float, float], None]


class TwigStyle(NamedTuple):
    """The look of the twigs and of the perch in a landscape.

    Attributes:
        bark: the wood's tone.
        leaves: the tones of the leaves; empty for bare twigs.
        trim: draws what grows between the leaves; None for nothing.
    """

    bark: Tone
    leaves: Tones = ()
    trim: Trim | None = None


# fmt: off
BARK: Tones = ((112, 78, 52), (84, 60, 44), (58, 46, 42), (134, 116, 100), (38, 33, 34))
GREENS: Tones = ((58, 122, 48), (86, 150, 56), (120, 172, 70), (40, 96, 54), (150, 190, 92))
AUTUMN: Tones = ((222, 158, 38), (204, 98, 32), (176, 50, 36), (236, 194, 66), (140, 82, 44))
PETALS: Tones = (
    (250, 247, 244), (246, 176, 204), (236, 120, 166), (160, 92, 188),
    (250, 214, 76), (214, 44, 52), (72, 112, 214),
)
BERRIES: Tones = (
    (206, 30, 38), (206, 30, 38), (60, 66, 150), (34, 30, 44), (240, 150, 40), (124, 44, 130),
)
_REEDS: Tones = ((96, 128, 62), (140, 150, 76), (70, 104, 60))
_STONES: Tones = ((136, 134, 132), (108, 106, 110), (150, 136, 118), (84, 86, 92))

# A stone's top, its lit side and its moss: points (x, y), x from the middle in shares of half the
# stone's width, y below the bird's feet in picture units.
_STONE_TOP = ((-0.85, 0.07), (-0.4, 0.01), (0, -0.006), (0.45, 0.014), (0.9, 0.08))
_STONE_LIT = (
    (-0.8, 0.085), (-0.4, 0.016), (0, 0), (0.42, 0.02), (0.8, 0.085), (0.2, 0.06), (-0.3, 0.075),
)
_STONE_MOSS = ((0.35, 0.02), (0.8, 0.075), (0.6, 0.1), (0.4, 0.06))
# fmt: on


# --- twigs --------------------------------------------------------------------------------------


def leaves(
    dice: Dice, picture: Array, base: Array, angle: Array, length: Array, palette: Tones
) -> None:
    """Draw leaves, one half of each lighter than the other.

    Args:
        base: [m, 2], where they begin.
        angle: [m], the directions they point in, in degrees.
        length: [m].
        palette: the tones to choose from.
    """
    m = len(base)
    draws = dice.array(m, 3)
    width = length * (0.34 + 0.16 * draws[:, 0])
    colours = np.array(palette)[(draws[:, 1] * len(palette)).astype(int)]
    colours = colours * (0.82 + 0.3 * draws[:, 2:])
    whole = blades(base, angle, length, width, LEAF)
    half = whole[:, :6]
    both = np.empty((2 * m, len(LEAF), 2))
    both[0::2] = whole
    both[1::2] = np.concatenate([half, np.repeat(half[:, -1:], len(LEAF) - 6, axis=1)], axis=1)
    tones = np.empty((2 * m, 3))
    tones[0::2] = colours * 0.84
    tones[1::2] = np.minimum(colours * 1.08, 255)
    fill_convex(picture, both, tones)


def blossom(dice: Dice, picture: Array, x: float, y: float, radius: float, tone: Tone) -> None:
    """Draw a flower of five petals."""
    turn = dice.between(0, 72)
    for i in range(5):
        a = math.radians(turn + 72 * i)
        px, py = x + 0.58 * radius * math.cos(a), y + 0.58 * radius * math.sin(a)
        shine = 0.88 + 0.12 * (i % 2) + 0.06 * (i == 4)
        ball(picture, px, py, 0.52 * radius, scaled(tone, shine))
    ball(picture, x, y, 0.26 * radius, (244, 206, 84) if tone[2] > 100 else (110, 66, 40))


def _berry(picture: Array, x: float, y: float, radius: float, tone: Tone) -> None:
    glint = mix(tone, (255, 255, 255), 0.75)
    ball(picture, x, y, radius, scaled(tone, 0.78))
    ball(picture, x - 0.12 * radius, y - 0.14 * radius, 0.8 * radius, tone)
    ball(picture, x - 0.34 * radius, y - 0.38 * radius, 0.24 * radius, glint)


def berries(tone: Tone, radius: float = 0.022) -> Trim:
    """A trim that draws one to three berries."""

    def trim(dice: Dice, picture: Array, x: float, y: float) -> None:
        for _ in range(dice.count(1, 3)):
            bx, by = x + dice.between(-0.03, 0.03), y + dice.between(-0.03, 0.03)
            _berry(picture, bx, by, radius, tone)

    return trim


def blossoms(tone: Tone, radius: float = 0.045) -> Trim:
    """A trim that draws one blossom."""

    def trim(dice: Dice, picture: Array, x: float, y: float) -> None:
        blossom(dice, picture, x, y, radius * dice.between(0.75, 1.2), tone)

    return trim


def _wood(picture: Array, line: Array, width: Array, tone: Tone) -> None:
    """Draw a branch along ``line`` [m, 2] that is ``width`` [m] wide: lit above, dark below."""
    along = np.gradient(line, axis=0)
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    across /= np.hypot(along[:, 0], along[:, 1])[:, None]
    across *= np.where(across[:, 1:] > 0, 1, -1)  # downwards
    for low, high, factor in ((0.0, 1.0, 0.62), (0.0, 0.66, 1.0), (0.06, 0.3, 1.26)):
        upper = line + across * (width * low)[:, None]
        lower = line + across * (width * high)[:, None]
        fill(picture, np.concatenate([upper, lower[::-1]]), scaled(tone, factor))


def _twig(
    dice: Dice,
    picture: Array,
    root: Sequence[float] | Array,
    angle: float,
    length: float,
    style: TwigStyle,
    leaf_count: int,
    leaf_length: float,
) -> None:
    """Draw a twig with leaves on both sides, and the trim between them.

    Args:
        root: (x, y), where it begins.
        angle: its direction there, in degrees; it bends by a random angle along its length.
    """
    t = np.linspace(0, 1, 6)
    bend = dice.between(-30, 30)
    a = np.radians(angle + bend * t)
    step = np.stack([np.cos(a), -np.sin(a)], axis=1) * (length / 5)
    line = np.asarray(root) + np.concatenate([np.zeros((1, 2)), np.cumsum(step, axis=0)[:-1]])
    _wood(picture, line, 0.016 - 0.01 * t, style.bark)
    if style.leaves:
        at = np.linspace(0.15, 1, leaf_count)
        bases = np.stack([np.interp(at, t, line[:, c]) for c in range(2)], axis=1)
        side = np.where(np.arange(leaf_count) % 2, 1, -1) * (1 - (at == 1))
        angles = angle + bend * at + side * (38 + 22 * dice.array(leaf_count))
        lengths = leaf_length * (0.7 + 0.5 * dice.array(leaf_count))
        leaves(dice, picture, bases, angles, lengths, style.leaves)
    if style.trim is not None:
        for x, y in line[1:6:2].tolist():
            style.trim(dice, picture, x + dice.between(-0.02, 0.02), y + dice.between(0, 0.03))


def frame_twigs(dice: Dice, picture: Array, style: TwigStyle, count: int) -> None:
    """Draw ``count`` twigs that reach into the picture from its left, right or upper rim."""
    for _ in range(count):
        if dice.chance(0.6):
            left = dice.chance(0.5)
            root = (-0.03 if left else 1.03, dice.between(0.0, 0.95))
            angle = dice.between(-50, 50) + (0 if left else 180)
        else:
            root = (dice.between(0.05, 0.95), -0.03)
            angle = -90 + dice.between(-45, 45)
        _twig(dice, picture, root, angle, dice.between(0.22, 0.36), style, 8, 0.13)


def reeds(dice: Dice, picture: Array) -> None:
    """Reeds at the left or right rim, some with their brown heads."""
    left = dice.chance(0.5)
    count = dice.count(4, 8)
    draws = dice.array(count, 3)
    x = draws[:, 0] * 0.2 if left else 1 - draws[:, 0] * 0.2
    base = np.stack([x, np.full(count, 1.04)], axis=1)
    length = 0.35 + 0.5 * draws[:, 1]
    angle = 90 + (draws[:, 2] - 0.5) * 26
    tones = np.array(_REEDS)[(draws[:, 1] * 3).astype(int)]
    fill_convex(picture, blades(base, angle, length, np.full(count, 0.026), LEAF), tones)
    if dice.chance(0.6):
        tips = base[::2] + length[::2, None] * np.stack([unit(a) for a in angle[::2]])
        full = np.ones(len(tips))
        heads = blades(tips + [0, 0.05], angle[::2], full * 0.13, full * 0.04, FEATHER)
        fill_convex(picture, heads, np.full((len(tips), 3), (106, 66, 40)))


# --- perches ------------------------------------------------------------------------------------


def perch(dice: Dice, picture: Array, bird: Bird, style: TwigStyle, *, snow: bool = False) -> None:
    """Draw a branch under the feet of a sitting bird, with twigs at its ends.

    A flying bird gets none. ``snow`` covers the branch's upper side.
    """
    if bird.flying:
        return
    x, y = bird.feet.tolist()
    tilt = dice.between(-0.09, 0.09)
    wave = dice.between(-0.025, 0.025)
    points = [
        [-0.06, y + tilt * (x + 0.06) + wave],
        [x * 0.45, y + tilt * x * 0.5],
        [x - 0.08, y + 0.004],
        [x + 0.08, y - 0.004],
        [x + (1 - x) * 0.6, y - tilt * (1 - x) * 0.5],
        [1.06, y - tilt * (1.06 - x) - wave],
    ]
    line = spline(points, closed=False, steps=5)
    thick, taper = dice.between(0.045, 0.075), dice.between(-0.4, 0.4)
    width = thick * (1 + taper * (line[:, 0] - 0.5))
    for edge, towards in ((0.14, 1), (0.86, -1)):
        if dice.chance(0.75):
            root = line[int(np.abs(line[:, 0] - edge).argmin())] + [0, 0.02]
            up = -dice.pick((-1, 1))
            angle = up * (90 - towards * dice.between(30, 75))
            angle = 180 - angle if dice.chance(0.5) else angle
            length = dice.between(0.14, 0.24)
            _twig(dice, picture, root, angle, length, style, 6, 0.1)
    _wood(picture, line, width, style.bark)
    if snow:
        bumps = 0.012 + 0.014 * dice.array(len(line))
        top = line - np.stack([0 * bumps, bumps], axis=1)
        fill(picture, np.concatenate([top, (line + [0, 0.012])[::-1]]), (246, 249, 253))


def stone(dice: Dice, picture: Array, bird: Bird) -> None:
    """Draw a stone under the bird's feet, which ends at the picture's lower rim or in the water."""
    x, y = bird.feet.tolist()
    wide = dice.between(0.26, 0.4)
    tone = dice.pick(_STONES)
    foot = min(1.1, y + dice.between(0.13, 0.22))

    brink, foot_left, foot_right = foot - 0.012, [x - wide, foot], [x + wide, foot]
    shadow = [[x - wide * 1.2, brink], [x, foot - 0.03], [x + wide * 1.2, brink], [x, foot + 0.03]]
    fill(picture, shadow, scaled(tone, 0.5))

    def beside(places: Sequence[tuple[float, float]]) -> list[list[float]]:
        """Picture units for points given as `_STONE_TOP` is."""
        return [[x + wide * across, y + below] for across, below in places]

    outline = [foot_left, *beside(_STONE_TOP), foot_right]
    fill(picture, spline(outline, closed=False), scaled(tone, 0.72))
    fill(picture, spline(beside(_STONE_LIT)), scaled(tone, 1.08))
    if dice.chance(0.5):
        fill(picture, spline(beside(_STONE_MOSS)), (104, 134, 66))


def post(dice: Dice, picture: Array, bird: Bird) -> None:
    """Draw a fence's wooden post under the bird's feet, in half of the draws with two rails."""
    x, y = bird.feet.tolist()
    half = dice.between(0.085, 0.12)
    tone = dice.pick(BARK[:4])
    if dice.chance(0.5):
        for top in (y + 0.12, y + 0.27):
            box = [[-0.1, top], [1.1, top + 0.015], [1.1, top + 0.06], [-0.1, top + 0.045]]
            fill(picture, box, scaled(tone, 0.86))
    left, right, edge = x - half, x + half, x + half * 0.45
    front = [[left, y + 0.01], [right, y + 0.01], [right, 1.1], [left, 1.1]]
    fill(picture, front, tone)
    fill(picture, [[edge, y], [right, y], [right, 1.1], [edge, 1.1]], scaled(tone, 0.74))
    for share in (-0.55, -0.15, 0.25):
        gx = x + half * share
        grain = [[gx, y + 0.04], [gx + 0.008, y + 0.3], [gx, 1.0], [gx - 0.005, y + 0.3]]
        fill(picture, grain, scaled(tone, 0.7))
    fill(picture, disc((x, y + 0.008), half * 1.02, 0.16), scaled(tone, 1.25))
