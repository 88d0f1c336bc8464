"""Procedural birds that look like photographs, and whose every colour edit is still known.

The outlines are those of drawn birds with three more parts, so :class:`scenes.Scene` holds them and
answers as before. What is new: muted colours that differ from scene to scene, birds of one colour
or nearly one, texture and bars on the plumage, uneven light, blur and noise (`camera`), birds that
fill the frame or leave it, and cluttered or photographed backgrounds (`surroundings`).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np

from mim_tf.data.birds import camera
from mim_tf.data.birds.areas import SEVEN
from mim_tf.data.birds.captions import COLOUR_WORDS, PART_WORDS, Words
from mim_tf.data.birds.drawing import Array, Dice, rotation
from mim_tf.data.birds.outlines import Bird
from mim_tf.data.birds.painting import paint_bird
from mim_tf.data.birds.scenes import Scene
from mim_tf.data.birds.shapes import draw_bird
from mim_tf.data.birds.surroundings import draw_surroundings
from mim_tf.pictures.colours import COLOURS as BASIC

PARTS = ("wings", "belly", "crown", "tail", "throat", "back", "breast")
"""In the order of the constants WINGS to BREAST in `outlines`."""

GROUPS = {"head": ("crown", "throat"), "bird": PARTS}
"""Names of several parts at once."""

COLOURS: dict[str, tuple[int, int, int]] = {**BASIC, "buff": (206, 178, 132)}
"""sRGB levels of the twelve colours before a scene's own shift: those by which photographs are read
(:mod:`mim_tf.pictures.colours`), and buff."""

WORDS = Words(
    {**COLOUR_WORDS, "grey": ("grey", "gray", "slate"), "brown": ("brown", "chestnut", "umber"),
     "orange": ("orange", "tangerine"), "buff": ("buff", "beige", "tan")},
    {**PART_WORDS, "belly": ("belly", "underside"), "throat": ("throat", "chin"),
     "back": ("back", "mantle"), "breast": ("breast", "chest")},
    {"crown": ("head",)},
)  # fmt: skip

_NATURAL = ("brown", "grey", "black", "white", "buff", "orange")
_LEAST_AREA = 0.004  # of the picture: a part that shows less is not spoken of
_GRID = 64  # on which areas are measured


class Subject(NamedTuple):
    """A bird before it is painted.

    Attributes:
        dice: further random numbers of the scene.
        bird: its outlines, placed in the picture.
        colours: part -> colour name, of all seven.
        visible: the parts that show, in the order of `PARTS`.
        scale: its size, 1 as drawn birds.
    """

    dice: Dice
    bird: Bird
    colours: dict[str, str]
    visible: tuple[str, ...]
    scale: float


def draw_colours(seed: int, index: int) -> dict[str, str]:
    """Part -> colour name of a scene, without the cost of drawing anything."""
    return _draw_colours(Dice(seed, index))


def draw_subject(seed: int, index: int) -> Subject:
    """The bird of a seed and an index, both >= 0."""
    dice = Dice(seed, index)
    colours = _draw_colours(dice)
    bird = draw_bird(dice, SEVEN)
    scale = _frame(dice, bird)
    _ruffle(dice, bird)
    return Subject(dice, bird, colours, _visible(bird), scale)


def photographic_scene(
    seed: int, index: int, size: int, photographs: tuple[str, ...] = ()
) -> Scene:
    """Draw the scene of a seed and an index; the same arguments give the same bytes.

    Args:
        seed, index: both >= 0.
        size: H = W in pixels; it changes the resolution and the noise, not the scene.
        photographs: files of which one may be the background.

    Raises:
        UserError: a photograph cannot be read.
    """
    dice, bird, colours, visible, scale = draw_subject(seed, index)
    background = draw_surroundings(dice, bird, size, photographs)
    cover, shade, plumage, whole = paint_bird(bird, size, len(PARTS))
    texture = camera.plumage_texture(dice, size, scale, len(PARTS))
    shade = shade * texture
    plumage = plumage * texture.mean(axis=2, keepdims=True)
    light, colour_of_light = camera.light(dice, size)[..., None], camera.tint(dice)
    static = (background * (1 - whole[..., None]) + plumage) * light * colour_of_light
    maps = np.concatenate([static, shade * light, cover, whole[..., None]], axis=2)
    maps = camera.blurred(maps, camera.blur_of(dice))
    p = len(PARTS)
    static, shade, cover = maps[..., :3], maps[..., 3 : 3 + p], maps[..., 3 + p : 3 + 2 * p]
    return Scene(
        size=size,
        static=static + camera.noise(dice, size),
        shade=shade,
        regions=cover,
        bird=maps[..., -1],
        colours=colours,
        parts=PARTS,
        visible=visible,
        palette=_palette(dice, colour_of_light),
    )


def _draw_colours(dice: Dice) -> dict[str, str]:
    """Part -> colour: one to four colours a bird, or as many as there are parts."""
    few = dice.pick((1, 2, 2, 3, 3, 4, len(PARTS)))
    names = tuple(COLOURS)
    palette = [dice.pick(_NATURAL if dice.chance(0.4) else names) for _ in range(few)]
    return {part: dice.pick(palette) for part in PARTS}


def _palette(dice: Dice, colour_of_light: Array) -> dict[str, Array]:
    """What the colours are in one scene: paler or darker, more or less muted, in its light."""
    palette = {}
    for name, levels in COLOURS.items():
        rgb = np.array(levels, np.float32) / 255
        grey = rgb.mean()
        rgb = grey + (rgb - grey) * dice.between(0.72, 1.12)
        palette[name] = np.clip(rgb * dice.between(0.9, 1.1), 0, 1) * colour_of_light
    return palette


def _frame(dice: Dice, bird: Bird) -> float:
    """Turn the bird, enlarge or reduce it, and place it, perhaps beyond the frame, in place.

    Returns:
        By how much it is larger than a drawn bird.
    """
    low, high = (0.75, 1.2) if dice.chance(0.7) else (1.2, 1.9)
    scale = math.exp(dice.between(math.log(low), math.log(high)))
    turn = rotation(dice.between(-14, 14)) * scale
    trunk = bird.pieces(bird.points)[bird.trunk]
    middle = (trunk.min(axis=0) + trunk.max(axis=0)) / 2
    reach = 0.26 if scale < 1 else 0.2
    target = 0.5 + reach * (2 * dice.array(2) - 1)

    def moved(points: Array) -> Array:
        there: Array = (points - middle) @ turn + target
        return there

    bird.points, bird.shadow, bird.feet = map(moved, (bird.points, bird.shadow, bird.feet))
    return scale


def _ruffle(dice: Dice, bird: Bird) -> None:
    """Make every outline a little uneven, as plumage is, in place."""
    strength = dice.between(0, 0.006)
    bird.points = bird.points + strength * (2 * dice.array(*bird.points.shape) - 1)


def _visible(bird: Bird) -> tuple[str, ...]:
    """The parts that take enough of the picture to be spoken of; at least one."""
    kinds = np.full((_GRID, _GRID), 255, np.uint8)
    fixed = np.rint((bird.points * _GRID - 0.5) * 16).astype(np.int32)
    for layer, outline in zip(bird.layers, bird.pieces(fixed), strict=True):
        cv2.fillPoly(kinds, [outline], layer.kind, cv2.LINE_8, 4)
    areas = np.bincount(kinds.ravel(), minlength=256)[: len(PARTS)] / _GRID**2
    least = min(_LEAST_AREA, float(areas.max()))
    return tuple(part for part, area in zip(PARTS, areas, strict=True) if area >= least)
