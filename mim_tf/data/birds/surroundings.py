"""What is behind photographic birds: your photographs, clutter, or the landscapes of drawn ones."""

from __future__ import annotations

import functools
import zlib
from pathlib import Path

import cv2
import numpy as np

from mim_tf.data.birds.backgrounds import draw_background
from mim_tf.data.birds.decorations import BARK, GREENS, TwigStyle, perch
from mim_tf.data.birds.drawing import FEATHER, LEAF, Array, Dice, blades, fill_convex
from mim_tf.data.birds.outlines import Bird
from mim_tf.data.source import Split
from mim_tf.errors import UserError
from mim_tf.pictures import files

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
PHOTOGRAPHS = 0.75
"""Share of the scenes that have a photograph behind them, where there are any."""

_TEST_EVERY = 10  # photographs whose name's checksum this divides are behind birds that test
_SIDE = 256  # of the squares cut from photographs before a piece of them is drawn
_KEPT = 512  # decoded photographs in memory: 100 MB

# Of clutter: leaves, bark, soil, stone, sky, dry grass, blossoms and berries. sRGB.
_NATURAL = np.array([
    (58, 82, 40), (98, 118, 62), (142, 152, 90), (36, 48, 30), (88, 70, 52), (122, 100, 76),
    (58, 46, 38), (146, 134, 116), (112, 114, 112), (176, 180, 176), (150, 176, 204),
    (206, 214, 220), (188, 170, 122), (216, 204, 168), (164, 60, 52), (206, 168, 56),
    (172, 122, 168), (28, 28, 26), (92, 112, 128), (226, 226, 218),
], np.float32)  # fmt: skip


def list_photographs(folder: Path, split: Split) -> tuple[str, ...]:
    """The photographs of a folder that may stand behind a split's birds, sorted by path.

    One of ten, chosen by its path within the folder, is kept for birds that test.

    Raises:
        UserError: there is no such folder, or it holds no photographs for the split.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: there is no such folder; correct data.backgrounds")
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    chosen = [
        str(path)
        for path in paths
        if (_checksum(path.relative_to(folder)) % _TEST_EVERY == 0) == (split == "test")
    ]
    if not chosen:
        raise UserError(
            f"{folder}: {len(paths)} photographs ({', '.join(SUFFIXES)}), none of them for the "
            f"{split} split; data.backgrounds needs about {2 * _TEST_EVERY} or more"
        )
    return tuple(chosen)


def _checksum(path: Path) -> int:
    return zlib.crc32(path.as_posix().encode())


def draw_surroundings(dice: Dice, bird: Bird, size: int, photographs: tuple[str, ...]) -> Array:
    """[H, W, 3] float32 in 0..1.

    Raises:
        UserError: a photograph cannot be read.
    """
    if photographs and dice.chance(PHOTOGRAPHS):
        picture = _piece(dice, dice.pick(photographs), size)
    elif dice.chance(0.4):
        return draw_background(dice, bird, size)
    else:
        picture = _clutter(dice, size)
    sigma = size * dice.between(0, 0.04) if dice.chance(0.7) else 0.0
    if sigma > 0.3:
        picture = cv2.GaussianBlur(picture, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)
    if dice.chance(0.5):
        bark, leaves = dice.pick(BARK), GREENS[:4] if dice.chance(0.3) else ()
        perch(dice, picture, bird, TwigStyle(bark, leaves))
    return picture.astype(np.float32) / 255


def _piece(dice: Dice, path: str, size: int) -> Array:
    """[H, W, 3] uint8: a random square of a photograph, perhaps mirrored."""
    photograph = _read(path)
    side = int(_SIDE * dice.between(0.45, 1))
    x, y = (int(dice.between(0, _SIDE - side + 1)) for _ in range(2))
    square = photograph[y : y + side, x : x + side]
    if dice.chance(0.5):
        square = square[:, ::-1]
    interpolation = cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
    piece: Array = cv2.resize(square, (size, size), interpolation=interpolation)
    return piece


@functools.lru_cache(maxsize=_KEPT)
def _read(path: str) -> Array:
    """A photograph's centred square, [256, 256, 3] uint8."""
    picture = files.read(Path(path))
    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = picture[top : top + side, left : left + side]
    interpolation = cv2.INTER_AREA if side > _SIDE else cv2.INTER_LINEAR
    small: Array = cv2.resize(square, (_SIDE, _SIDE), interpolation=interpolation)
    return small


def _clutter(dice: Dice, size: int) -> Array:
    """[H, W, 3] uint8: blotches of several sizes, and leaves, stalks and grains over them."""
    n = 2 * size
    tones = _NATURAL[(dice.array(5) * len(_NATURAL)).astype(int)]
    picture = np.full((n, n, 3), tones[0], np.float32)
    for cells, tone in zip((3, 6, 12, 24), tones[1:], strict=True):
        noise = cv2.resize(
            dice.array(cells, cells).astype(np.float32), (n, n), interpolation=cv2.INTER_CUBIC
        )
        weight = np.clip((noise - dice.between(0.3, 0.7)) * dice.between(0.8, 4) + 0.4, 0, 1)
        picture += (tone - picture) * weight[..., None]
    painted = np.clip(picture, 0, 255).astype(np.uint8)
    if dice.chance(0.3):
        painted = cv2.GaussianBlur(painted, (0, 0), n * dice.between(0.01, 0.04))
    for _ in range(dice.count(0, 3)):
        count = dice.count(5, 26)
        draws = dice.array(count, 4)
        main, spread = dice.between(0, 360), dice.between(10, 360)
        length = dice.between(0.03, 0.4) * (0.4 + draws[:, 2])
        width = length * dice.between(0.05, 0.5)
        angle = main + spread * (draws[:, 3] - 0.5)
        shape = LEAF if dice.chance(0.6) else FEATHER
        outlines = blades(draws[:, :2] * 1.3 - 0.15, angle, length, width, shape)
        tone = _NATURAL[int(dice.between(0, len(_NATURAL)))]
        fill_convex(painted, outlines, np.clip(tone * (0.6 + 0.7 * dice.array(count, 1)), 0, 255))
    small: Array = cv2.resize(painted, (size, size), interpolation=cv2.INTER_AREA)
    return small
