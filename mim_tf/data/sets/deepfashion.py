"""DeepFashion's Fashion Synthesis benchmark (FashionGAN): people with a sentence on their clothes.

    <root>/language_original.mat   `engJ` captions and `nameList`, 78,979
    <root>/ind.mat                 the official split, 70,000 / 8,979, numbered from 1
    <root>/G2.h5                   `ih` pictures less their mean, `ih_mean`

Written by MATLAB, the HDF5 file shows its axes in reverse: `ih` is [78,979, 3, W, H], `ih_mean`
[3, W, H], W = H = 128, and the sum of both lies in 0..1. The paper splits 63,183 / 15,796 at random
by a seed it never published: see :func:`mim_tf.data.sets.splits.random_split` for ours.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from mim_tf.data.formats.matlab import read_mat
from mim_tf.data.formats.untrusted import clean_captions
from mim_tf.data.sets.on_disk import FolderOptions, check_complete
from mim_tf.data.sets.splits import random_split
from mim_tf.data.source import Published, Source, Split
from mim_tf.errors import UserError

PUBLISHED = Published(
    {"train": 63_183, "test": 15_796},
    "https://mmlab.ie.cuhk.edu.hk/projects/DeepFashion.html (Fashion Synthesis)",
)
OFFICIAL = Published({"train": 70_000, "test": 8_979}, PUBLISHED.publisher)
IMAGES = 78_979


class Options(FolderOptions):
    """Which of the two splits."""

    official_split: bool = Field(
        False, description="the benchmark's 70,000 / 8,979, not the paper's split"
    )


def describe(options: Options, split: Split) -> Source:
    """The split without its pictures."""
    published = OFFICIAL if options.official_split else PUBLISHED
    return Source(options, split, augment=options.augment, published=published)


def load(options: Options, split: Split) -> Source:
    """The split.

    Raises:
        UserError: a file is missing, broken or not the official one.
    """
    root = options.folder("DeepFashion's folder")
    names, captions = read_captions(root)
    pictures = Pictures(root / "G2.h5")
    if options.official_split:
        rows = read_official_split(root)[split].tolist()
    else:
        rows = random_split(range(IMAGES), split)
    kept = [(row, texts) for row in rows if (texts := clean_captions([captions[row]]))]
    kept_names = tuple(names[row] for row, _ in kept)
    source = describe(options, split)
    check_complete(source, options, len(kept))
    return replace(
        source,
        ids=kept_names,
        captions=tuple(texts for _, texts in kept),
        classes=kept_names,
        picture=pictures.of([row for row, _ in kept]),
    )


def read_captions(root: Path) -> tuple[list[str], list[str]]:
    """Names and captions of all pictures, in the file's order.

    Raises:
        UserError: `language_original.mat` is missing, broken or not the official one.
    """
    path = root / "language_original.mat"
    captions, names = read_mat(path, "engJ", "nameList")
    if not len(captions) == len(names) == IMAGES:
        raise UserError(
            f"{path}: {len(captions)} captions and {len(names)} names; the official file has "
            f"{IMAGES} of each"
        )
    if captions.dtype.kind != "U" or names.dtype.kind != "U":
        raise UserError(f"{path}: `engJ` and `nameList` are no lists of strings")
    return names.tolist(), captions.tolist()


def read_official_split(root: Path) -> dict[str, np.ndarray]:
    """The benchmark's own indices, from 0: 70,000 ``train`` and 8,979 ``test``.

    Raises:
        UserError: `ind.mat` is missing, broken, or its parts overlap or leave pictures out.
    """
    path = root / "ind.mat"
    parts = read_mat(path, "train_ind", "test_ind")
    if any(part.dtype.kind not in "if" for part in parts):
        raise UserError(f"{path}: `train_ind` and `test_ind` are no numbers")
    train, test = (part.astype(np.int64) - 1 for part in parts)
    if not np.array_equal(np.sort(np.concatenate([train, test])), np.arange(IMAGES)):
        raise UserError(
            f"{path}: {len(train)} and {len(test)} indices do not divide {IMAGES} pictures; "
            "get the official file"
        )
    return {"train": train, "test": test}


class Pictures:
    """The pictures of ``G2.h5``; opened in each process that reads them.

    Raises:
        UserError: missing, broken, or other axes than the published file's.
    """

    def __init__(self, path: Path, rows: list[int] | None = None) -> None:
        self.path, self.rows = path, rows
        self._open: tuple[Any, np.ndarray] | None = None
        self._lock = threading.Lock()
        if rows is None:
            self._images()

    def of(self, rows: list[int]) -> Pictures:
        """The pictures of these rows alone, numbered from 0."""
        return Pictures(self.path, rows)

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "rows": self.rows}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    def __call__(self, index: int, size: int) -> np.ndarray:
        """uint8 [size, size, 3]."""
        from mim_tf.data.formats.photographs import resize_square  # imports OpenCV

        row = index if self.rows is None else self.rows[index]
        with self._lock:  # HDF5 serves one reader at a time
            ih, mean = self._images()
            try:
                picture = ih[row] + mean  # [3, W, H]
            except OSError as error:
                raise UserError(f"{self.path}: picture {row} cannot be read ({error})") from error
        levels = np.rint(np.clip(np.transpose(picture, (2, 1, 0)), 0, 1) * 255)
        return resize_square(np.ascontiguousarray(levels.astype(np.uint8)), size)

    def _images(self) -> tuple[Any, np.ndarray]:
        if self._open is None:
            self._open = _open(self.path)
        return self._open


def _open(path: Path) -> tuple[Any, np.ndarray]:
    if not path.is_file():
        raise UserError(
            f"{path}: there is no such file; get G2.zip of the Fashion Synthesis benchmark from "
            "https://mmlab.ie.cuhk.edu.hk/projects/DeepFashion.html and unpack it there"
        )
    import h5py

    file = None
    try:
        file = h5py.File(path, "r")
        ih, mean = file["ih"], np.asarray(file["ih_mean"], np.float32)
        side = mean.shape[-1] if mean.ndim == 3 else 0
        if mean.shape != (3, side, side) or ih.shape != (IMAGES, 3, side, side):
            raise UserError(
                f"{path}: `ih` is {list(ih.shape)} and `ih_mean` {list(mean.shape)}; the "
                f"published file has [{IMAGES}, 3, 128, 128] and [3, 128, 128]"
            )
    except (OSError, KeyError, UserError) as error:
        if file is not None:
            file.close()
        if isinstance(error, UserError):
            raise
        raise UserError(
            f"{path}: not the HDF5 file with `ih` and `ih_mean`, or only a part of it ({error}); "
            "get it again"
        ) from error
    return ih, mean
