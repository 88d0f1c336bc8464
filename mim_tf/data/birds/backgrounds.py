"""The landscapes behind the birds.

Each is a far layer on a fixed grid, enlarged and so out of focus, and sharp things before it.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import cv2
import numpy as np

from mim_tf.data.birds.decorations import (
    AUTUMN,
    BARK,
    BERRIES,
    GREENS,
    PETALS,
    berries,
    blossom,
    blossoms,
    frame_sprays,
    leaves,
    perch,
    post,
    reeds,
    stone,
)
from mim_tf.data.birds.drawing import (
    LEAF,
    Array,
    Dice,
    Tone,
    ball,
    blades,
    fill,
    fill_convex,
    mix,
    scaled,
    spline,
    stroke,
)
from mim_tf.data.birds.shapes import Bird

_GRID = 64  # cells of the far layers, at any size of the picture

# The main tones of each landscape, one choice a row or two.
# fmt: off
_SKIES = (  # top, low
    ((58, 122, 206), (176, 212, 238)), ((92, 152, 216), (222, 234, 240)),
    ((40, 98, 190), (132, 186, 232)), ((128, 158, 186), (214, 220, 222)),
)
_HILLS = ((92, 124, 108), (108, 130, 158), (96, 140, 84))
_FOLIAGES = (  # dark, light
    ((34, 74, 44), (112, 158, 84)), ((60, 104, 52), (172, 200, 120)),
    ((24, 58, 50), (80, 128, 92)),
)
_WATERS = (  # deep, bright
    ((30, 84, 122), (142, 196, 214)), ((38, 98, 104), (158, 204, 190)),
    ((54, 78, 130), (176, 190, 222)), ((70, 92, 104), (196, 206, 206)),
)
_GREY_BANK = ((120, 128, 112), (92, 104, 92), (150, 140, 112))
_MEADOW_SKIES = ((120, 176, 228), (178, 208, 230), (226, 222, 200))
_MEADOWS = (  # near, far away
    ((66, 124, 48), (168, 194, 112)), ((92, 142, 52), (196, 208, 128)),
    ((126, 130, 58), (214, 200, 130)),
)
_HEDGES = ((86, 118, 84), (112, 142, 98), (76, 104, 92))
_SUNSETS = (  # top, middle, low
    ((64, 58, 120), (212, 106, 112), (252, 196, 98)),
    ((54, 78, 140), (236, 150, 110), (254, 222, 142)),
    ((98, 62, 128), (232, 112, 124), (250, 178, 130)),
    ((116, 134, 178), (246, 186, 150), (252, 228, 170)),
)
_DUSK_LEAVES = ((46, 52, 48), (62, 58, 62))
_AUTUMNS = (  # light, dark
    ((238, 214, 150), (150, 92, 46)), ((224, 178, 98), (112, 66, 44)),
    ((206, 214, 216), (172, 120, 66)),
)
_WINTERS = (  # top, low
    ((174, 190, 208), (230, 236, 242)), ((132, 156, 190), (216, 226, 238)),
    ((196, 196, 202), (238, 236, 236)),
)
_ORCHARDS = (  # top, low
    ((150, 194, 232), (226, 232, 238)), ((196, 214, 196), (232, 226, 216)),
    ((206, 190, 222), (240, 226, 232)),
)
_WOODS = (  # dark, light
    ((26, 48, 40), (110, 140, 98)), ((44, 52, 62), (150, 164, 168)),
    ((58, 62, 36), (176, 178, 110)),
)
# fmt: on


def draw_background(dice: Dice, bird: Bird, size: int) -> Array:
    """[H, W, 3] float32 in 0..1: one of several landscapes, and what the bird perches on."""
    near = dice.pick(_LANDSCAPES)(dice, bird, 2 * size)
    small: Array = cv2.resize(near, (size, size), interpolation=cv2.INTER_AREA)
    return small.astype(np.float32) / 255


# --- far layers ---------------------------------------------------------------------------------


def _gradient(*stops: tuple[float, Tone]) -> Array:
    """[64, 64, 3] uint8, from top (0) to bottom (1)."""
    at = [stop[0] for stop in stops]
    rows = np.linspace(0, 1, _GRID)
    channels = [np.interp(rows, at, [stop[1][c] for stop in stops]) for c in range(3)]
    colours = np.stack(channels, axis=1).astype(np.uint8)
    return np.repeat(colours[:, None], _GRID, axis=1)


def _bokeh(
    dice: Dice,
    far: Array,
    palette: Sequence[Tone],
    count: int,
    radii: tuple[float, float],
    rows: tuple[float, float] = (-0.1, 1.1),
) -> None:
    """Discs of out-of-focus light or leaves, in place."""
    draws = dice.array(count, 4)
    spots = np.rint(draws[:, :2] * [1.2, rows[1] - rows[0]] * _GRID * 16).astype(int)
    spots += np.rint(np.array([-0.1, rows[0]]) * _GRID * 16).astype(int)
    sizes = ((radii[0] + (radii[1] - radii[0]) * draws[:, 2]) * _GRID * 16).astype(int)
    picks = (draws[:, 3] * len(palette)).astype(int)
    for (x, y), radius, i in zip(spots.tolist(), sizes.tolist(), picks.tolist(), strict=True):
        cv2.circle(far, (x, y), radius, palette[i], -1, cv2.LINE_8, 4)


@functools.cache
def _fractal() -> Array:
    """[256, 256] float32 in 0..1: cloudy noise, the same in every process."""
    rng = np.random.default_rng(77)
    total = np.zeros((256, 256), np.float32)
    for cells, weight in ((5, 1.0), (10, 0.55), (20, 0.3), (40, 0.16), (80, 0.09)):
        grid = rng.random((cells, cells)).astype(np.float32)
        total += weight * cv2.resize(grid, (256, 256), interpolation=cv2.INTER_CUBIC)
    low, high = np.percentile(total, (2, 98))
    tile: Array = np.clip((total - low) / (high - low), 0, 1)
    return tile


def _window(dice: Dice, rows: int, columns: int) -> Array:
    """A random piece of the cloudy noise, stretched over the grid: [64, 64] float32."""
    y, x = int(dice.between(0, 256 - rows)), int(dice.between(0, 256 - columns))
    piece = _fractal()[y : y + rows, x : x + columns]
    stretched: Array = cv2.resize(piece, (_GRID, _GRID), interpolation=cv2.INTER_LINEAR)
    return stretched


def _clouds(
    dice: Dice, far: Array, tone: Tone, cover: float, rows: int = 150, columns: int = 110
) -> Array:
    """Clouds over the far layer: cover 0..1; the undersides a little darker."""
    noise = _window(dice, rows, columns)
    alpha = np.clip((noise - 1 + cover) * 3.2, 0, 1)[..., None]
    below = np.clip((np.roll(noise, 4, axis=0) - noise) * 1.2 + 0.06, 0, 0.22)[..., None]
    mixed = far * (1 - alpha) + np.array(tone, np.float32) * (1 - below) * alpha
    return mixed.astype(np.uint8)


def _trunk(far: Array, left: tuple[float, float], right: tuple[float, float], tone: Tone) -> None:
    """A tree's trunk, or a side of it: x of its edges, each at the top and at the foot."""
    outline = [[left[0], -0.1], [right[0], -0.1], [right[1], 1.1], [left[1], 1.1]]
    fill(far, outline, tone, cv2.LINE_8)


