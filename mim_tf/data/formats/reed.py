"""Captions and splits in the formats that Reed et al. (2016) and AttnGAN published.

A photograph ``<class>/<name>`` has ten captions, in one of these files:

    text_c10/<class>/<name>.txt        a caption on each line; in AttnGAN's archive the folder is
                                       called ``text``
    text_c10/<class>/<name>.t7         Torch: byte tensor ``char`` [201, 10], a caption in each
                                       column
    captions.pickle                    AttnGAN: word ids, in the order of filenames.pickle

A split is listed in ``{train,test}/filenames.pickle`` (names ``<class>/<name>``), in text files
with the same names in ``splits/``, or in Reed's ``trainvalclasses.txt`` and ``testclasses.txt``
(names of classes).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mim_tf.data.formats import torch7
from mim_tf.data.formats.untrusted import (
    clean_captions,
    read_captions,
    read_lines,
    read_pickle,
    read_pickled_names,
)
from mim_tf.data.source import Split
from mim_tf.errors import UserError

_FOLDERS = ("text_c10", "text", "cub_icml", "flowers_icml")
_SPLIT_FILES: dict[str, tuple[str, ...]] = {
    "train": (
        "train/filenames.pickle",
        "splits/train_filenames.txt",
        "splits/train_filenames_derived.txt",
        "trainvalclasses.txt",
    ),
    "test": ("test/filenames.pickle", "splits/test_filenames.txt", "testclasses.txt"),
}
# The characters of Reed et al., in the order of their codes; code 0 is the padding.
_ALPHABET = "\0abcdefghijklmnopqrstuvwxyz0123456789-,;.!?:'\"/\\|_@#$%^&*~`+-=<>()[]{} "


def split_names(
    bases: Sequence[Path], split: Split, class_members: Callable[[str], list[str]]
) -> list[str]:
    """Names ``<class>/<name>`` of a split, sorted and without duplicates.

    Args:
        bases: folders in which the lists may lie.
        class_members: returns the names in a class; needed where classes are listed.

    Raises:
        UserError: there is no list, it is empty, or it holds something that is not a name.
    """
    path = _find_split(bases, split)
    entries = read_pickled_names(path) if path.suffix == ".pickle" else read_lines(path)
    names: set[str] = set()
    for entry in entries:
        parts = entry.strip().removesuffix(".jpg").split("/")
        # The name becomes part of a path, which must not leave the data set's folder.
        if len(parts) > 2 or "\\" in entry or any(part in ("", ".", "..") for part in parts):
            raise UserError(f"{path}: {entry!r} is not a name like <NNN.Class>/<Name>")
        names.update(["/".join(parts)] if len(parts) == 2 else class_members(parts[0]))
    if not names:
        raise UserError(f"{path}: the {split} split is empty; get the list with the captions")
    return sorted(names)


def has_lists(bases: Sequence[Path]) -> bool:
    """Whether any of the folders holds a list of either split."""
    return any(
        (base / file).is_file()
        for base in bases
        for files in _SPLIT_FILES.values()
        for file in files
    )


def _find_split(bases: Sequence[Path], split: Split) -> Path:
    if split not in _SPLIT_FILES:
        raise UserError(f"there is no split {split!r}; use train or test")
    for base in bases:
        for file in _SPLIT_FILES[split]:
            if (base / file).is_file():
                return base / file
    raise UserError(
        f"{bases[0]}: no list of the {split} split; expected {' or '.join(_SPLIT_FILES[split])}"
    )


def captions(bases: Sequence[Path], split: Split, names: Sequence[str]) -> list[tuple[str, ...]]:
    """The captions of each name; an empty tuple for a name without captions.

    Args:
        bases: folders in which the captions may lie.

    Raises:
        UserError: there are no captions in any format, none for this split, or a file is broken.
    """
    for base in bases:
        for folder in (base / name for name in _FOLDERS):
            if folder.is_dir():
                return _from_files(folder, split, names)
    for base in bases:
        if (base / "captions.pickle").is_file():
            return _from_pickle(base, split, names)
    raise UserError(
        f"{bases[0]}: no captions; expected the folder text_c10 with <class>/<name>.txt or .t7 "
        "(Reed et al.), or captions.pickle (AttnGAN)"
    )


def _from_files(folder: Path, split: Split, names: Sequence[str]) -> list[tuple[str, ...]]:
    found = [
        read_captions(folder / f"{name}.txt") or _from_torch(folder / f"{name}.t7")
        for name in names
    ]
    if not any(found):
        raise UserError(
            f"{folder}: no captions for the {split} split; expected <class>/<name>.txt, one a "
            "line, or <class>/<name>.t7"
        )
    return found


def _from_torch(path: Path) -> tuple[str, ...]:
    if not path.is_file():
        return ()
    content = torch7.load(path)
    characters = content.get("char") if isinstance(content, dict) else content
    if not isinstance(characters, np.ndarray) or characters.ndim != 2:
        raise UserError(f"{path}: holds no captions (a byte tensor 'char', one a column)")
    if characters.min() < 0 or characters.max() >= len(_ALPHABET):
        raise UserError(f"{path}: 'char' holds {characters.max()}, no character of Reed et al.")
    texts = ("".join(_ALPHABET[int(code)] for code in column) for column in characters.T)
    return clean_captions([text.replace("\0", " ") for text in texts])


def _from_pickle(base: Path, split: Split, names: Sequence[str]) -> list[tuple[str, ...]]:
    """Captions of AttnGAN's pickle: lists of word ids, the same number for each name in
    ``filenames.pickle``, in its order."""
    path = base / "captions.pickle"
    content = read_pickle(path)
    order = read_pickled_names(base / split / "filenames.pickle")
    try:
        texts: list[Any] = content[0 if split == "train" else 1]
        words: dict[int, str] = content[2]
        per_image, rest = divmod(len(texts), len(order))
        if rest or not per_image:
            raise UserError(
                f"{path}: {len(texts)} captions do not fit the {len(order)} names of "
                f"{split}/filenames.pickle; get both from the same place"
            )
        by_image = {
            name.rpartition("/")[2]: clean_captions(
                [
                    " ".join(words[int(word_id)] for word_id in text)
                    for text in texts[i * per_image :][:per_image]
                ]
            )
            for i, name in enumerate(order)
        }
    except (TypeError, KeyError, IndexError, ValueError, AttributeError) as error:
        raise UserError(
            f"{path}: expected AttnGAN's four parts (train, test, id to word, word to id), found "
            f"something else ({type(error).__name__}: {error})"
        ) from error
    return [by_image.get(name.rpartition("/")[2], ()) for name in names]
