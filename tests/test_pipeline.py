"""Training samples: pure functions of seed and position."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import tiny_config

from mim_tf.data.pipeline import Sampler, training_batches
from mim_tf.data.sources import Source, load_source
from mim_tf.trainer import build_vocabulary


@pytest.fixture(scope="module")
def sampler():
    config = tiny_config()
    source = load_source(config, "train")
    return Sampler(source, build_vocabulary(source, config), config)


def fake_source(count=5, name="photos"):
    captions = tuple((f"bird {n} is red", f"number {n} red bird") for n in range(count))

    def picture(index, size):
        return (
            np.full((size, size, 3), index, np.uint8)
            + np.arange(size, dtype=np.uint8)[None, :, None]
        )

    return Source(name, captions, tuple("ab"[n % 2] for n in range(count)), picture)


def make_sampler(**sections):
    config = tiny_config(**sections)
    source = fake_source()
    return Sampler(source, build_vocabulary(source, config), config)


def test_an_epoch_shows_every_picture_once_and_the_next_in_another_order():
    sampler = make_sampler(train={"batch_size": 2}, data={"augment": False})
    first, second = ([int(sampler(e * 5 + p)[0].min()) for p in range(5)] for e in range(2))
    assert sorted(first) == sorted(second) == [0, 1, 2, 3, 4]
    orders = {tuple(int(sampler(e * 5 + p)[0].min()) for p in range(5)) for e in range(6)}
    assert len(orders) > 1


def test_batches_from_the_middle_equal_the_unbroken_ones(sampler):
    whole = list(training_batches(sampler, 0, 5))[3:]
    for a, b in zip(whole, training_batches(sampler, 3, 5), strict=True):
        for name in a:
            np.testing.assert_array_equal(a[name], b[name])


def test_mismatched_captions_are_never_the_pictures_own():
    sampler = make_sampler(train={"batch_size": 2}, data={"augment": False})
    own = [{tuple(row) for row in rows} for rows in sampler.tokens]
    for position in range(200):
        picture, paired, mismatched, *_ = sampler(position)
        index = int(picture.min())
        assert tuple(paired) in own[index] and tuple(mismatched) not in own[index]


def test_swapped_captions_change_swappable_words_alone(sampler):
    swap = set(sampler.swap_ids)
    assert len(swap) == 5
    for position in range(60):
        _, paired, mismatched, swapped, false = sampler(position)
        assert any(np.array_equal(false, one) for one in (mismatched, swapped))
        if swap.isdisjoint(paired):
            np.testing.assert_array_equal(swapped, mismatched)
            continue
        for a, b in zip(paired, swapped, strict=True):
            assert (a != b and b in swap) if a in swap else a == b


def test_augmentation_crops_and_flips():
    sampler = make_sampler(train={"batch_size": 2})
    assert sampler.stored_size == 38
    slopes = {
        np.sign(int(row[1]) - int(row[0])) for row in (sampler(p)[0][0, :, 0] for p in range(30))
    }
    starts = {int(sampler(p)[0].min()) - 0 for p in range(30)}
    assert slopes == {-1, 1} and len(starts) > 5
    assert sampler(0)[0].shape == (32, 32, 3)


def test_pictures_are_signed_and_static(sampler):
    batch = next(iter(training_batches(sampler, 0, 1)))
    assert batch["picture"].shape == (4, 32, 32, 3)
    assert -1 <= np.min(batch["picture"]) < 0 < np.max(batch["picture"]) <= 1