def _enlarge(far: Array, n: int, blur: float) -> Array:
    """The far layer at full resolution, out of focus by `blur` (in grid cells)."""
    soft = cv2.GaussianBlur(far, (0, 0), blur)
    # Twice the size, linear does as well and is quicker; beyond that its seams would show.
    way = cv2.INTER_CUBIC if n > 2 * _GRID else cv2.INTER_LINEAR
    large: Array = cv2.resize(soft, (n, n), interpolation=way)
    return large


def _ridge(dice: Dice, picture: Array, base: float, tone: Tone) -> None:
    """Hills from about `base` down to the lower rim."""
    heights = base + (dice.array(6) - 0.5) * 0.1
    ridge = spline(np.stack([np.linspace(-0.1, 1.1, 6), heights], axis=1), closed=False)
    fill(picture, np.concatenate([ridge, [[1.1, 1.1], [-0.1, 1.1]]]), tone)


# --- landscapes: [n, n, 3] uint8 ----------------------------------------------------------------


def _sky(dice: Dice, bird: Bird, n: int) -> Array:
    top, low = dice.pick(_SKIES)
    far = _clouds(dice, _gradient((0, top), (1, low)), (253, 252, 250), dice.between(0.25, 0.68))
    picture = _enlarge(far, n, 0.6)
    if dice.chance(0.4):
        tone = dice.pick(_HILLS)
        _ridge(dice, picture, 0.8, mix(tone, low, 0.45))
        _ridge(dice, picture, 0.88, tone)
    trim = blossoms(dice.pick(PETALS)) if dice.chance(0.4) else None
    palette = GREENS[:3] if dice.chance(0.7) else ()
    perch(dice, picture, bird, dice.pick(BARK), palette, trim)
    return picture


