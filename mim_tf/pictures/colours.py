"""Names of colours: which one pixels have, of the eleven basic ones or those that shops name.

Colours are compared in CIELAB (D65) with lightness at half weight, because shade and sun change the
lightness of plumage or cloth far more than its hue: the distance of two colours is
`sqrt((dL / 2)^2 + da^2 + db^2)`.
"""

from __future__ import annotations

from functools import cache

import numpy as np

Levels = tuple[int, int, int]
"""sRGB levels in 0..255."""

COLOURS: dict[str, Levels] = {
    "black": (28, 27, 27),
    "white": (236, 235, 232),
    "grey": (130, 130, 130),
    "brown": (112, 78, 50),
    "red": (186, 32, 36),
    "orange": (226, 122, 36),
    "yellow": (232, 206, 56),
    "green": (86, 134, 60),
    "blue": (58, 104, 184),
    "purple": (112, 62, 146),
    "pink": (228, 142, 164),
}
"""sRGB levels of the eleven basic colour terms, as muted as photographs have them."""

SHOP_COLOURS: dict[str, Levels] = {
    "black": (47, 54, 57),
    "white": (225, 227, 227),
    "grey": (184, 185, 185),
    "brown": (135, 126, 100),
    "red": (192, 68, 84),
    "orange": (247, 162, 106),
    "yellow": (247, 226, 127),
    "green": (130, 178, 154),
    "blue": (113, 149, 182),
    "purple": (140, 97, 142),
    "pink": (239, 169, 193),
    "navy blue": (89, 90, 104),
}
"""The eleven terms and navy blue as a shop gives them to brightly lit clothes, many of them striped
or printed: medians over training photographs of that name."""

Palette = tuple[tuple[str, Levels], ...]
"""Names with levels; a name may stand several times."""

CLOTHES: Palette = (*COLOURS.items(), ("navy blue", (32, 40, 84)), *SHOP_COLOURS.items())
"""Names of clothes' colours: each as it is elsewhere, and as a shop uses it."""

LIGHTNESS_WEIGHT = 0.5

RADIUS_SHARE = 0.03
"""Radius of the disc around a marked point, of the longer side of the object's box."""

# Linear sRGB to CIE XYZ, divided by the white point of D65.
_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375],
     [0.2126729, 0.7151522, 0.0721750],
     [0.0193339, 0.1191920, 0.9503041]]
) / np.array([[0.95047], [1.0], [1.08883]])  # fmt: skip


def to_lab(levels: np.ndarray) -> np.ndarray:
    """CIELAB of sRGB levels.

    Args:
        levels: `[..., 3]` in 0..255.

    Returns:
        float64 `[..., 3]`: L in 0..100, a, b.
    """
    signal = np.asarray(levels, np.float64) / 255
    linear = np.where(signal <= 0.04045, signal / 12.92, ((signal + 0.055) / 1.055) ** 2.4)
    ratio = linear @ _TO_XYZ.T
    root = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio * (29 / 6) ** 2 / 3 + 4 / 29)
    x, y, z = root[..., 0], root[..., 1], root[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


_WEIGHTS = np.array([LIGHTNESS_WEIGHT, 1.0, 1.0])


_BASIC: Palette = tuple(COLOURS.items())


def nearest_colour(levels: np.ndarray) -> str:
    """The name in `COLOURS` that lies nearest to a colour, sRGB `[3]` in 0..255."""
    return commonest_colour(levels[None], _BASIC)


def commonest_colour(levels: np.ndarray, palette: Palette) -> str:
    """The name that most of some pixels have, each by its nearest colour; sRGB `[N, 3]`."""
    names, places, table = _table(palette)
    offsets = table - (to_lab(levels) * _WEIGHTS)[:, None]
    votes = places[np.argmin((offsets**2).sum(axis=-1), axis=1)]
    return names[int(np.argmax(np.bincount(votes, minlength=len(names))))]


@cache
def _table(palette: Palette) -> tuple[list[str], np.ndarray, np.ndarray]:
    """A palette's names; of each entry the place of its name; its weighted CIELAB."""
    names = list(dict.fromkeys(name for name, _ in palette))
    places = np.array([names.index(name) for name, _ in palette])
    return names, places, to_lab(np.array([levels for _, levels in palette])) * _WEIGHTS


def disc(height: int, width: int, point: tuple[float, float], radius: float) -> np.ndarray:
    """The pixels whose centres lie within a radius of a point, bool `[height, width]`.

    Args:
        point: (x, y) in pixels; the first pixel's centre is (0.5, 0.5).
        radius: in pixels. The pixel that holds the point always belongs to the disc.
    """
    x, y = point
    rows, columns = np.arange(height)[:, None], np.arange(width)[None, :]
    inside = (columns + 0.5 - x) ** 2 + (rows + 0.5 - y) ** 2 <= radius**2
    return np.asarray(inside | ((columns == int(x)) & (rows == int(y)) & (x >= 0) & (y >= 0)))


def colour_at(picture: np.ndarray, point: tuple[float, float], radius: float) -> str | None:
    """The name of the mean colour (of sRGB levels) in a `disc` of a uint8 picture `[H, W, 3]`.

    Returns:
        None where the disc lies outside of the picture.
    """
    # A disc covers few pixels of a photograph: cut them out before anything is computed.
    reach = int(np.ceil(radius)) + 1
    x, y = int(point[0]), int(point[1])
    left, top = max(0, x - reach), max(0, y - reach)
    patch = picture[top : max(0, y + reach + 1), left : max(0, x + reach + 1)]
    inside = disc(patch.shape[0], patch.shape[1], (point[0] - left, point[1] - top), radius)
    return nearest_colour(patch[inside].mean(axis=0)) if inside.any() else None
