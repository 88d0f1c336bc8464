"""Random splits of data sets whose papers never published theirs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from mim_tf.data.source import Split

SEED = 20190704
"""Fixed for good: another seed is another data set."""

Name = TypeVar("Name")


def random_split(
    names: Sequence[Name], split: Split, first: int | None = None, test_share: float = 0.2
) -> list[Name]:
    """The names of one split, in their given order.

    All names are shuffled by ``numpy.random.default_rng(SEED).permutation``; the first
    ``1 - test_share`` of them (rounded down) train, the rest test: with a fifth, 153,640 / 38,410
    of 192,050 and 63,183 / 15,796 of 78,979, as in the paper's Sec. 4.1.

    Args:
        first: keep only so many of the shuffled names before they are split; all unless given.
    """
    order = np.random.default_rng(SEED).permutation(len(names))[:first]
    # Exact for shares of whole thousandths, where a product of floats can fall short of a whole.
    train = len(order) * (1000 - round(1000 * test_share)) // 1000
    chosen = order[:train] if split == "train" else order[train:]
    return [names[index] for index in sorted(chosen)]
