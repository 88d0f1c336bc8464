"""Captions of CUB's birds, written from attributes and marked points by templates of our own.

What colour a part has is taken from the first of these that says it:

1. `attributes/image_attribute_labels.txt`: what people judged of this very photograph, where they
   called it present and were at least probably certain;
2. `parts/part_locs.txt`: the colour read at the part's visible points, the nearest of eleven names
   to the mean colour of a disc (:mod:`mim_tf.pictures.colours`). Its radius is 3 % of the longer
   side of the bird's box. Points of one part (left and right wing) that read differently say
   nothing. Bill and legs are thinner than the disc and are not read;
3. `attributes/class_attribute_labels_continuous.txt`: colours that at least half of the judgements
   of the bird's class name, for parts that are not marked as hidden in this photograph.

Each of the files may be missing. A photograph's wording is drawn from its name, so it never
changes.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from mim_tf.data.formats.listing import Box
from mim_tf.data.sets import cub_metadata
from mim_tf.data.sets.cub_metadata import WHOLE, PartColours, Points
from mim_tf.data.wording import listed, one_of, with_article
from mim_tf.errors import UserError
from mim_tf.pictures import files
from mim_tf.pictures.colours import RADIUS_SHARE, colour_at

CAPTIONS = 10
"""Captions drawn for a photograph, as many as Reed et al. have; repetitions are left out."""

_PLURAL = ("wings", "legs")
_THIN = ("bill", "legs")
_MOST_PARTS = 3  # in one caption
_MOST_COLOURS = 2  # of one part


def write_captions(
    cub: Path, names: Sequence[str], paths: Sequence[Path], boxes: Mapping[str, Box]
) -> list[tuple[str, ...]]:
    """Captions of each photograph; an empty tuple where nothing says a colour of the bird.

    Args:
        cub: the folder `CUB_200_2011`.
        names: of the photographs, `<NNN.Class>/<Name>`.
        paths: their files.
        boxes: name -> box, where there is one.

    Raises:
        UserError: no file says colours, `images.txt` is missing, or a file is malformed.
    """
    image_file, point_file, class_file = (
        (cub / name).is_file()
        for name in (
            cub_metadata.IMAGE_ATTRIBUTES, cub_metadata.POINTS, cub_metadata.CLASS_ATTRIBUTES
        )
    )  # fmt: skip
    if not (image_file or point_file or class_file):
        raise UserError(
            f"{cub}: nothing to write captions from; expected {cub_metadata.IMAGE_ATTRIBUTES}, "
            f"{cub_metadata.POINTS} or {cub_metadata.CLASS_ATTRIBUTES} in it; unpack them from "
            "CUB_200_2011.tgz, or set data.caption_source=official"
        )
    if (image_file or point_file) and not (cub / cub_metadata.IMAGES).is_file():
        raise UserError(
            f"{cub / cub_metadata.IMAGES}: there is no such file, and the attributes and points "
            "go by its numbers; unpack it from CUB_200_2011.tgz"
        )
    numbers: dict[str, str] = {}
    if image_file or point_file:
        numbers = {name: number for number, name in cub_metadata.read_names(cub).items()}
    judged = cub_metadata.read_image_colours(cub) if image_file else {}
    points = cub_metadata.read_points(cub) if point_file else {}
    classes = cub_metadata.read_class_colours(cub) if class_file else []

    def of_image(name: str, path: Path) -> tuple[str, ...]:
        number = numbers.get(name, "")
        own_points = points.get(number, {})
        colours = {
            **_class_colours(classes, name, own_points),
            **read_points_colours(path, own_points, boxes.get(name)),
            **judged.get(number, {}),
        }
        return bird_captions(name, colours)

    with ThreadPoolExecutor() as pool:  # most of the time goes to decoding, beside the interpreter
        return list(pool.map(of_image, names, paths))


def _class_colours(classes: Sequence[PartColours], name: str, points: Points) -> PartColours:
    """Colours of a bird's class, without parts that are hidden in its photograph."""
    number = name.partition(".")[0]
    if not number.isdigit() or not 1 <= int(number) <= len(classes):
        return {}
    return {
        part: colours
        for part, colours in classes[int(number) - 1].items()
        if part not in points or points[part]
    }


def read_points_colours(path: Path, points: Points, box: Box | None) -> PartColours:
    """The colours of a photograph at its marked points.

    A broken photograph says nothing here: whoever asks for its pixels later is told by name.

    Args:
        path: the photograph.
        points: its marked points.
        box: (x, y, width, height) of the bird; None: the whole photograph.
    """
    shown = {part: places for part, places in points.items() if places and part not in _THIN}
    if not shown:
        return {}
    try:
        picture = files.read(path)
    except UserError:
        return {}
    side = max(box[2:] if box is not None else picture.shape[:2])
    read = agreeing_colours(picture, shown, RADIUS_SHARE * side)
    return {part: (colour,) for part, colour in read.items()}


def agreeing_colours(
    picture: np.ndarray, points: Mapping[str, Sequence[tuple[float, float]]], radius: float
) -> dict[str, str]:
    """Part -> its colour, of those parts of which all points that lie in the picture read alike.

    Args:
        picture: uint8 [H, W, 3].
        points: part -> its points, and ``radius`` of the discs that are read, in its pixels.
    """
    colours = {}
    for part, places in points.items():
        found = {colour_at(picture, place, radius) for place in places}
        named = [colour for colour in found if colour is not None]
        if len(named) == 1:
            colours[part] = named[0]
    return colours


def bird_captions(name: str, colours: PartColours) -> tuple[str, ...]:
    """Captions of a bird, at most `CAPTIONS`, no two of them equal.

    Args:
        name: of the photograph; it draws the parts named and the wording.
        colours: part, or `WHOLE` -> its colours, the surest first.

    Returns:
        Sentences and phrases without a full stop; none where `colours` is empty.
    """
    if not colours:
        return ()
    rng = np.random.default_rng([12, zlib.crc32(name.encode())])
    return tuple(dict.fromkeys(_caption(rng, colours) for _ in range(CAPTIONS)))


def _caption(rng: np.random.Generator, colours: PartColours) -> str:
    pick = partial(one_of, rng)
    parts = sorted(set(colours) - {WHOLE})
    bird = WHOLE
    if WHOLE in colours and (not parts or rng.random() < 0.3):
        bird = f"{_words(colours[WHOLE])} {WHOLE}"
    if not parts:
        return pick(f"this is {with_article(bird)}", with_article(bird), f"this {WHOLE} is "
                    f"{_words(colours[WHOLE])}")  # fmt: skip
    count = 1 + int(rng.integers(min(_MOST_PARTS, len(parts))))
    chosen = [parts[place] for place in rng.permutation(len(parts))[:count]]
    form = int(rng.integers(3))
    if form == 0:
        return f"{with_article(bird)} with {listed([_phrase(part, colours) for part in chosen])}"
    if form == 1:
        has = listed([_phrase(part, colours) for part in chosen])
        return f"{pick('this', 'the')} {bird} has {has}"
    first, *others = (
        f"{part} {'are' if part in _PLURAL else 'is'} {_words(colours[part])}" for part in chosen
    )
    return listed([f"the {first}", *(f"{pick('its', 'the')} {other}" for other in others)])


def _phrase(part: str, colours: PartColours) -> str:
    phrase = f"{_words(colours[part])} {part}"
    return phrase if part in _PLURAL else with_article(phrase)


def _words(colours: Sequence[str]) -> str:
    return " and ".join(colours[:_MOST_COLOURS])
