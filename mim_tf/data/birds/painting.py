"""Rasterise the bird's outlines: coverage and shade of each part, and the static plumage.

The outlines are filled into one map of layer numbers at several times the picture's resolution.
Lookup tables turn layer numbers into coverage and tone, and averaging over areas gives the
anti-aliased maps at the picture's resolution.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import cv2
import numpy as np

from mim_tf.data.birds.drawing import Array, fill
from mim_tf.data.birds.outlines import BELLY, CROWN, STATIC, Bird

# Light and shadow are computed on a grid of this size, whatever the picture's size, so that they
# look the same at every resolution.
_GRID = 64


def paint_bird(bird: Bird, size: int, parts: int) -> tuple[Array, Array, Array, Array]:
    """Rasterise a bird whose outlines are of the first ``parts`` kinds, P, and STATIC.

    The maps at the fine resolution are bytes, several times as fast as floats. Rounding them costs
    no exactness: a picture is linear in the part colours because it is computed from the maps that
    this function returns.

    Returns:
        Coverage of each part [H, W, P], its shade [H, W, P], the static plumage [H, W, 3] and the
        coverage of the whole bird [H, W]; float32 in 0..1.
    """
    # Fine pixels for each pixel of the picture, in each direction.
    k = max(3, min(8, 256 // size))
    # The bird's bounding box in pixels; only this part of the picture is computed.
    low = np.maximum(np.floor(bird.points.min(axis=0) * size).astype(int) - 1, 0)
    high = np.minimum(np.ceil(bird.points.max(axis=0) * size).astype(int) + 2, size)
    (w, h), (x0, y0) = (high - low).tolist(), low.tolist()
    layers = np.zeros((h * k, w * k), np.uint8)
    # OpenCV takes whole numbers with four fractional bits.
    fixed = np.rint(((bird.points * size - low) * k - 0.5) * 16).astype(np.int32)
    for number, piece in enumerate(bird.pieces(fixed), 1):
        cv2.fillPoly(layers, [piece], number, cv2.LINE_8, 4)

    n = len(bird.layers) + 1
    kinds = np.full(256, -1)
    kinds[1:n] = [layer.kind for layer in bird.layers]
    tones = np.zeros((256, 3))
    tones[1:n] = [layer.tone for layer in bird.layers]
    tones = np.rint(255 * tones).astype(np.uint8)
    light = _light(bird, layers, (x0, y0, w, h), size, k)

    def lit(table: Array) -> Array:
        """The fine map of a tone for each layer number, multiplied by the light."""
        product: Array = cv2.multiply(cv2.LUT(layers, table), light, scale=1 / 255)
        return product

    def mask(flags: Array) -> Array:
        """The fine map of a flag for each layer number: 255 where it is true, else 0."""
        covered: Array = cv2.LUT(layers, np.where(flags, np.uint8(255), np.uint8(0)))
        return covered

    def shrink(channels: Sequence[Array]) -> Array:
        """Fine maps averaged to the picture's resolution: [H, W, C] float32, 0 off the box."""
        fine = cv2.merge(channels)
        crop = cv2.resize(fine, (w, h), interpolation=cv2.INTER_AREA).reshape(h, w, -1)
        full = np.zeros((size, size, crop.shape[2]), np.float32)
        np.multiply(crop, np.float32(1 / 255), out=full[y0 : y0 + h, x0 : x0 + w])
        return full

    value = lit(tones[:, 0])
    masks = [mask(kinds == part) for part in range(parts)]
    static_tones = tones * (kinds == STATIC)[:, None].astype(np.uint8)
    cover = shrink(masks)
    shades = shrink([cv2.bitwise_and(value, part) for part in masks])
    plumage_and_bird = shrink(
        [*(lit(static_tones[:, channel]) for channel in range(3)), mask(kinds >= 0)]
    )
    plumage, whole = plumage_and_bird[..., :3], plumage_and_bird[..., 3]
    return cover, np.minimum(shades, cover), plumage, whole


def _light(bird: Bird, layers: Array, box: tuple[int, int, int, int], size: int, k: int) -> Array:
    """The light at each fine pixel of the bounding box.

    Args:
        layers: [h * k, w * k] uint8, layer numbers from 1, 0 for none.
        box: (x, y, w, h) of the bounding box in pixels.
        size: of the picture in pixels.
        k: fine pixels for each pixel, in each direction.

    Returns:
        [h * k, w * k] uint8, 255 is full light. It is darkened where the body turns away from the
        light, in the wing's shadow, and by the plumage's speckle, each as much as the layer's own
        weight for it says.
    """
    x0, y0, w, h = box
    maps = cv2.merge((_form(bird), _shadow(bird), _texture(bird.texture)))
    # Sample the maps at the centres of the box's fine pixels, in the coordinates of the grid.
    step = _GRID / (size * k)
    shift = step / 2 - 0.5
    warp = np.array([[step, 0, x0 * k * step + shift], [0, step, y0 * k * step + shift]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    fine = cv2.warpAffine(maps, warp, (w * k, h * k), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    tables = np.zeros((3, 256), np.uint8)
    weights = [(layer.form, layer.shadowed, layer.speckle) for layer in bird.layers]
    tables[:, 1 : len(weights) + 1] = np.rint(255 * np.array(weights)).T
    light: Array = np.full(layers.shape, 255, np.uint8)
    for dark, table in zip(cv2.split(fine), tables, strict=True):
        passed = cv2.bitwise_not(cv2.multiply(cv2.LUT(layers, table), dark, scale=1 / 255))
        light = cv2.multiply(light, passed, scale=1 / 255)
    return light


def _form(bird: Bird) -> Array:
    """[64, 64] uint8 in 0..84: the darkening where the body's surface turns away from the light.

    A blurred silhouette serves as the height of the rounded body; its slope against the light's
    direction is the darkening.
    """
    body = np.zeros((_GRID, _GRID), np.uint8)
    for number, outline in enumerate(bird.pieces(bird.points)):
        if number == bird.trunk or bird.layers[number].kind in (BELLY, CROWN):
            fill(body, outline, 255, cv2.LINE_8)
    soft = cv2.GaussianBlur(body, (0, 0), 4).astype(np.float32) / 255
    lx, ly = bird.light
    slope = lx * cv2.Sobel(soft, cv2.CV_32F, 1, 0) + ly * cv2.Sobel(soft, cv2.CV_32F, 0, 1)
    dark: Array = np.clip(12 + 95 * slope, 0, 84).astype(np.uint8)
    return dark


def _shadow(bird: Bird) -> Array:
    """[64, 64] uint8 in 0..100: the darkening by the soft shadow of the near wing."""
    shadow: Array = np.zeros((_GRID, _GRID), np.uint8)
    fill(shadow, bird.shadow, 100, cv2.LINE_8)
    blurred: Array = cv2.GaussianBlur(shadow, (0, 0), 1.5)
    return blurred


def _texture(offset: tuple[float, float]) -> Array:
    """[64, 64] uint8 in 0..76: the darkening by the plumage's soft speckle."""
    x, y = (int(o * 190) for o in offset)
    return _noise_tile()[y : y + _GRID, x : x + _GRID]


@functools.cache
def _noise_tile() -> Array:
    """[256, 256] uint8 in 0..76: fine noise, the same in every process."""
    rng = np.random.default_rng(20240229)
    noise = cv2.GaussianBlur(rng.random((256, 256)).astype(np.float32), (0, 0), 0.7)
    tile: Array = (76 * np.clip((noise - 0.5) * 2.2 + 0.5, 0, 1)).astype(np.uint8)
    return tile
