"""A split of CUB by class for whoever has no split lists: every fourth class tests.

A class tests where its number, the three digits before its name, is divisible by four: 004, 008,
... 200, which is 50 of the 200 classes as in Reed et al.'s split, though not the same 50. The rule
looks at nothing else, so any part of the archive is split as the whole is.
"""

from __future__ import annotations

import re
from pathlib import Path

from mim_tf.data.sets import cub_metadata
from mim_tf.data.source import Split
from mim_tf.errors import UserError

TEST_EVERY = 4
"""Every class whose number this divides tests."""

COUNTS: dict[Split, int] = {"train": 8835, "test": 2953}
"""Photographs of the complete archive in each split."""

# The name becomes part of a path, which must not leave the data set's folder.
_NAME = re.compile(r"(\d{3})\.[^/\\]+/(?!\.)[^/\\]+")


def names_by_class(cub: Path, split: Split) -> list[str]:
    """Names ``<NNN.Class>/<Name>`` of a split, sorted: of `images.txt`, or of the photographs
    that are there where the archive has no such file.

    Args:
        cub: the folder `CUB_200_2011`.

    Raises:
        UserError: `images.txt` is malformed, or no class of the split is there.
    """
    listed = cub / cub_metadata.IMAGES
    if listed.is_file():
        found = list(cub_metadata.read_names(cub).values())
    else:
        images = cub / "images"
        found = [f"{path.parent.name}/{path.stem}" for path in images.glob("*/*.jpg")]
    names = []
    for name in found:
        match = _NAME.fullmatch(name)
        if match is None:
            raise UserError(f"{cub}: {name!r} is not a name like <NNN.Class>/<Name>")
        if (int(match[1]) % TEST_EVERY == 0) == (split == "test"):
            names.append(name)
    if not names:
        raise UserError(
            f"{cub}: no class of the {split} split is there; without split lists, classes whose "
            f"number is divisible by {TEST_EVERY} test and the others train"
        )
    return sorted(names)
