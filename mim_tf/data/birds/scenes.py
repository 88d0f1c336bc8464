"""Procedural birds: small painted scenes whose every colour edit has an exact true picture.

A scene is split once into a static picture and one shading map for each coloured part, so that a
picture is *linear* in the part colours: `static + sum_p shade_p * colour_p`. Rendering the same
scene with other part colours therefore gives the ground truth of a text-guided edit, and no byte
outside the changed parts differs.

Every random draw is in units of the picture's side, never in pixels: the same seed and index give
the same scene at any resolution. `shapes` draws the outlines of the bird, `painting` rasterises
them, and `backgrounds` paints the landscape behind them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import cv2
import numpy as np

from mim_tf.data.birds.backgrounds import draw_background
from mim_tf.data.birds.drawing import Array, Dice
from mim_tf.data.birds.painting import paint_bird
from mim_tf.data.birds.shapes import draw_bird
from mim_tf.data.source import Marks

# In the order of the constants WINGS, BELLY, CROWN and TAIL in `outlines`.
PARTS = ("wings", "belly", "crown", "tail")

# sRGB. Why pink and neither orange nor brown: of the three, pink lies farthest in CIELAB from the
# other seven, so it is the least likely to be confused with another colour.
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

_LEAST_DEPTH = 0.03  # of the picture: how far from its part's rim a second point lies

_RGB = {name: np.array(rgb, np.float32) / 255 for name, rgb in COLOURS.items()}
_NAMES = tuple(COLOURS)


@dataclass(frozen=True)
class Scene:
    """One bird in front of one background, split into the coloured parts and everything else.

    P is the number of coloured parts, C of the colours that they may have. A pixel's coverage by a
    part is the share of its area that the part takes, after what lies in front is taken off.

    Attributes:
        size: H = W in pixels.
        static: [H, W, 3] float32 in 0..1, everything that is not a coloured part (background and
            natural plumage), weighted by its coverage.
        shade: [H, W, P] float32 in 0..1, light times texture times coverage of each part.
        regions: [H, W, P] float32 in 0..1, coverage of each part.
        bird: [H, W] float32 in 0..1, coverage of the whole bird.
        colours: part -> colour name, the colours that were drawn for this scene.
        parts: names of the P parts.
        visible: the parts that show enough to be spoken of.
        palette: colour name -> [3] float32 in 0..1, what the C colours look like in this scene.
    """

    size: int
    static: Array
    shade: Array
    regions: Array
    bird: Array
    colours: dict[str, str]
    parts: tuple[str, ...] = PARTS
    visible: tuple[str, ...] = PARTS
    palette: Mapping[str, Array] = field(default_factory=lambda: _RGB)

    def render(self, colours: Mapping[str, str] | None = None) -> Array:
        """The picture with these part colours (part -> name; the scene's own when None).

        Returns:
            [H, W, 3] uint8, sRGB.
        """
        named = self.colours if colours is None else colours
        table = np.stack([self.palette[named[part]] for part in self.parts])
        picture = self.static + self.shade @ table
        return np.rint(255 * np.clip(picture, 0, 1)).astype(np.uint8)

    def expected(self, part: str, colours: Mapping[str, str]) -> Array:
        """The mean colour that the part's pixels would have in each of the colours.

        Args:
            part: an element of `parts`.
            colours: part -> colour name for all parts; the entry of ``part`` is ignored.

        Returns:
            [C, 3] float32 in 0..1, rows in the order of `palette`.
        """
        index = self.parts.index(part)
        inside = self._pixels_of(index)
        black = np.zeros(3, np.float32)
        other_colours = np.stack(
            [black if name == part else self.palette[colours[name]] for name in self.parts]
        )
        shade = self.shade[inside]
        without_part = self.static[inside] + shade @ other_colours
        table = np.stack(list(self.palette.values()))
        pixels = without_part[None] + shade[None, :, index, None] * table[:, None, :]
        means: Array = np.clip(pixels, 0, 1).mean(axis=1)
        return means

    def read_colour(self, part: str, picture_uint8: Array, colours: Mapping[str, str]) -> str:
        """The colour name whose expected mean is nearest to the part's mean in a picture.

        Args:
            part: an element of `parts`.
            picture_uint8: [H, W, 3] uint8, sRGB, of this scene's size.
            colours: colours of the other parts, as for `expected`.
        """
        mean = picture_uint8[self._pixels_of(self.parts.index(part))].mean(axis=0) / 255
        distance = ((self.expected(part, colours) - mean) ** 2).sum(axis=1)
        return tuple(self.palette)[int(distance.argmin())]

    def marks(self) -> Marks:
        """Points that lie well within each visible part, and the box around the bird.

        The first point of a part is the one farthest from its rim; a second one is the farthest
        where the part goes on beyond the disc around the first.
        """
        rows, columns = np.nonzero(self.bird >= min(0.5, self.bird.max()))
        top, left, bottom, right = rows.min(), columns.min(), rows.max() + 1, columns.max() + 1
        box = (int(left), int(top), int(right - left), int(bottom - top))
        points = {part: self._points_of(self.parts.index(part)) for part in self.visible}
        return Marks(box, points)

    def _points_of(self, index: int) -> tuple[tuple[float, float], ...]:
        inside = self._pixels_of(index).astype(np.uint8)
        found: list[tuple[float, float]] = []
        for _ in range(2):
            depth = cv2.distanceTransform(inside, cv2.DIST_L2, 3)
            y, x = divmod(int(depth.argmax()), self.size)
            if depth[y, x] <= 0 or (found and depth[y, x] < _LEAST_DEPTH * self.size):
                break
            found.append((x + 0.5, y + 0.5))
            cv2.circle(inside, (x, y), int(2 * depth[y, x]), 0, -1)
        return tuple(found)

    def _pixels_of(self, index: int) -> Array:
        """[H, W] bool: the pixels that a part covers by more than half.

        Where these are fewer than eight, the eight pixels with the highest coverage are taken, so
        that a mean over them is not one pixel's noise.
        """
        region = self.regions[..., index]
        inside = region > 0.5
        if np.count_nonzero(inside) < 8:
            inside = region >= max(float(np.partition(region, -8, axis=None)[-8]), 1e-6)
        return inside


def scene(seed: int, index: int, size: int) -> Scene:
    """Draw the scene of a seed and an index; the same arguments give the same bytes.

    Args:
        seed: selects a series of scenes, >= 0.
        index: the scene's number within the series, >= 0.
        size: H = W in pixels, 32..256; it changes the resolution only, not the scene.

    Raises:
        ValueError: the size is outside 32..256, or the seed or the index is negative.
    """
    if not MIN_SIZE <= size <= MAX_SIZE:
        raise ValueError(f"size must be within {MIN_SIZE}..{MAX_SIZE}, got {size}")
    dice, colours = _draw_colours(seed, index)
    bird = draw_bird(dice)
    background = draw_background(dice, bird, size)
    cover, shade, plumage, whole = paint_bird(bird, size, len(PARTS))
    static = background * (1 - whole[..., None])
    static += plumage
    return Scene(size, static, shade, cover, whole, colours)


def scene_colours(seed: int, index: int) -> dict[str, str]:
    """The colours of a scene (part -> colour name), without the cost of drawing the scene.

    Args:
        seed: selects a series of scenes, >= 0.
        index: the scene's number within the series, >= 0.

    Raises:
        ValueError: the seed or the index is negative.
    """
    return _draw_colours(seed, index)[1]


def _draw_colours(seed: int, index: int) -> tuple[Dice, dict[str, str]]:
    """The scene's random numbers and its colours, which are the first to be drawn from them."""
    if seed < 0 or index < 0:
        raise ValueError(f"seed and index must not be negative, got {seed} and {index}")
    dice = Dice(seed, index)
    return dice, {part: dice.pick(_NAMES) for part in PARTS}
