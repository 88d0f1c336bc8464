"""CUB's tables beside the photographs: boxes, marked points, and colours of parts.

    CUB_200_2011/images.txt                                          number and path of each image
    CUB_200_2011/bounding_boxes.txt                                  number, x, y, width, height
    CUB_200_2011/parts/part_locs.txt                                 number, part, x, y, visible
    CUB_200_2011/attributes/image_attribute_labels.txt               number, attribute, present,
                                                                     certainty, time
    CUB_200_2011/attributes/class_attribute_labels_continuous.txt    a row for each class: 312
                                                                     percentages

`attributes.txt`, which names the 312 attributes, is not needed: it lies outside the archive's
folder, and the names that matter here stand below.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from mim_tf.data.formats.listing import Box
from mim_tf.data.formats.untrusted import read_lines
from mim_tf.errors import UserError

IMAGES, BOXES = "images.txt", "bounding_boxes.txt"
POINTS = "parts/part_locs.txt"
IMAGE_ATTRIBUTES = "attributes/image_attribute_labels.txt"
CLASS_ATTRIBUTES = "attributes/class_attribute_labels_continuous.txt"

COLOUR_NAMES = (
    "blue", "brown", "iridescent", "purple", "rufous", "grey", "yellow", "olive", "green", "pink",
    "orange", "black", "white", "red", "buff",
)  # fmt: skip
"""CUB's colours, in the order in which every part's attributes name them."""

WHOLE = "bird"  # the key of has_primary_color, the colour of the bird as a whole
FIRST_ATTRIBUTE = {
    "wings": 10, "breast": 106, "back": 59, "tail": 80, "throat": 121, "forehead": 153,
    "nape": 183, "belly": 198, "bill": 279, "crown": 294, "legs": 264, WHOLE: 249,
}  # fmt: skip
"""Part -> number of its attribute for the first colour; tail is CUB's upper tail."""

POINT_PARTS = {
    1: "back", 2: "bill", 3: "belly", 4: "breast", 5: "crown", 6: "forehead", 8: "legs",
    9: "wings", 10: "nape", 12: "legs", 13: "wings", 14: "tail", 15: "throat",
}  # fmt: skip
"""CUB's number of a marked point -> the part that it lies on; 7 and 11 are the eyes."""

_ATTRIBUTES = 312
_CERTAIN = 3  # 1 not visible, 2 guessing, 3 probably, 4 definitely
_MOST = 50.0  # per cent of a class's judgements
_MEANING = {
    first + offset: (part, colour)
    for part, first in FIRST_ATTRIBUTE.items()
    for offset, colour in enumerate(COLOUR_NAMES)
}

PartColours = dict[str, tuple[str, ...]]
"""Part -> its colours, the surest first."""
Points = dict[str, tuple[tuple[float, float], ...]]
"""Part -> (x, y) of its visible points, in pixels; empty for a part that is marked as hidden."""


def read_rows(path: Path, columns: int) -> Iterator[tuple[str, list[str]]]:
    """Rows of a table as (image number, the other columns).

    Raises:
        UserError: the file cannot be read, or a row has not 1 + ``columns`` columns.
    """
    for number, line in enumerate(read_lines(path), 1):
        key, *rest = line.split()
        if len(rest) != columns:
            raise UserError(f"{path}: row {number} has {len(rest) + 1} columns, not {columns + 1}")
        yield key, rest


def read_names(cub: Path) -> dict[str, str]:
    """Number of an image -> its name `<NNN.Class>/<Name>`.

    Raises:
        UserError: missing or malformed.
    """
    return {key: rest[0].removesuffix(".jpg") for key, rest in read_rows(cub / IMAGES, 1)}


def read_boxes(cub: Path) -> dict[str, Box]:
    """Name -> box; empty where the archive has no list of boxes.

    Raises:
        UserError: a table is malformed.
    """
    path = cub / BOXES
    if not (cub / IMAGES).is_file() or not path.is_file():
        return {}
    names = read_names(cub)
    boxes: dict[str, Box] = {}
    for key, rest in read_rows(path, 4):
        try:
            x, y, width, height = (float(number) for number in rest)
        except ValueError:
            x = y = width = height = math.nan
        if not all(map(math.isfinite, (x, y, width, height))) or min(width, height) <= 0:
            raise UserError(f"{path}: image {key} has no valid box: {' '.join(rest)}")
        if key in names:
            boxes[names[key]] = x, y, width, height
    return boxes


def read_points(cub: Path) -> dict[str, Points]:
    """Number of an image -> the marked points of its parts.

    Raises:
        UserError: missing or malformed.
    """
    path = cub / POINTS
    points: dict[str, Points] = {}
    for key, (part_number, x, y, visible) in read_rows(path, 4):
        try:
            part, place = POINT_PARTS.get(int(part_number)), (float(x), float(y))
        except ValueError:
            place = (math.nan, math.nan)
        if not all(map(math.isfinite, place)) or visible not in ("0", "1"):
            raise UserError(f"{path}: image {key} has a row that is no point and visibility of "
                            f"0 or 1: {part_number} {x} {y} {visible}")  # fmt: skip
        if part is not None:
            of_image = points.setdefault(key, {})
            of_image[part] = of_image.get(part, ()) + ((place,) if visible == "1" else ())
    return points


def read_image_colours(cub: Path) -> dict[str, PartColours]:
    """Number of an image -> colours of its parts that are present, at least probably.

    Some rows of the official file have columns too many; they are left out. The file has 3.7
    million rows, so it is read row by row.

    Raises:
        UserError: missing, or not one row is well formed.
    """
    path = cub / IMAGE_ATTRIBUTES
    found: dict[str, list[tuple[float, str, str]]] = {}
    rows = 0
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            for line in file:
                cells = line.split()
                if len(cells) != 5 or not cells[1].isdigit() or not cells[3].isdigit():
                    continue
                rows += 1
                meaning = _MEANING.get(int(cells[1]))
                if meaning is not None and cells[2] == "1" and int(cells[3]) >= _CERTAIN:
                    found.setdefault(cells[0], []).append((-int(cells[3]), *meaning))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    if not rows:
        raise UserError(f"{path}: holds no row of image, attribute, presence, certainty and time; "
                        "get the official file of CUB_200_2011.tgz")  # fmt: skip
    return {key: _by_part(judgements) for key, judgements in found.items()}


def read_class_colours(cub: Path) -> list[PartColours]:
    """For each class, in the order of their numbers, colours that most judgements name.

    Raises:
        UserError: missing or malformed.
    """
    path = cub / CLASS_ATTRIBUTES
    classes = []
    for number, line in enumerate(read_lines(path), 1):
        try:
            shares = [float(cell) for cell in line.split()]
        except ValueError:
            shares = []
        if len(shares) != _ATTRIBUTES:
            raise UserError(f"{path}: row {number} does not hold {_ATTRIBUTES} percentages; get "
                            "the official file of CUB_200_2011.tgz")  # fmt: skip
        classes.append(
            _by_part([
                (-shares[attribute - 1], *meaning)
                for attribute, meaning in _MEANING.items()
                if shares[attribute - 1] >= _MOST
            ])
        )  # fmt: skip
    return classes


def _by_part(judgements: list[tuple[float, str, str]]) -> PartColours:
    """Colours of each part from rows (minus how sure, part, colour)."""
    colours: PartColours = {}
    for _, part, colour in sorted(judgements, key=lambda judgement: judgement[0]):
        colours[part] = (*colours.get(part, ()), colour)
    return colours
