"""Procedural birds: small painted scenes whose every colour edit has an exact true picture.

A scene is split once into a static picture and one shading map for each coloured part, so that a
picture is *linear* in the part colours: `static + sum_p shade_p * colour_p`. Painting the same
scene in other colours is therefore the ground truth of a text-guided edit, and no byte outside the
changed parts differs.

Every random draw is in units of the picture, never in pixels: the same seed and index show the
same scene at any size. What is drawn lives beside this module: `bird_shapes` lays out the bird,
`bird_painting` turns it into maps, `bird_backgrounds` paints what lies behind it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mim_tf.data.birds.backgrounds import draw_background
from mim_tf.data.birds.drawing import Array, Dice
from mim_tf.data.birds.painting import paint_bird
from mim_tf.data.birds.shapes import draw_bird

# In the order of the kinds in `bird_shapes`.
PARTS = ("wings", "belly", "crown", "tail")

# The eighth is pink: of orange, pink and brown it lies farthest from the other seven in CIELAB.
COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (214, 30, 38),
    "yellow": (252, 214, 34),
    "green": (44, 158, 62),
    "blue": (28, 106, 222),
    "purple": (132, 46, 164),
    "pink": (248, 130, 182),
    "black": (27, 26, 31),
    "white": (246, 245, 240),
}

MIN_SIZE, MAX_SIZE = 32, 256

_RGB = {name: np.array(rgb, np.float32) / 255 for name, rgb in COLOURS.items()}
_TABLE = np.stack(list(_RGB.values()))
_NAMES = tuple(COLOURS)


@dataclass(frozen=True)
class Scene:
    """One bird before one background, split into what is coloured and what is not.

    Attributes:
        size: H = W in pixels.
        static: [H, W, 3] float32 in 0..1, everything that is no coloured part, weighted by its
            coverage.
        shade: [H, W, P] float32 in 0..1, light times texture times coverage of each part.
        regions: [H, W, P] float32 in 0..1, coverage of each part.
        bird: [H, W] float32 in 0..1, coverage of the whole bird.
        colours: part -> colour name, as the scene was drawn.
    """

    size: int
    static: Array
    shade: Array
    regions: Array
    bird: Array
    colours: dict[str, str]

    def render(self, colours: Mapping[str, str] | None = None) -> Array:
        """The picture with these part colours (part -> name; the scene's own when None).

        Returns:
            [H, W, 3] uint8, sRGB.
        """
        named = self.colours if colours is None else colours
        table = np.stack([_RGB[named[part]] for part in PARTS])
        picture = self.static + self.shade @ table
        return np.rint(255 * np.clip(picture, 0, 1)).astype(np.uint8)

    def expected(self, part: str, colours: Mapping[str, str]) -> Array:
        """What the part's mean colour would be for each of the eight colours.

        Args:
            part: one of `PARTS`.
            colours: colours of all parts; the part's own entry does not matter.

        Returns:
            [8, 3] float32 in 0..1, rows in the order of `COLOURS`.
        """
        p = PARTS.index(part)
        inside = self._inside(p)
        table = np.stack(
            [_RGB[colours[q]] if q != part else np.zeros(3, np.float32) for q in PARTS]
        )
        shade = self.shade[inside]
        rest = self.static[inside] + shade @ table
        pictures = rest[None] + shade[None, :, p, None] * _TABLE[:, None, :]
        means: Array = np.clip(pictures, 0, 1).mean(axis=1)
        return means

    def read_colour(self, part: str, picture_uint8: Array, colours: Mapping[str, str]) -> str:
        """The colour name that explains the part's mean in a picture best.

        Args:
            part: one of `PARTS`.
            picture_uint8: [H, W, 3] uint8, sRGB, of this scene's size.
            colours: colours of the other parts, as for `expected`.
        """
        mean = picture_uint8[self._inside(PARTS.index(part))].mean(axis=0) / 255
        distance = ((self.expected(part, colours) - mean) ** 2).sum(axis=1)
        return _NAMES[int(distance.argmin())]

    def _inside(self, p: int) -> Array:
        """[H, W] bool: the pixels mostly of part p, or its eight best where these are too few."""
        region = self.regions[..., p]
        inside = region > 0.5
        if np.count_nonzero(inside) < 8:
            inside = region >= max(float(np.partition(region, -8, axis=None)[-8]), 1e-6)
        return inside


def scene(seed: int, index: int, size: int) -> Scene:
    """The scene of a seed and an index (both >= 0): same arguments, same bytes.

    Args:
        seed: names a whole series of scenes.
        index: number within the series.
        size: H = W in pixels, 32..256; it changes the resolution only, not the scene.

    Raises:
        ValueError: the size is outside 32..256, or the seed or the index is negative.
    """
    if not MIN_SIZE <= size <= MAX_SIZE:
        raise ValueError(f"size must be within {MIN_SIZE}..{MAX_SIZE}, got {size}")
    dice, colours = _begin(seed, index)
    bird = draw_bird(dice)
    background = draw_background(dice, bird, size)
    cover, shade, plumage, whole = paint_bird(bird, size)
    static = background * (1 - whole[..., None])
    static += plumage
    return Scene(size, static, shade, cover, whole, colours)


def scene_colours(seed: int, index: int) -> dict[str, str]:
    """The colours of a scene (part -> colour name) without drawing it, which takes microseconds.

    Args:
        seed: names a whole series of scenes.
        index: number within the series.

    Raises:
        ValueError: the seed or the index is negative.
    """
    return _begin(seed, index)[1]


def _begin(seed: int, index: int) -> tuple[Dice, dict[str, str]]:
    """A scene's dice after their first draws, the colours."""
    if seed < 0 or index < 0:
        raise ValueError(f"seed and index must not be negative, got {seed} and {index}")
    dice = Dice(seed, index)
    return dice, {part: dice.pick(_NAMES) for part in PARTS}