def _foliage(dice: Dice, bird: Bird, n: int) -> Array:
    dark, light = dice.pick(_FOLIAGES)
    top, low = (light, dark) if dice.chance(0.6) else (dark, light)
    far = _gradient((0, top), (1, low))
    tones = [mix(dark, light, s) for s in (0.1, 0.4, 0.7, 1.0)]
    _bokeh(dice, far, [*tones, mix(light, (240, 244, 190), 0.4)], 26, (0.05, 0.15))
    spot = dice.pick(PETALS)
    if dice.chance(0.5):
        _bokeh(dice, far, [spot], 7, (0.025, 0.06))
    picture = _enlarge(far, n, 2.0)
    trim = dice.pick((berries(dice.pick(BERRIES)), blossoms(spot), None))
    bark, palette = dice.pick(BARK), GREENS[:4] if dice.chance(0.6) else GREENS[1:]
    frame_sprays(dice, picture, bark, palette, trim, 2)
    perch(dice, picture, bird, bark, palette, trim)
    return picture


def _water(dice: Dice, bird: Bird, n: int) -> Array:
    shore = dice.between(0.16, 0.36)
    deep, bright = dice.pick(_WATERS)
    far = _gradient((0, (196, 222, 238)), (shore, (228, 236, 236)))
    edge = int(shore * _GRID)
    bank = dice.pick((GREENS, AUTUMN, _GREY_BANK))
    _bokeh(dice, far, bank, 26, (0.035, 0.075), (shore - 0.07, shore - 0.02))
    far[edge:] = _gradient((0, bright), (shore, bright), (1, deep))[edge:]
    # The bank mirrored, fading with the distance from the shore.
    reach = min(edge, 14)
    fade = np.linspace(0.75, 0, reach)[:, None, None]
    mirrored = far[edge - reach : edge][::-1]
    far[edge : edge + reach] = far[edge : edge + reach] * (1 - fade) + mirrored * fade
    strength = np.linspace(20, 95, _GRID - edge)[:, None, None]
    ripple = (_window(dice, 250, 26) - 0.5)[edge:, :, None] * strength
    far[edge:] = np.clip(far[edge:] + ripple, 0, 255)
    picture = _enlarge(far, n, 0.8)
    for x, s, w in dice.array(12, 3).tolist():  # glints
        y = shore + 0.05 + (0.93 - shore) * s
        half, thick = (0.02 + 0.06 * w) * (0.4 + s), 0.006 * (0.5 + s)
        glint = [[x - half, y], [x, y - thick], [x + half, y], [x, y + thick]]
        fill(picture, glint, mix(bright, (255, 255, 255), 0.6))
    branch = bird.flying or dice.chance(0.4)
    reeds(dice, picture)
    if branch:
        perch(dice, picture, bird, dice.pick(BARK), GREENS[:3] if dice.chance(0.4) else ())
    else:
        stone(dice, picture, bird)
    return picture


def _meadow(dice: Dice, bird: Bird, n: int) -> Array:
    horizon = dice.between(0.3, 0.55)
    sky = dice.pick(_MEADOW_SKIES)
    near, away = dice.pick(_MEADOWS)
    haze = mix(sky, (255, 255, 250), 0.7)
    far = _gradient((0, sky), (horizon, haze), (horizon + 0.02, away), (1, near))
    _bokeh(dice, far, _HEDGES, 9, (0.04, 0.1), (horizon - 0.04, horizon + 0.02))
    flower, other = dice.pick(PETALS), dice.pick(PETALS)
    specks = (flower, other, mix(near, away, 0.5))
    _bokeh(dice, far, specks, 16, (0.012, 0.03), (horizon + 0.08, 1))
    picture = _enlarge(far, n, 1.2)
    draws = dice.array(26, 3)
    base = np.stack([draws[:, 0] * 1.1 - 0.05, np.full(len(draws), 1.03)], axis=1)
    angle, length = 90 + (draws[:, 2] - 0.5) * 50, 0.12 + 0.2 * draws[:, 1]
    grass = blades(base, angle, length, np.full(len(draws), 0.022), LEAF)
    fill_convex(picture, grass, np.array(GREENS)[(draws[:, 1] * 5).astype(int)])
    for _ in range(dice.count(2, 5)):
        x, y = dice.between(0.03, 0.97), dice.between(0.7, 0.93)
        stalk = stroke(np.array([x, y]), np.array([x + 0.01, 1.03]), 0.01, 0.014)
        fill(picture, stalk, (74, 118, 50))
        blossom(dice, picture, x, y, dice.between(0.035, 0.06), dice.pick((flower, other)))
    if not bird.flying and dice.chance(0.55):
        post(dice, picture, bird)
    else:
        perch(dice, picture, bird, dice.pick(BARK), GREENS[:3] if dice.chance(0.6) else ())
    return picture


