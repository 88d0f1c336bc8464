"""CUB-200-2011 birds with the ten captions an image of Reed et al., in the official layout.

    <root>/CUB_200_2011/images/<NNN.Class>/<Name>.jpg
    <root>/CUB_200_2011/{images,bounding_boxes}.txt
    <root>/text_c10/<NNN.Class>/<Name>.txt              captions, one a line
    <root>/{train,test}/filenames.pickle                the split by class, 8,855 / 2,933 names

The split is by class (150 / 50); it is not `train_test_split.txt`.
"""

import math
import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np

from mim_tf import images
from mim_tf.errors import UserError

Split = Literal["train", "test"]
Box = tuple[float, float, float, float]

BOX_FACTOR = 0.75
"""Half the side of the square around a bird, in longer sides of its box (AttnGAN's rule)."""

_CAPTION_FOLDERS = ("text_c10", "text")  # Reed et al.'s name, and that of AttnGAN's archive
_SPLIT_FILES: dict[str, tuple[str, ...]] = {
    "train": (
        "train/filenames.pickle",
        "splits/train_filenames.txt",
        "splits/train_filenames_derived.txt",
        "trainvalclasses.txt",
    ),
    "test": ("test/filenames.pickle", "splits/test_filenames.txt", "testclasses.txt"),
}


@dataclass(frozen=True)
class Record:
    """One photograph with its captions.

    Attributes:
        image_id: `<NNN.Class>/<Name>`, as the split lists have it.
        path: the JPEG.
        box: (x, y, width, height) of the bird in pixels; None where the archive gives none.
        class_name: `<NNN.Class>`.
        captions: at least one.
    """

    image_id: str
    path: Path
    box: Box | None
    class_name: str
    captions: tuple[str, ...]


@dataclass(frozen=True)
class Found:
    """What a split names and what is there.

    Attributes:
        listed: names in the split.
        present: of those, photographs that exist.
        captioned: of those, photographs with captions, which are the records.
        boxes: records with a bounding box.
        captions: captions of all records together.
    """

    listed: int
    present: int
    captioned: int
    boxes: int
    captions: int


def load(root: str | Path, split: Split) -> list[Record]:
    """The records of a split, sorted by `image_id`.

    Photographs that the split names but the disk lacks, and those without captions, are left out;
    `scan` also counts them.

    Args:
        root: the folder that holds `CUB_200_2011`, that folder itself, or one a level above.

    Raises:
        UserError: a folder or file is missing or malformed, or no record is left.
    """
    return scan(root, split)[0]


def scan(root: str | Path, split: Split) -> tuple[list[Record], Found]:
    """`load`, and what was found on the way."""
    root = Path(root)
    cub = _find_cub(root)
    bases = list(dict.fromkeys((root, cub.parent, cub)))  # captions and splits lie beside `cub`
    names = _split_names(bases, split, cub)
    present = [name for name in names if _photograph(cub, name).is_file()]
    if not present:
        raise UserError(
            f"{cub / 'images'}: none of the {len(names)} photographs of the {split} split is "
            "there; unpack CUB_200_2011.tgz here or correct data.root"
        )
    texts = _find_captions(bases)
    boxes = _read_boxes(cub)
    records = []
    for name in present:
        captions = _read_captions(texts / f"{name}.txt")
        if captions:
            class_name = name.split("/")[0]
            path = _photograph(cub, name)
            records.append(Record(name, path, boxes.get(name), class_name, captions))
    if not records:
        raise UserError(_no_captions(texts, split))
    found = Found(
        listed=len(names),
        present=len(present),
        captioned=len(records),
        boxes=sum(record.box is not None for record in records),
        captions=sum(len(record.captions) for record in records),
    )
    return records, found


def crop_to_box(picture: np.ndarray, box: Box, factor: float = BOX_FACTOR) -> np.ndarray:
    """The square around a box, cut off where the picture ends (so not always square); a view.

    Args:
        picture: uint8 `[H, W, 3]`.
        box: (x, y, width, height) in pixels.
        factor: half the square's side, in longer sides of the box.

    Raises:
        UserError: the square misses the picture.
    """
    x, y, width, height = box
    # Truncated where AttnGAN truncates, so that its crops and these are the same pixels.
    half = int(max(width, height) * factor)
    centre_x, centre_y = int(x + width / 2), int(y + height / 2)
    top, left = max(0, centre_y - half), max(0, centre_x - half)
    crop = picture[top : max(0, centre_y + half), left : max(0, centre_x + half)]
    if not crop.size:
        raise UserError(
            f"box {box} does not lie in a picture of {picture.shape[0]}x{picture.shape[1]}; "
            "correct bounding_boxes.txt"
        )
    return crop


def load_picture(record: Record, size: int, use_box: bool = True) -> np.ndarray:
    """Read a record's photograph as a square: the bird's crop, its centred square, resized.

    Args:
        size: side of the result in pixels.
        use_box: crop to the bounding box first, where the record has one.

    Returns:
        uint8 `[size, size, 3]`.
    """
    picture = images.read(record.path)
    if use_box and record.box is not None:
        try:
            picture = crop_to_box(picture, record.box)
        except UserError as error:
            raise UserError(f"{record.path}: {error}") from error
    square = images.square_crop(picture)
    # The area rule averages; it would repeat pixels where the picture has to grow.
    rule = cv2.INTER_AREA if square.shape[0] > size else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(square, (size, size), interpolation=rule), np.uint8)


