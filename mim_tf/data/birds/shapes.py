"""The bird of a procedural scene: a list of smooth outlines, from its pose and proportions.

It is drawn in its own units (the body's centre is the origin, the bird looks along +x, y points
down) and laid out in picture units last.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
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

# What an outline is made of: a coloured part, or a natural tone of its own.
WINGS, BELLY, CROWN, TAIL, STATIC = range(5)

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

_BODY_LENGTH = 0.37  # half of it
_STEPS = 6  # points of the silhouette for each of its control points


class Layer(NamedTuple):
    """One filled outline of the bird."""

    outline: Array  # in the bird's own units
    kind: int  # WINGS, ..., TAIL or STATIC
    tone: Tone  # of a static layer: RGB; of a part: brightness
    speckle: float  # how much of the speckle texture shows
    shadowed: float  # how much of the wing's shadow shows
    form: float  # how much of the rounded light shows


@dataclass
class Bird:
    """Outlines, back to front, and what light falls on them."""

    layers: list[Layer] = field(default_factory=list)
    points: Array = field(default_factory=lambda: np.zeros((0, 2)))  # all of them, in picture units
    shadow: Array = field(default_factory=lambda: np.zeros((0, 2)))  # casts a soft one on the body
    light: tuple[float, float] = (0.0, -1.0)
    texture: tuple[float, float] = (0.0, 0.0)
    trunk: int = 0  # which layer is the silhouette of head and body
    flying: bool = False
    feet: Array = field(default_factory=lambda: np.zeros(2))

    def pieces(self, points: Array) -> list[Array]:
        """The outlines one by one, out of all their points in any units."""
        found, start = [], 0
        for layer in self.layers:
            found.append(points[start : start + len(layer.outline)])
            start += len(layer.outline)
        return found

    def add(
        self,
        outline: Array,
        kind: int,
        tone: float | Tone = 1.0,
        speckle: float = 0.0,
        shadowed: float = 0.0,
        form: float = 1.0,
    ) -> None:
        full = (tone, tone, tone) if isinstance(tone, (int, float)) else tone
        self.layers.append(Layer(outline, kind, full, speckle, shadowed, form))


@dataclass(frozen=True)
class _Oval:
    """Head or body as a place to build on: points are in shares of its half axes."""

    centre: Array
    axes: Array
    turn: Array

    def at(self, x: float, y: float) -> Array:
        point: Array = self.centre + np.array([x, y]) * self.axes @ self.turn
        return point

    def rim(self, degrees: float, radius: float = 1.0) -> Array:
        """On the rim, or at a share of the way to it; 0 is ahead, positive is above."""
        t = math.radians(degrees)
        return self.at(radius * math.cos(t), -radius * math.sin(t))


def draw_bird(dice: Dice) -> Bird:
    """Draws pose and proportions, and lays the bird out in picture units."""
    bird = Bird()
    bird.flying = dice.chance(0.36)
    if bird.flying:
        pitch, lift = dice.between(-8, 24), dice.between(0.35, 1.0)
    else:
        pitch = dice.between(8, 40)
        lift = dice.between(0.3, 0.95) if dice.chance(0.25) else 0.0
    axes = np.array([_BODY_LENGTH, 0.19 + 0.075 * dice.between(0, 1)])
    head = dice.between(0.165, 0.195)
    body = _Oval(np.zeros(2), axes, rotation(pitch))
    reach = 0.10 if bird.flying else dice.between(-0.02, 0.07)
    neck = body.at(0.74, -0.72) + np.array([reach, dice.between(-0.05, 0.02)])
    skull = _Oval(neck, np.full(2, head), rotation(dice.between(-10, 14)))
    crest = dice.between(0.25, 0.75) if dice.chance(0.25) else 0.0
    plumage, bill, leg = dice.pick(_PLUMAGES), dice.pick(_BILLS), dice.pick(_LEGS)

    # Tail and far wing lie behind the body.
    _add_tail(dice, bird, body.at(-0.86, 0.05), 180 + pitch)
    shoulder = body.at(0.34, -0.42)
    if lift > 0:
        _add_wing(bird, shoulder + np.array([0.1, -0.01]), pitch, lift * 0.92, far=True)
    feet = _add_legs(dice, bird, body, leg)
    _add_bill(dice, bird, skull, bill)
    _add_trunk(dice, bird, body, skull, _silhouette(body, skull, pitch, crest), plumage)
    _add_wing(bird, shoulder, pitch, lift, far=False)
    _add_eye(bird, skull, plumage)

    bird.light = (dice.between(-0.8, 0.8), -1.0)
    bird.texture = (dice.between(0, 1), dice.between(0, 1))
    _place(dice, bird, feet)
    return bird


def _silhouette(body: _Oval, skull: _Oval, pitch: float, crest: float) -> Array:
    """Head and body, from above the bill over the back and around."""
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
        steps=_STEPS,
    )


def _add_trunk(
    dice: Dice, bird: Bird, body: _Oval, skull: _Oval, silhouette: Array, plumage: Tone
) -> None:
    """Head and body with what is painted on them: belly, cheek and crown."""
    bird.trunk = len(bird.layers)
    bird.add(silhouette, STATIC, plumage, speckle=0.3, shadowed=1.0)

    def closed(outer: Array, inner: list[Array]) -> Array:
        """A piece of the silhouette, closed through points inside it."""
        return np.concatenate([outer, spline([outer[-1], *inner, outer[0]], closed=False)])

    # Belly: from the vent to the throat, closed through the body.
    outer = silhouette[8 * _STEPS : 14 * _STEPS + 3]
    inner = [skull.at(0.1, 0.55), body.at(0.5, -0.25), body.at(0.05, 0.1), body.at(-0.5, 0.3)]
    speckle = dice.between(0.15, 0.8)
    bird.add(closed(outer, inner), BELLY, 0.97, speckle=speckle, shadowed=1.0)

    cheek = [skull.at(0.62, 0.25), skull.at(0.1, 0.05), skull.at(-0.42, 0.3), skull.at(0.05, 0.66)]
    shine = dice.pick((1.25, 1.12, 0.8))
    bird.add(spline(cheek), STATIC, scaled(plumage, shine, 1.0), speckle=0.3)

    # Crown: from the bill to the nape, closed just above the eye.
    outer = silhouette[: 4 * _STEPS + 2]
    inner = [skull.at(-0.72, -0.02), skull.at(-0.2, -0.3), skull.at(0.4, -0.42)]
    bird.add(closed(outer, inner), CROWN, 0.97, speckle=0.35)


def _add_tail(dice: Dice, bird: Bird, base: Array, angle: float) -> None:
    angle += dice.between(-16, 12)
    length = dice.between(0.42, 0.66)
    count = dice.count(4, 7)
    spread = dice.between(6, 24)
    fork = dice.between(-0.22, 0.26)  # below 0: a wedge, above 0: a fork
    # Neighbours overlap almost to their tips.
    width = max(dice.between(0.08, 0.105), 0.85 * length * math.radians(2 * spread / (count - 1)))
    at = np.linspace(-1, 1, count)
    across = unit(angle)[::-1] * np.array([1, -1])
    bases = base + across * at[:, None] * 0.055
    lengths = length * (1 + fork * (at**2 - 0.5))
    feathers = blades(bases, angle + spread * at, lengths, np.full(count, width), FEATHER)
    for rank, i in enumerate(np.argsort(-np.abs(at), kind="stable")):
        bird.add(feathers[i], TAIL, 0.72 + 0.26 * rank / (count - 1) + 0.02 * (i % 2), form=0.4)


def _add_wing(bird: Bird, shoulder: Array, pitch: float, lift: float, far: bool) -> None:
    """A wing between folded (lift 0) and raised (lift 1): flight feathers, then rows of coverts."""
    a = _BODY_LENGTH
    bright = 0.74 if far else 1.0
    back = 180 + pitch
    # From the shoulder to the wrist; the arm of a folded wing lies along the body.
    arm = a * (0.55 + 0.5 * lift)
    direction = unit(back - 8 - 62 * lift)
    count = 9
    t = np.linspace(0, 1, count)
    # Feather 0 sits at the shoulder and points back and down, the last is the wing's tip.
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
    # The shoulder itself: a smooth cover over the feathers' roots.
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


def _add_legs(dice: Dice, bird: Bird, body: _Oval, tone: Tone) -> Array:
    """Two legs; returns where the feet stand."""
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


def _add_bill(dice: Dice, bird: Bird, skull: _Oval, tone: Tone) -> None:
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


def _add_eye(bird: Bird, skull: _Oval, plumage: Tone) -> None:
    centre = skull.at(0.4, -0.1)
    head = float(np.hypot(*(skull.at(1, 0) - skull.at(0, 0))))
    around = scaled(plumage, 1.35 if sum(plumage) < 1.3 else 0.62, 1.0)
    glint = centre + np.array([0.07, -0.075]) * head
    bird.add(disc(centre, 0.27 * head), STATIC, around, form=0)
    bird.add(disc(centre, 0.205 * head), STATIC, (0.06, 0.05, 0.06), form=0)
    bird.add(disc(glint, 0.075 * head, n=10), STATIC, (1, 1, 1), form=0)


def _place(dice: Dice, bird: Bird, feet: Array) -> None:
    """Turns bird units into picture units: scale, flip and position."""
    points = np.concatenate([layer.outline for layer in bird.layers])
    low, high = points.min(axis=0), points.max(axis=0)
    span = high - low
    wide = dice.between(0.62, 0.86)
    scale = min(wide / span[0], 0.9 / span[1])
    flip = dice.chance(0.5)
    room = 1 - scale * span
    corner = np.array([room[0] * dice.between(0.15, 0.85), room[1] * dice.between(0.2, 0.8)])
    corner = np.clip(corner, 0.02, room - 0.02)
    if not bird.flying:  # leave room for the perch
        corner[1] = min(corner[1], max(0.02, 0.9 - scale * span[1]))

    def lay(p: Array) -> Array:
        q: Array = (p - low) * scale + corner
        if flip:
            q[..., 0] = 1 - q[..., 0]
        return q

    bird.points, bird.shadow, bird.feet = lay(points), lay(bird.shadow), lay(feet)
