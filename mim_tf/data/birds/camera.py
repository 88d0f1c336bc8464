"""What lies between a photographic bird and its picture: plumage in detail, light, lens, sensor.

Every step is linear in the colours of the parts (a factor or a blur of all maps alike, or something
added to the static picture), so that true edits stay exact.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from mim_tf.data.birds.drawing import Array, Dice
from mim_tf.data.birds.far_layers import cloudy_noise

# Feathers, form and shadow darken a drawn bird by about a quarter. That is made up for here, or
# white would look grey and orange brown.
_BRIGHTER = 1.3

_GRID = 64  # textures are drawn on a grid of this size, so that they are the same at every size


def plumage_texture(dice: Dice, size: int, scale: float, parts: int) -> Array:
    """[H, W, P] float32 in 0.25..1.6: a factor for the shade of each part.

    Streaks along one direction over all plumage, bars or scales on some of the parts, and a
    brightness of each part's own.

    Args:
        scale: the bird's size, 1 as drawn birds: larger birds show larger feathers.
    """
    angle = dice.between(0, 180)
    streaks = _turned(dice.array(_GRID, _GRID).astype(np.float32) - 0.5, angle, size, scale)
    factor = 1 + dice.between(0.1, 0.75) * streaks
    texture = np.repeat(factor[..., None], parts, axis=2)
    texture *= (_BRIGHTER + 0.22 * (dice.array(parts) - 0.5)).astype(np.float32)
    if dice.chance(0.45):
        bars = _bars(dice, size, scale)
        chosen = dice.array(parts) < 0.4
        texture[..., chosen] *= (1 - dice.between(0.15, 0.5) * bars)[..., None]
    clipped: Array = np.clip(texture, 0.25, 1.6).astype(np.float32)
    return clipped


def _turned(noise: Array, angle: float, size: int, scale: float) -> Array:
    """Noise blurred along a direction, enlarged to the picture's size."""
    long = cv2.GaussianBlur(noise, (0, 0), sigmaX=1.8, sigmaY=0.5)
    middle = _GRID / 2
    turn = cv2.getRotationMatrix2D((middle, middle), angle, 1.5 * max(scale, 0.7))
    turn *= size / _GRID
    streaks: Array = cv2.warpAffine(
        2 * long, turn, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
    )
    return streaks


def _bars(dice: Dice, size: int, scale: float) -> Array:
    """[H, W] float32 in 0..1: parallel bars, bent and broken."""
    angle, count = math.radians(dice.between(0, 180)), dice.between(10, 26) / max(scale, 0.7)
    at = (np.arange(size, dtype=np.float32) + 0.5) / size
    bend = _field(dice, size, 90) * dice.between(0.05, 0.3)
    phase = count * (math.cos(angle) * at[None, :] + math.sin(angle) * at[:, None] + bend)
    share = dice.between(-0.3, 0.5)  # how much narrower the bars are than the gaps
    bars = np.clip(2 * (np.sin(2 * math.pi * phase) - share), 0, 1)
    broken: Array = bars * np.clip(3 * (_field(dice, size, 140) - 0.25), 0, 1)
    return broken


def _field(dice: Dice, size: int, cells: int) -> Array:
    """[H, W] float32 in 0..1: cloudy noise, coarser with fewer cells."""
    noise: Array = cv2.resize(cloudy_noise(dice, cells, cells), (size, size))
    return noise


def light(dice: Dice, size: int) -> Array:
    """[H, W] float32, about 0.4..1.35: light that is stronger on one side, and shade of leaves."""
    at = (np.arange(size, dtype=np.float32) + 0.5) / size - 0.5
    angle, slope = dice.between(0, 2 * math.pi), dice.between(0, 0.5)
    falls = slope * (math.cos(angle) * at[None, :] + math.sin(angle) * at[:, None])
    field = dice.between(0.88, 1.12) * (1 + falls)
    if dice.chance(0.4):
        leaves = _field(dice, size, int(dice.between(20, 130)))
        field *= 1 - dice.between(0.1, 0.4) * np.clip(4 * (leaves - dice.between(0.3, 0.7)), 0, 1)
    even: Array = field.astype(np.float32)
    return even


def tint(dice: Dice) -> Array:
    """[3] float32: the colour of the light."""
    warm, green = dice.between(-0.08, 0.08), dice.between(-0.03, 0.03)
    colour: Array = np.array([1 + warm, 1 + green, 1 - warm], np.float32)
    return colour


def blur_of(dice: Dice) -> float:
    """Standard deviation of the lens's blur, as a share of the picture's side."""
    return dice.between(0.003, 0.013) if dice.chance(0.65) else 0.0


def blurred(maps: Array, sigma: float) -> Array:
    """Maps [H, W, C] blurred alike.

    Args:
        sigma: as of `blur_of`.
    """
    pixels = sigma * maps.shape[0]
    if pixels < 0.25:
        return maps
    soft: Array = cv2.GaussianBlur(maps, (0, 0), pixels, borderType=cv2.BORDER_REFLECT)
    return soft.reshape(maps.shape)


def noise(dice: Dice, size: int) -> Array:
    """[H, W, 3] float32 around 0: a sensor's noise, grey and coloured, perhaps in clumps."""
    strength = dice.between(0, 0.035)
    grain = dice.array(size, size, 1) + dice.array(size, size, 3) - 1
    if dice.chance(0.5):  # what JPEG and scaling leave of it
        grain = 1.8 * cv2.GaussianBlur(grain, (0, 0), 0.7)
    sensed: Array = (2 * strength * grain).astype(np.float32)
    return sensed