# Layout ------------------------------------------------------------------------------------------


def _find_cub(root: Path) -> Path:
    if not root.is_dir():
        raise UserError(f"{root}: there is no such folder; set data.root to the CUB folder")
    for folder in (root / "CUB_200_2011", root, *sorted(root.glob("*/CUB_200_2011"))):
        if (folder / "images").is_dir():
            return folder
    raise UserError(f"{root}: expected CUB_200_2011/images in it; unpack CUB_200_2011.tgz there")


def _photograph(cub: Path, name: str) -> Path:
    return cub / "images" / f"{name}.jpg"


def _find_captions(bases: list[Path]) -> Path:
    for base in bases:
        for folder in _CAPTION_FOLDERS:
            if (base / folder).is_dir():
                return base / folder
    raise UserError(
        f"{bases[0]}: expected the folder text_c10 with captions in <NNN.Class>/<Name>.txt; "
        "get the captions of Reed et al. as text"
    )


def _no_captions(texts: Path, split: str) -> str:
    if next(texts.rglob("*.t7"), None):
        return f"{texts}: holds Torch files (.t7); get the release with captions in .txt files"
    return (
        f"{texts}: no captions for the {split} split; expected <NNN.Class>/<Name>.txt, one a line"
    )


# Splits ------------------------------------------------------------------------------------------


def _split_names(bases: list[Path], split: Split, cub: Path) -> list[str]:
    """Names `<NNN.Class>/<Name>` of a split, sorted, each once."""
    path = _find_split(bases, split)
    entries = read_pickled_names(path) if path.suffix == ".pickle" else _lines(path)
    names: set[str] = set()
    for entry in entries:
        parts = entry.strip().removesuffix(".jpg").split("/")
        # A name becomes a path: it must not lead out of the data set.
        if len(parts) > 2 or "\\" in entry or any(part in ("", ".", "..") for part in parts):
            raise UserError(f"{path}: {entry!r} is not a name like <NNN.Class>/<Name>")
        if len(parts) == 2:
            names.add("/".join(parts))
        else:  # Reed et al. list classes
            folder = cub / "images" / parts[0]
            names.update(f"{parts[0]}/{photograph.stem}" for photograph in folder.glob("*.jpg"))
    if not names:
        raise UserError(f"{path}: the {split} split is empty; get the list with the captions")
    return sorted(names)


def _find_split(bases: list[Path], split: Split) -> Path:
    if split not in _SPLIT_FILES:
        raise UserError(f"there is no split {split!r}; use train or test")
    for base in bases:
        for file in _SPLIT_FILES[split]:
            if (base / file).is_file():
                return base / file
    raise UserError(
        f"{bases[0]}: no list of the {split} split; expected {' or '.join(_SPLIT_FILES[split])}"
    )


class _PlainUnpickler(pickle.Unpickler):
    """Builds lists, strings and numbers; refuses every name, without which nothing can run."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")


def read_pickled_names(path: Path) -> list[str]:
    """Read a pickled list of strings. No code that a crafted file may hold is run.

    Raises:
        UserError: unreadable, malformed, or anything but a list of strings.
    """
    try:
        with path.open("rb") as file:
            names = _PlainUnpickler(file, encoding="utf-8").load()
    except MemoryError:
        raise
    except Exception as error:  # a malformed pickle fails in a dozen ways
        raise UserError(
            f"{path}: not a pickled list of names ({error}); get it from its publisher again"
        ) from error
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise UserError(f"{path}: expected a pickled list of names, found something else")
    return names


# Text files --------------------------------------------------------------------------------------


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the path") from error


def _lines(path: Path) -> list[str]:
    return [line.strip() for line in _read_text(path).split("\n") if line.strip()]


def _read_captions(path: Path) -> tuple[str, ...]:
    """Captions of one file, none where it does not exist.

    Some files hold U+FFFD where their publisher lost a no-break space: it becomes a blank.
    """
    if not path.is_file():
        return ()
    lines = _read_text(path).replace("\ufffd", " ").split("\n")
    captions = (" ".join(line.split()) for line in lines)
    return tuple(caption for caption in captions if caption)


def _read_boxes(cub: Path) -> dict[str, Box]:
    """Name -> box; empty where the archive has no list of boxes."""
    paths = cub / "images.txt", cub / "bounding_boxes.txt"
    if not all(path.is_file() for path in paths):
        return {}
    names = {key: rest[0].removesuffix(".jpg") for key, rest in _rows(paths[0], 1)}
    boxes: dict[str, Box] = {}
    for key, rest in _rows(paths[1], 4):
        try:
            x, y, width, height = (float(number) for number in rest)
        except ValueError:
            x = y = width = height = math.nan
        if not all(map(math.isfinite, (x, y, width, height))) or min(width, height) <= 0:
            raise UserError(f"{paths[1]}: image {key} has no valid box: {' '.join(rest)}")
        if key in names:
            boxes[names[key]] = x, y, width, height
    return boxes


def _rows(path: Path, columns: int) -> Iterator[tuple[str, list[str]]]:
    """Rows of a metadata file as (image number, the other columns)."""
    for number, line in enumerate(_lines(path), 1):
        key, *rest = line.split()
        if len(rest) != columns:
            raise UserError(f"{path}: row {number} has {len(rest) + 1} columns, not {columns + 1}")
        yield key, rest
