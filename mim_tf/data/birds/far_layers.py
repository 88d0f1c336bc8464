"""The far layer of a landscape: painted on a fixed small grid, then enlarged and so out of focus.

Far layers are [64, 64, 3] uint8 at any size of the picture; places and sizes on them are in picture
units.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import cv2
import numpy as np

from mim_tf.data.birds.drawing import Array, Dice, Tone, fill

GRID = 64  # cells of a far layer in each direction


def gradient(*stops: tuple[float, Tone]) -> Array:
    """A vertical gradient between ``stops``, pairs of a height (0 top, 1 bottom) and its tone."""
    at = [stop[0] for stop in stops]
    rows = np.linspace(0, 1, GRID)
    channels = [np.interp(rows, at, [stop[1][c] for stop in stops]) for c in range(3)]
    colours = np.stack(channels, axis=1).astype(np.uint8)
    return np.repeat(colours[:, None], GRID, axis=1)


def bokeh(
    dice: Dice,
    far: Array,
    palette: Sequence[Tone],
    count: int,
    radii: tuple[float, float],
    rows: tuple[float, float] = (-0.1, 1.1),
) -> None:
    """Draw ``count`` discs of out-of-focus light or leaves into a far layer, in place.

    Args:
        palette: the tones to choose from.
        radii: (smallest, largest).
        rows: (top, bottom) of the band in which their centres lie.
    """
    draws = dice.array(count, 4)
    spots = np.rint(draws[:, :2] * [1.2, rows[1] - rows[0]] * GRID * 16).astype(int)
    spots += np.rint(np.array([-0.1, rows[0]]) * GRID * 16).astype(int)
    sizes = ((radii[0] + (radii[1] - radii[0]) * draws[:, 2]) * GRID * 16).astype(int)
    picks = (draws[:, 3] * len(palette)).astype(int)
    for (x, y), radius, i in zip(spots.tolist(), sizes.tolist(), picks.tolist(), strict=True):
        cv2.circle(far, (x, y), radius, palette[i], -1, cv2.LINE_8, 4)


@functools.cache
def _fractal() -> Array:
    """[256, 256] float32 in 0..1: noise of several scales, the same in every process."""
    rng = np.random.default_rng(77)
    total = np.zeros((256, 256), np.float32)
    for cells, weight in ((5, 1.0), (10, 0.55), (20, 0.3), (40, 0.16), (80, 0.09)):
        grid = rng.random((cells, cells)).astype(np.float32)
        total += weight * cv2.resize(grid, (256, 256), interpolation=cv2.INTER_CUBIC)
    low, high = np.percentile(total, (2, 98))
    tile: Array = np.clip((total - low) / (high - low), 0, 1)
    return tile


def cloudy_noise(dice: Dice, rows: int, columns: int) -> Array:
    """[64, 64] float32 in 0..1: a random ``rows`` x ``columns`` piece of the noise, stretched."""
    y, x = int(dice.between(0, 256 - rows)), int(dice.between(0, 256 - columns))
    piece = _fractal()[y : y + rows, x : x + columns]
    stretched: Array = cv2.resize(piece, (GRID, GRID), interpolation=cv2.INTER_LINEAR)
    return stretched


def clouds(
    dice: Dice, far: Array, tone: Tone, cover: float, rows: int = 150, columns: int = 110
) -> Array:
    """A far layer with clouds over it, their undersides a little darker.

    Args:
        tone: of the clouds.
        cover: 0 for a clear sky to 1 for a covered one.
        rows, columns: of the piece of noise that gives the clouds their shape; few columns make
            wide clouds.
    """
    noise = cloudy_noise(dice, rows, columns)
    alpha = np.clip((noise - 1 + cover) * 3.2, 0, 1)[..., None]
    below = np.clip((np.roll(noise, 4, axis=0) - noise) * 1.2 + 0.06, 0, 0.22)[..., None]
    mixed = far * (1 - alpha) + np.array(tone, np.float32) * (1 - below) * alpha
    return mixed.astype(np.uint8)


def tree_trunk(
    far: Array, left: tuple[float, float], right: tuple[float, float], tone: Tone
) -> None:
    """Draw a tree's trunk, or one side of it, into a far layer, in place.

    Args:
        left, right: x of its edges, each at the top and at the foot.
    """
    outline = [[left[0], -0.1], [right[0], -0.1], [right[1], 1.1], [left[1], 1.1]]
    fill(far, outline, tone, cv2.LINE_8)


def enlarge(far: Array, n: int, blur: float) -> Array:
    """A far layer as a picture [n, n, 3] uint8, blurred by ``blur`` cells of the grid."""
    soft = cv2.GaussianBlur(far, (0, 0), blur)
    # Up to twice the grid's size, linear interpolation looks the same and is faster; beyond, the
    # edges of the cells would show.
    interpolation = cv2.INTER_CUBIC if n > 2 * GRID else cv2.INTER_LINEAR
    large: Array = cv2.resize(soft, (n, n), interpolation=interpolation)
    return large
