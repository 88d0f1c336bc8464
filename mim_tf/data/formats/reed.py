"""Captions and splits by class in the forms that Reed et al. and AttnGAN published.

Captions of a photograph ``<class>/<name>``, ten each:

    text_c10/<class>/<name>.txt        one a line; AttnGAN's archive calls the folder ``text``
    text_c10/<class>/<name>.t7         Torch: ``char``, byte tensor [201, 10], a caption a column
    captions.pickle                    AttnGAN: ids of words, in the order of filenames.pickle

The lists of a split: ``{train,test}/filenames.pickle`` (names ``<class>/<name>``), the same as text
in ``splits/``, or Reed's ``trainvalclasses.txt`` and ``testclasses.txt`` (names of classes).
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
# The characters of Reed et al., numbered from 1; 0 pads.
_ALPHABET = "\0abcdefghijklmnopqrstuvwxyz0123456789-,;.!?:'\"/\\|_@#$%^&*~`+-=<>()[]{} "


def split_names(
    bases: Sequence[Path], split: Split, class_members: Callable[[str], list[str]]
) -> list[str]:
    """Names ``<class>/<name>`` of a split, sorted, each once.

    Args:
        bases: folders in which the lists may lie.
        class_members: the names in a class, for lists of classes.

    Raises:
        UserError: no list, an empty one, or one with a name that is none.
    """
    path = _find_split(bases, split)
    entries = read_pickled_names(path) if path.suffix == ".pickle" else read_lines(path)
    names: set[str] = set()
    for entry in entries:
        parts = entry.strip().removesuffix(".jpg").split("/")
        # A name becomes a path: it must not lead out of the data set.
        if len(parts) > 2 or "\\" in entry or any(part in ("", ".", "..") for part in parts):
            raise UserError(f"{path}: {entry!r} is not a name like <NNN.Class>/<Name>")
        names.update(["/".join(parts)] if len(parts) == 2 else class_members(parts[0]))
    if not names:
        raise UserError(f"{path}: the {split} split is empty; get the list with the captions")
    return sorted(names)


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
    """The captions of each name, none where there are none.

    Raises:
        UserError: there are no captions in any form, none for this split, or a broken file.
    """
    for base in bases:
        for folder in (base / one for one in _FOLDERS):
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
    texts = ("".join(_ALPHABET[int(one)] for one in column) for column in characters.T)
    return clean_captions([text.replace("\0", " ") for text in texts])


def _from_pickle(base: Path, split: Split, names: Sequence[str]) -> list[tuple[str, ...]]:
    """AttnGAN's captions: lists of word ids, as many for each name of ``filenames.pickle``."""
    path = base / "captions.pickle"
    content = read_pickle(path)
    order = read_pickled_names(base / split / "filenames.pickle")
    try:
        texts: list[Any] = content[0 if split == "train" else 1]
        words: dict[int, str] = content[2]
        each, rest = divmod(len(texts), len(order))
        if rest or not each:
            raise UserError(
                f"{path}: {len(texts)} captions do not fit the {len(order)} names of "
                f"{split}/filenames.pickle; get both from the same place"
            )
        by_image = {
            name.rpartition("/")[2]: clean_captions(
                [" ".join(words[int(one)] for one in text) for text in texts[i * each :][:each]]
            )
            for i, name in enumerate(order)
        }
    except (TypeError, KeyError, IndexError, ValueError, AttributeError) as error:
        raise UserError(
            f"{path}: expected AttnGAN's four parts (train, test, id to word, word to id), found "
            f"something else ({type(error).__name__}: {error})"
        ) from error
    return [by_image.get(name.rpartition("/")[2], ()) for name in names]
