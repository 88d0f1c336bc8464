"""The landscapes behind the birds: a far layer out of focus, and sharp things in front of it."""

from __future__ import annotations

import cv2
import numpy as np

from mim_tf.data.birds.decorations import (
    AUTUMN,
    BARK,
    BERRIES,
    GREENS,
    PETALS,
    TwigStyle,
    berries,
    blossom,
    blossoms,
    frame_twigs,
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
from mim_tf.data.birds.far_layers import (
    GRID,
    bokeh,
    clouds,
    cloudy_noise,
    enlarge,
    gradient,
    tree_trunk,
)
from mim_tf.data.birds.outlines import Bird

# The main tones of each landscape; a scene draws one entry.
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
    """[H, W, 3] float32 in 0..1: a random landscape, with what the bird stands on."""
    # Painted at twice the resolution; averaging down adds to the anti-aliasing.
    near = dice.pick(_LANDSCAPES)(dice, bird, 2 * size)
    small: Array = cv2.resize(near, (size, size), interpolation=cv2.INTER_AREA)
    return small.astype(np.float32) / 255


def _ridge(dice: Dice, picture: Array, base: float, tone: Tone) -> None:
    """Draw hills whose upper edge runs at about the height ``base``, in place."""
    heights = base + (dice.array(6) - 0.5) * 0.1
    ridge = spline(np.stack([np.linspace(-0.1, 1.1, 6), heights], axis=1), closed=False)
    fill(picture, np.concatenate([ridge, [[1.1, 1.1], [-0.1, 1.1]]]), tone)


# --- landscapes: each function paints one, [n, n, 3] uint8 ---------------------------------------


def _sky(dice: Dice, bird: Bird, n: int) -> Array:
    top, low = dice.pick(_SKIES)
    far = clouds(dice, gradient((0, top), (1, low)), (253, 252, 250), dice.between(0.25, 0.68))
    picture = enlarge(far, n, 0.6)
    if dice.chance(0.4):
        tone = dice.pick(_HILLS)
        _ridge(dice, picture, 0.8, mix(tone, low, 0.45))
        _ridge(dice, picture, 0.88, tone)
    trim = blossoms(dice.pick(PETALS)) if dice.chance(0.4) else None
    palette = GREENS[:3] if dice.chance(0.7) else ()
    perch(dice, picture, bird, TwigStyle(dice.pick(BARK), palette, trim))
    return picture


def _foliage(dice: Dice, bird: Bird, n: int) -> Array:
    dark, light = dice.pick(_FOLIAGES)
    top, low = (light, dark) if dice.chance(0.6) else (dark, light)
    far = gradient((0, top), (1, low))
    tones = [mix(dark, light, s) for s in (0.1, 0.4, 0.7, 1.0)]
    bokeh(dice, far, [*tones, mix(light, (240, 244, 190), 0.4)], 26, (0.05, 0.15))
    spot = dice.pick(PETALS)
    if dice.chance(0.5):
        bokeh(dice, far, [spot], 7, (0.025, 0.06))
    picture = enlarge(far, n, 2.0)
    trim = dice.pick((berries(dice.pick(BERRIES)), blossoms(spot), None))
    bark = dice.pick(BARK)
    style = TwigStyle(bark, GREENS[:4] if dice.chance(0.6) else GREENS[1:], trim)
    frame_twigs(dice, picture, style, 2)
    perch(dice, picture, bird, style)
    return picture


def _water(dice: Dice, bird: Bird, n: int) -> Array:
    shore = dice.between(0.16, 0.36)
    deep, bright = dice.pick(_WATERS)
    far = gradient((0, (196, 222, 238)), (shore, (228, 236, 236)))
    edge = int(shore * GRID)
    bank = dice.pick((GREENS, AUTUMN, _GREY_BANK))
    bokeh(dice, far, bank, 26, (0.035, 0.075), (shore - 0.07, shore - 0.02))
    far[edge:] = gradient((0, bright), (shore, bright), (1, deep))[edge:]
    # The bank's reflection in the water, which fades with the distance from the shore.
    reach = min(edge, 14)
    fade = np.linspace(0.75, 0, reach)[:, None, None]
    mirrored = far[edge - reach : edge][::-1]
    far[edge : edge + reach] = far[edge : edge + reach] * (1 - fade) + mirrored * fade
    strength = np.linspace(20, 95, GRID - edge)[:, None, None]
    ripple = (cloudy_noise(dice, 250, 26) - 0.5)[edge:, :, None] * strength
    far[edge:] = np.clip(far[edge:] + ripple, 0, 255)
    picture = enlarge(far, n, 0.8)
    # Glints on the water: the nearer to the lower rim, the larger.
    for x, nearness, wide in dice.array(12, 3).tolist():
        y = shore + 0.05 + (0.93 - shore) * nearness
        half, thick = (0.02 + 0.06 * wide) * (0.4 + nearness), 0.006 * (0.5 + nearness)
        glint = [[x - half, y], [x, y - thick], [x + half, y], [x, y + thick]]
        fill(picture, glint, mix(bright, (255, 255, 255), 0.6))
    on_branch = bird.flying or dice.chance(0.4)
    reeds(dice, picture)
    if on_branch:
        bark = dice.pick(BARK)
        leaf_tones = GREENS[:3] if dice.chance(0.4) else ()
        perch(dice, picture, bird, TwigStyle(bark, leaf_tones))
    else:
        stone(dice, picture, bird)
    return picture


def _meadow(dice: Dice, bird: Bird, n: int) -> Array:
    horizon = dice.between(0.3, 0.55)
    sky = dice.pick(_MEADOW_SKIES)
    near, away = dice.pick(_MEADOWS)
    haze = mix(sky, (255, 255, 250), 0.7)
    far = gradient((0, sky), (horizon, haze), (horizon + 0.02, away), (1, near))
    bokeh(dice, far, _HEDGES, 9, (0.04, 0.1), (horizon - 0.04, horizon + 0.02))
    flower, other = dice.pick(PETALS), dice.pick(PETALS)
    specks = (flower, other, mix(near, away, 0.5))
    bokeh(dice, far, specks, 16, (0.012, 0.03), (horizon + 0.08, 1))
    picture = enlarge(far, n, 1.2)
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
        bark = dice.pick(BARK)
        leaf_tones = GREENS[:3] if dice.chance(0.6) else ()
        perch(dice, picture, bird, TwigStyle(bark, leaf_tones))
    return picture


def _sunset(dice: Dice, bird: Bird, n: int) -> Array:
    top, middle, low = dice.pick(_SUNSETS)
    far = gradient((0, top), (0.5, middle), (0.85, low), (1, low))
    far = clouds(dice, far, mix(middle, (255, 226, 200), 0.45), dice.between(0.25, 0.55), 200, 50)
    x, y, r = dice.between(0.1, 0.9), dice.between(0.35, 0.75), dice.between(0.06, 0.11)
    glow: Array = np.zeros((GRID, GRID), np.uint8)
    ball(glow, x, y, 1.7 * r, 120)
    glow = cv2.GaussianBlur(glow, (0, 0), 5)
    far = cv2.add(far, cv2.cvtColor(glow, cv2.COLOR_GRAY2RGB) // np.array([2, 3, 5], np.uint8))
    picture = enlarge(far, n, 0.8)
    ball(picture, x, y, r, (255, 240, 190))
    _ridge(dice, picture, 0.84, mix(middle, top, 0.55))
    _ridge(dice, picture, 0.91, scaled(top, 0.55))
    bark = dice.pick(BARK[1:])
    perch(dice, picture, bird, TwigStyle(bark, _DUSK_LEAVES if dice.chance(0.6) else ()))
    return picture


def _autumn(dice: Dice, bird: Bird, n: int) -> Array:
    light, dark = dice.pick(_AUTUMNS)
    far = gradient((0, light), (1, dark))
    bokeh(dice, far, (*AUTUMN, light, (132, 140, 66)), 30, (0.04, 0.13))
    picture = enlarge(far, n, 2.2)
    bark = dice.pick(BARK)
    trim = berries(dice.pick(BERRIES)) if dice.chance(0.4) else None
    style = TwigStyle(bark, AUTUMN[:4], trim)
    frame_twigs(dice, picture, style, 2)
    count = dice.count(2, 6)
    places, angles, sizes = dice.array(count, 2), dice.array(count), dice.array(count)
    leaves(dice, picture, places, angles * 360, 0.05 + 0.05 * sizes, AUTUMN)  # falling leaves
    perch(dice, picture, bird, style)
    return picture


def _winter(dice: Dice, bird: Bird, n: int) -> Array:
    top, low = dice.pick(_WINTERS)
    far = gradient((0, top), (0.8, low), (1, (246, 248, 252)))
    for _ in range(dice.count(2, 5)):
        x, w = dice.between(0, 1), dice.between(0.02, 0.06)
        tone = mix(dice.pick(BARK), low, 0.45)
        tree_trunk(far, (x, x - w * 0.3), (x + w, x + w * 1.3), tone)
    bokeh(dice, far, ((248, 250, 253), low, scaled(low, 0.93)), 16, (0.03, 0.1), (0.55, 1.1))
    picture = enlarge(far, n, 1.6)
    bark = dice.pick(BARK[1:])
    trim = berries(BERRIES[0], 0.026) if dice.chance(0.65) else None
    style = TwigStyle(bark, trim=trim)
    frame_twigs(dice, picture, style, 2)
    perch(dice, picture, bird, style, snow=True)
    for x, y, r in dice.array(22, 3).tolist():  # snowflakes
        ball(picture, x, y, 0.005 + 0.008 * r, (252, 253, 255))
    return picture


def _orchard(dice: Dice, bird: Bird, n: int) -> Array:
    top, low = dice.pick(_ORCHARDS)
    far = gradient((0, top), (1, low))
    petal = dice.pick(PETALS[:4])
    bokeh(dice, far, (petal, mix(petal, low, 0.5), (150, 180, 120), low), 20, (0.04, 0.11))
    picture = enlarge(far, n, 2.0)
    bark = dice.pick(BARK[1:3])
    palette = GREENS[2:3] if dice.chance(0.6) else ()
    frame_twigs(dice, picture, TwigStyle(bark, palette, blossoms(petal, 0.055)), 2)
    perch(dice, picture, bird, TwigStyle(bark, palette, blossoms(petal, 0.05)))
    return picture


def _woods(dice: Dice, bird: Bird, n: int) -> Array:
    dark, light = dice.pick(_WOODS)
    far = gradient((0, light), (1, dark))
    bokeh(dice, far, (mix(dark, light, 0.3), mix(dark, light, 0.7), light), 14, (0.05, 0.12))
    for _ in range(dice.count(3, 6)):
        x, w = dice.between(-0.05, 1), dice.between(0.03, 0.11)
        tone = mix(dice.pick(BARK), light, dice.between(0, 0.4))
        left = (x, x - w * 0.25)
        tree_trunk(far, left, (x + w, x + w * 1.25), tone)
        tree_trunk(far, left, (x + w * 0.4, x + w * 0.4), scaled(tone, 1.25))
    picture = enlarge(far, n, 1.1)
    bark = dice.pick(BARK)
    trim = dice.pick((berries(dice.pick(BERRIES)), None, None))
    style = TwigStyle(bark, GREENS[:4], trim)
    frame_twigs(dice, picture, style, 1)
    perch(dice, picture, bird, style)
    return picture


# Repeated entries are drawn more often.
_LANDSCAPES = (
    _sky, _sky, _foliage, _foliage, _water, _meadow, _sunset, _autumn, _winter, _orchard, _woods,
)  # fmt: skip
