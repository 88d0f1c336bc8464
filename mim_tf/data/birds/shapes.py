"""Draws a bird: its pose and proportions at random, then the outlines that follow from them.

The bird is built in its own units: the body's centre is the origin, the bird looks along +x, and y
points downwards. The last step converts to picture units.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from mim_tf.data.birds.drawing import (
    FEATHER,
    Array,
    Dice,
    Points,
    Tone,
    blades,
    disc,
    rotation,
    scaled,
    spline,
    stroke,
    unit,
)
from mim_tf.data.birds.outlines import BELLY, CROWN, STATIC, TAIL, WINGS, Bird, Oval

_PLUMAGES: tuple[Tone, ...] = (
    (0.80, 0.68, 0.50),  # buff
    (0.62, 0.48, 0.34),  # warm brown
    (0.46, 0.34, 0.25),  # dark brown
    (0.66, 0.66, 0.66),  # pale grey
    (0.46, 0.48, 0.52),  # slate
    (0.27, 0.28, 0.32),  # charcoal
    (0.74, 0.62, 0.55),  # rosy beige
    (0.58, 0.57, 0.44),  # olive grey
)
_BILLS: tuple[Tone, ...] = (
    (0.95, 0.66, 0.16), (0.90, 0.48, 0.14), (0.30, 0.28, 0.28),
    (0.55, 0.50, 0.46), (0.82, 0.70, 0.48),
)  # fmt: skip
_BILL_SHAPES = ((0.62, 0.36), (0.85, 0.3), (1.1, 0.22), (0.7, 0.46))  # length, depth
_LEGS: tuple[Tone, ...] = ((0.80, 0.50, 0.22), (0.32, 0.27, 0.26), (0.66, 0.46, 0.38))

_HALF_BODY = 0.37  # half the body's length, in the bird's own units
STEPS = 6  # points of the silhouette for each of its control points


class Anatomy(NamedTuple):
    """How the head and body of a bird are drawn.

    Attributes:
        add_trunk: adds both, given the ovals of the body and the skull, their common outline of
            :func:`_silhouette`, and the tone of the plumage.
        eye: size of the eye, 1 as drawn birds have it.
    """

    add_trunk: Callable[[Dice, Bird, Oval, Oval, Array, Tone], None]
    eye: float


def draw_bird(dice: Dice, anatomy: Anatomy | None = None) -> Bird:
    """Draw a bird with a random pose, random proportions and a random place in the picture; unless
    given, with the anatomy of drawn birds."""
    add_trunk, eye = anatomy or Anatomy(_add_trunk, 1.0)
    bird = Bird()
    bird.flying = dice.chance(0.36)
    if bird.flying:
        pitch, lift = dice.between(-8, 24), dice.between(0.35, 1.0)
    else:
        pitch = dice.between(8, 40)
        lift = dice.between(0.3, 0.95) if dice.chance(0.25) else 0.0
    axes = np.array([_HALF_BODY, 0.19 + 0.075 * dice.between(0, 1)])
    head = dice.between(0.165, 0.195)
    body = Oval(np.zeros(2), axes, rotation(pitch))
    reach = 0.10 if bird.flying else dice.between(-0.02, 0.07)
    neck = body.at(0.74, -0.72) + np.array([reach, dice.between(-0.05, 0.02)])
    skull = Oval(neck, np.full(2, head), rotation(dice.between(-10, 14)))
    crest = dice.between(0.25, 0.75) if dice.chance(0.25) else 0.0
    plumage, bill, leg = dice.pick(_PLUMAGES), dice.pick(_BILLS), dice.pick(_LEGS)

    # Later outlines cover earlier ones, so the tail and the far wing come before the body.
    _add_tail(dice, bird, body.at(-0.86, 0.05), 180 + pitch)
    shoulder = body.at(0.34, -0.42)
    if lift > 0:
        _add_wing(bird, shoulder + np.array([0.1, -0.01]), pitch, lift * 0.92, far=True)
    feet = _add_legs(dice, bird, body, leg)
    _add_bill(dice, bird, skull, bill)
    add_trunk(dice, bird, body, skull, _silhouette(body, skull, pitch, crest), plumage)
    _add_wing(bird, shoulder, pitch, lift, far=False)
    _add_eye(bird, skull, plumage, eye)

    bird.light = (dice.between(-0.8, 0.8), -1.0)
    bird.texture = (dice.between(0, 1), dice.between(0, 1))
    _place(dice, bird, feet)
    return bird


def _silhouette(body: Oval, skull: Oval, pitch: float, crest: float) -> Array:
    """The common outline of head and body: from above the bill over the back, tail and belly."""
    return spline(
        [
            skull.rim(22),
            skull.rim(60, 1.02),
            skull.rim(98, 1.03),
            skull.rim(138, 1.02 + 0.9 * crest if crest else 1.0),
            skull.rim(172),
            body.rim(118),
            body.rim(145),
            body.at(-1.08, -0.16),
            body.at(-1.0, 0.36),
            body.rim(-128),
            body.rim(-95) * 1.03,
            body.rim(-62) * 1.05,
            body.rim(-32) * 1.05,
            (body.rim(-5) * 1.02 + skull.rim(-80)) / 2 if pitch > 25 else body.rim(-6),
            skull.rim(-52, 0.98),
            skull.rim(-18, 0.98),
        ],
        steps=STEPS,
    )


def _add_trunk(
    dice: Dice, bird: Bird, body: Oval, skull: Oval, silhouette: Array, plumage: Tone
) -> None:
    """Add head and body, and on them belly, cheek and crown."""
    bird.trunk = len(bird.layers)
    bird.add(silhouette, STATIC, plumage, speckle=0.3, shadowed=1.0)

    def closed(outer: Array, inner: list[Array]) -> Array:
        """An area of the trunk: along a piece of the silhouette, and back through inner points."""
        return np.concatenate([outer, spline([outer[-1], *inner, outer[0]], closed=False)])

    # Belly: from the vent to the throat, closed through the body.
    outer = silhouette[8 * STEPS : 14 * STEPS + 3]
    inner = [skull.at(0.1, 0.55), body.at(0.5, -0.25), body.at(0.05, 0.1), body.at(-0.5, 0.3)]
    speckle = dice.between(0.15, 0.8)
    bird.add(closed(outer, inner), BELLY, 0.97, speckle=speckle, shadowed=1.0)

    cheek = [skull.at(0.62, 0.25), skull.at(0.1, 0.05), skull.at(-0.42, 0.3), skull.at(0.05, 0.66)]
    shine = dice.pick((1.25, 1.12, 0.8))
    bird.add(spline(cheek), STATIC, scaled(plumage, shine, 1.0), speckle=0.3)

    # Crown: from the bill to the nape, closed just above the eye.
    outer = silhouette[: 4 * STEPS + 2]
    inner = [skull.at(-0.72, -0.02), skull.at(-0.2, -0.3), skull.at(0.4, -0.42)]
    bird.add(closed(outer, inner), CROWN, 0.97, speckle=0.35)


def _add_tail(dice: Dice, bird: Bird, base: Array, angle: float) -> None:
    """Add the tail: a fan of feathers from ``base`` in the direction ``angle``, in degrees."""
    angle += dice.between(-16, 12)
    length = dice.between(0.42, 0.66)
    count = dice.count(4, 7)
    spread = dice.between(6, 24)
    fork = dice.between(-0.22, 0.26)  # below 0: a wedge, above 0: a fork
    # Feathers this wide overlap their neighbours almost to the tips.
    width = max(dice.between(0.08, 0.105), 0.85 * length * math.radians(2 * spread / (count - 1)))
    at = np.linspace(-1, 1, count)
    across = unit(angle)[::-1] * np.array([1, -1])
    bases = base + across * at[:, None] * 0.055
    lengths = length * (1 + fork * (at**2 - 0.5))
    feathers = blades(bases, angle + spread * at, lengths, np.full(count, width), FEATHER)
    # From the outer feathers to the middle, so that the middle ones lie on top.
    for rank, i in enumerate(np.argsort(-np.abs(at), kind="stable")):
        bird.add(feathers[i], TAIL, 0.72 + 0.26 * rank / (count - 1) + 0.02 * (i % 2), form=0.4)


def _add_wing(bird: Bird, shoulder: Array, pitch: float, lift: float, *, far: bool) -> None:
    """Add a wing: flight feathers, two rows of coverts over them, and the shoulder.

    Args:
        shoulder: [2], where the wing begins.
        pitch: the body's angle in degrees.
        lift: from 0, the wing lies folded on the body, to 1, it is raised.
        far: whether it is the wing behind the body, which is darker and casts no shadow.
    """
    a = _HALF_BODY
    bright = 0.74 if far else 1.0
    back = 180 + pitch
    # The arm reaches from the shoulder to the wrist; on a folded wing it lies along the body.
    arm = a * (0.55 + 0.5 * lift)
    direction = unit(back - 8 - 62 * lift)
    count = 9
    t = np.linspace(0, 1, count)
    # Feather 0 sits at the shoulder and points back and down; the last feather is the wing's tip.
    start, stop = back + 14 + 8 * lift, back + 1 - 72 * lift
    angles = start + (stop - start) * t ** (1 + 0.4 * lift)
    lengths = a * (0.95 + 0.75 * t - 0.3 * lift * (1 - t) + 0.35 * lift * t) * (1 - 0.1 * (t == 1))
    across = np.array([-math.sin(math.radians(back)), -math.cos(math.radians(back))])
    bases = shoulder + direction * (arm * t * (0.8 + 0.2 * lift))[:, None]
    bases = bases - across * (0.045 * (1 - lift) * (1 - t))[:, None]
    widths = np.full(count, a * (0.3 + 0.12 * lift))
    feathers = blades(bases, angles, lengths, widths, FEATHER)
    if not far:
        tips = feathers[::-1, 4]
        roots = np.stack([bases[0] + [0.06, 0.02], bases[0] - across * 0.1])
        bird.shadow = np.concatenate([roots[:1], tips, roots[1:]]) + [0, 0.05]
    for i in range(count - 1, -1, -1):
        bird.add(feathers[i], WINGS, bright * (0.66 + 0.2 * (1 - t[i]) + 0.06 * (i % 2)), form=0.5)
    # Two rows of shorter, lighter coverts over the flight feathers.
    for row, (share, tone) in enumerate(((0.62, 0.88), (0.4, 0.97))):
        feathers = blades(bases, angles, lengths * share, widths, FEATHER)
        for i in range(count - 1, row - 1, -1):
            bird.add(feathers[i], WINGS, bright * (tone - 0.05 * ((i + row) % 2)), form=0.7)
    # The shoulder: a smooth outline that covers the roots of the feathers.
    thick = a * 0.17
    middle = shoulder + direction * arm * 0.6
    cover = [
        shoulder - direction * thick * 1.1,
        shoulder + across * thick * 0.8,
        middle + across * thick * 0.75,
        shoulder + direction * arm * 1.02,
        middle - across * thick * 1.25,
        shoulder - across * thick * 1.5,
    ]
    bird.add(spline(cover), WINGS, bright, speckle=0.3)


def _add_legs(dice: Dice, bird: Bird, body: Oval, tone: Tone) -> Array:
    """Add two legs and return where the feet stand: [2]. A flying bird draws its legs in."""
    hips = (body.at(-0.18, 0.85), body.at(0.1, 0.88))
    if bird.flying:
        for hip in hips:
            bird.add(stroke(hip, hip + [-0.13, 0.05], 0.028, 0.02), STATIC, tone, form=0)
        return hips[0]
    ground = max(hips[0][1], hips[1][1]) + dice.between(0.1, 0.17)
    for hip, shift, shine in ((hips[0], -0.01, 0.8), (hips[1], 0.05, 1.0)):
        foot = np.array([hip[0] + shift, ground])
        colour = scaled(tone, shine, 1.0)
        bird.add(stroke(hip, foot, 0.034, 0.026), STATIC, colour, form=0)
        for x in (-0.055, 0.04, 0.085):
            toe = stroke(foot - [0, 0.008], foot + [x, 0.016], 0.026, 0.018)
            bird.add(toe, STATIC, colour, form=0)
    return np.array([(hips[0][0] + hips[1][0]) / 2 + 0.02, ground + 0.01])


def _add_bill(dice: Dice, bird: Bird, skull: Oval, tone: Tone) -> None:
    """Add the lower and the upper half of the bill, which may be open."""
    length, depth = dice.pick(_BILL_SHAPES)
    gape = dice.between(0.05, 0.2) if dice.chance(0.3) else 0.0
    tip = 0.9 + length
    lower: Points = [
        skull.at(0.75, 0.02),
        skull.at(1.1, 0.03 + gape / 2),
        skull.at(tip - 0.1, 0.13 + gape),
        skull.at(1.15, 0.06 + depth * 0.8),
        skull.at(0.75, depth),
    ]
    upper: Points = [
        skull.at(0.75, -depth * 0.75),
        skull.at(1.2, -depth * 0.55),
        skull.at(tip - 0.12, -0.02),
        skull.at(tip, 0.14),
        skull.at(tip - 0.2, 0.1),
        skull.at(0.75, 0.1),
    ]
    bird.add(spline(lower, steps=4), STATIC, scaled(tone, 0.72, 1.0), form=0)
    bird.add(spline(upper, steps=4), STATIC, tone, form=0)


def _add_eye(bird: Bird, skull: Oval, plumage: Tone, size: float) -> None:
    """Add the eye: a ring that contrasts with the plumage, the dark eye, and a glint."""
    centre = skull.at(0.4, -0.1)
    head = size * float(np.hypot(*(skull.at(1, 0) - skull.at(0, 0))))
    around = scaled(plumage, 1.35 if sum(plumage) < 1.3 else 0.62, 1.0)
    glint = centre + np.array([0.07, -0.075]) * head
    bird.add(disc(centre, 0.27 * head), STATIC, around, form=0)
    bird.add(disc(centre, 0.205 * head), STATIC, (0.06, 0.05, 0.06), form=0)
    bird.add(disc(glint, 0.075 * head, n=10), STATIC, (1, 1, 1), form=0)


def _place(dice: Dice, bird: Bird, feet: Array) -> None:
    """Convert the bird's points to picture units: scale, mirror and position at random."""
    points = np.concatenate([layer.outline for layer in bird.layers])
    low, high = points.min(axis=0), points.max(axis=0)
    span = high - low
    wide = dice.between(0.62, 0.86)
    scale = min(wide / span[0], 0.9 / span[1])
    flip = dice.chance(0.5)
    room = 1 - scale * span
    corner = np.array([room[0] * dice.between(0.15, 0.85), room[1] * dice.between(0.2, 0.8)])
    corner = np.clip(corner, 0.02, room - 0.02)
    if not bird.flying:  # leave room for what the bird stands on
        corner[1] = min(corner[1], max(0.02, 0.9 - scale * span[1]))

    def to_picture(own: Array) -> Array:
        placed: Array = (own - low) * scale + corner
        if flip:
            placed[..., 0] = 1 - placed[..., 0]
        return placed

    bird.points, bird.shadow = to_picture(points), to_picture(bird.shadow)
    bird.feet = to_picture(feet)
