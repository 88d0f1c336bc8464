"""Random splits: the paper's counts, and the same pictures for good."""

from __future__ import annotations

from mim_tf.data.sets import celeba
from mim_tf.data.sets.splits import random_split


def test_random_splits_have_the_papers_counts_and_never_change():
    for names, first, counts in (
        (192_050, None, (153_640, 38_410)),
        (202_599, celeba.CAPTIONED, (153_640, 38_410)),
        (78_979, None, (63_183, 15_796)),
    ):
        train, test = (random_split(range(names), split, first) for split in ("train", "test"))
        assert (len(train), len(test)) == counts
        assert train == sorted(train) and not set(train) & set(test)
    # Written down: another NumPy or another seed must not move a picture unseen.
    assert random_split(range(78_979), "test")[:5] == EXPECTED_TEST
    assert random_split(range(20), "test") == EXPECTED_SMALL


EXPECTED_TEST = [0, 8, 15, 17, 18]
EXPECTED_SMALL = [1, 11, 12, 15]