def _sunset(dice: Dice, bird: Bird, n: int) -> Array:
    top, middle, low = dice.pick(_SUNSETS)
    far = _gradient((0, top), (0.5, middle), (0.85, low), (1, low))
    far = _clouds(dice, far, mix(middle, (255, 226, 200), 0.45), dice.between(0.25, 0.55), 200, 50)
    x, y, r = dice.between(0.1, 0.9), dice.between(0.35, 0.75), dice.between(0.06, 0.11)
    glow: Array = np.zeros((_GRID, _GRID), np.uint8)
    ball(glow, x, y, 1.7 * r, 120)
    glow = cv2.GaussianBlur(glow, (0, 0), 5)
    far = cv2.add(far, cv2.cvtColor(glow, cv2.COLOR_GRAY2RGB) // np.array([2, 3, 5], np.uint8))
    picture = _enlarge(far, n, 0.8)
    ball(picture, x, y, r, (255, 240, 190))
    _ridge(dice, picture, 0.84, mix(middle, top, 0.55))
    _ridge(dice, picture, 0.91, scaled(top, 0.55))
    perch(dice, picture, bird, dice.pick(BARK[1:]), _DUSK_LEAVES if dice.chance(0.6) else ())
    return picture


def _autumn(dice: Dice, bird: Bird, n: int) -> Array:
    light, dark = dice.pick(_AUTUMNS)
    far = _gradient((0, light), (1, dark))
    _bokeh(dice, far, (*AUTUMN, light, (132, 140, 66)), 30, (0.04, 0.13))
    picture = _enlarge(far, n, 2.2)
    bark = dice.pick(BARK)
    trim = berries(dice.pick(BERRIES)) if dice.chance(0.4) else None
    frame_sprays(dice, picture, bark, AUTUMN[:4], trim, 2)
    count = dice.count(2, 6)
    places, angles, sizes = dice.array(count, 2), dice.array(count), dice.array(count)
    leaves(dice, picture, places, angles * 360, 0.05 + 0.05 * sizes, AUTUMN)  # falling
    perch(dice, picture, bird, bark, AUTUMN[:4], trim)
    return picture


def _winter(dice: Dice, bird: Bird, n: int) -> Array:
    top, low = dice.pick(_WINTERS)
    far = _gradient((0, top), (0.8, low), (1, (246, 248, 252)))
    for _ in range(dice.count(2, 5)):
        x, w = dice.between(0, 1), dice.between(0.02, 0.06)
        tone = mix(dice.pick(BARK), low, 0.45)
        _trunk(far, (x, x - w * 0.3), (x + w, x + w * 1.3), tone)
    _bokeh(dice, far, ((248, 250, 253), low, scaled(low, 0.93)), 16, (0.03, 0.1), (0.55, 1.1))
    picture = _enlarge(far, n, 1.6)
    bark = dice.pick(BARK[1:])
    trim = berries(BERRIES[0], 0.026) if dice.chance(0.65) else None
    frame_sprays(dice, picture, bark, (), trim, 2)
    perch(dice, picture, bird, bark, (), trim, snow=True)
    for x, y, r in dice.array(22, 3).tolist():  # snowflakes
        ball(picture, x, y, 0.005 + 0.008 * r, (252, 253, 255))
    return picture


def _orchard(dice: Dice, bird: Bird, n: int) -> Array:
    top, low = dice.pick(_ORCHARDS)
    far = _gradient((0, top), (1, low))
    petal = dice.pick(PETALS[:4])
    _bokeh(dice, far, (petal, mix(petal, low, 0.5), (150, 180, 120), low), 20, (0.04, 0.11))
    picture = _enlarge(far, n, 2.0)
    bark, palette = dice.pick(BARK[1:3]), GREENS[2:3] if dice.chance(0.6) else ()
    frame_sprays(dice, picture, bark, palette, blossoms(petal, 0.055), 2)
    perch(dice, picture, bird, bark, palette, blossoms(petal, 0.05))
    return picture


def _woods(dice: Dice, bird: Bird, n: int) -> Array:
    dark, light = dice.pick(_WOODS)
    far = _gradient((0, light), (1, dark))
    _bokeh(dice, far, (mix(dark, light, 0.3), mix(dark, light, 0.7), light), 14, (0.05, 0.12))
    for _ in range(dice.count(3, 6)):
        x, w = dice.between(-0.05, 1), dice.between(0.03, 0.11)
        tone = mix(dice.pick(BARK), light, dice.between(0, 0.4))
        left = (x, x - w * 0.25)
        _trunk(far, left, (x + w, x + w * 1.25), tone)
        _trunk(far, left, (x + w * 0.4, x + w * 0.4), scaled(tone, 1.25))
    picture = _enlarge(far, n, 1.1)
    bark = dice.pick(BARK)
    trim = dice.pick((berries(dice.pick(BERRIES)), None, None))
    frame_sprays(dice, picture, bark, GREENS[:4], trim, 1)
    perch(dice, picture, bird, bark, GREENS[:4], trim)
    return picture


_LANDSCAPES = (
    _sky, _sky, _foliage, _foliage, _water, _meadow, _sunset, _autumn, _winter, _orchard, _woods,
)  # fmt: skip
