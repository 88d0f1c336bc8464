"""Training samples: pure functions of seed and position."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from tiny import tiny_config

from mim_tf.data.pipeline import CAPTIONS, Sampler, training_batches
from mim_tf.data.source import Source
from mim_tf.data.sources import load_source
from mim_tf.errors import UserError
from mim_tf.text import PAD, UNKNOWN
from mim_tf.training.start import build_vocabulary


@pytest.fixture(scope="module")
def sampler():
    config = tiny_config()
    source = load_source(config, "train")
    return Sampler(source, build_vocabulary(source, config), config)


def folder_config(**sections):
    data = {"source": "folder", "root": ".", **sections.pop("data", {})}
    return tiny_config(data=data, train={"batch_size": 2, **sections.pop("train", {})}, **sections)


def fake_source(count=5, captions=None, augment=True):
    captions = captions or tuple((f"bird {n} is red", f"number {n} red bird") for n in range(count))

    def picture(index, size):
        return (
            np.full((size, size, 3), index, np.uint8)
            + np.arange(size, dtype=np.uint8)[None, :, None]
        )

    names = tuple(str(n) for n in range(count))
    classes = tuple("ab"[n % 2] for n in range(count))
    options = folder_config().data
    return Source(options, "train", names, captions, classes, picture, augment=augment)


def make_sampler(source=None, **sections):
    config = folder_config(**sections)
    source = source or fake_source()
    return Sampler(source, build_vocabulary(source, config), config)


def indices(sampler, first, count):
    """Which picture of `fake_source` each sample shows, without augmentation."""
    return sampler(first, count)[0].min(axis=(1, 2, 3))


def test_an_epoch_shows_every_picture_once_and_the_next_in_another_order():
    sampler = make_sampler(fake_source(augment=False))
    orders = {tuple(indices(sampler, epoch * 5, 5)) for epoch in range(6)}
    assert all(sorted(order) == [0, 1, 2, 3, 4] for order in orders) and len(orders) > 1


def test_a_sample_does_not_depend_on_its_neighbours():
    sampler = make_sampler()
    whole = sampler(0, 12)
    for first, count in ((0, 1), (3, 4), (11, 1)):
        for all_of, some in zip(whole, sampler(first, count), strict=True):
            np.testing.assert_array_equal(all_of[first : first + count], some)


def test_another_seed_draws_other_samples():
    source = fake_source()
    config = folder_config(train={"seed": 1})
    other = Sampler(source, build_vocabulary(source, config), config)
    assert not np.array_equal(make_sampler()(0, 8)[0], other(0, 8)[0])


def test_batches_from_the_middle_equal_the_unbroken_ones(sampler):
    whole = list(training_batches(sampler, 0, 5))[3:]
    for a, b in zip(whole, training_batches(sampler, 3, 5), strict=True):
        for name in a:
            np.testing.assert_array_equal(a[name], b[name])


def test_replicas_and_workers_share_the_batches_of_one_device(sampler):
    whole = list(training_batches(sampler, 2, 4))
    contexts = [tf.distribute.InputContext(2, worker, 4) for worker in range(2)]
    parts = [list(training_batches(sampler, 2, 4, context)) for context in contexts]
    for step in range(2):
        shares = [part for worker in parts for part in worker[2 * step : 2 * step + 2]]
        for name in ("picture", *CAPTIONS):
            together = np.concatenate([share[name] for share in shares])
            np.testing.assert_array_equal(together, whole[step][name])


def test_a_mirrored_strategy_sees_the_same_batches(sampler):
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    shared = strategy.distribute_datasets_from_function(
        lambda context: training_batches(sampler, 0, 3, context)
    )
    for mine, theirs in zip(training_batches(sampler, 0, 3), shared, strict=True):
        together = tf.concat(strategy.experimental_local_results(theirs["picture"]), 0)
        np.testing.assert_array_equal(mine["picture"], together)


def test_mismatched_captions_are_never_the_pictures_own():
    sampler = make_sampler(fake_source(augment=False))
    own = [
        {tuple(sampler.tokens[start + k]) for k in range(count)}
        for start, count in zip(sampler.starts, sampler.counts, strict=True)
    ]
    seen = set()
    _, paired, mismatched, *_ = sampler(0, 400)
    for index, mine, theirs in zip(indices(sampler, 0, 400), paired, mismatched, strict=True):
        assert tuple(mine) in own[index] and tuple(theirs) not in own[index]
        seen.add((index, next(k for k in range(5) if tuple(theirs) in own[k])))
    assert len(seen) == 20  # every other picture of every picture


def test_mismatched_captions_can_come_from_another_class():
    sampler = make_sampler(fake_source(augment=False), data={"other_class": True})
    _, _, mismatched, *_ = sampler(0, 200)
    classes = sampler.source.classes
    number = {sampler.tokens[start].tobytes(): k for k, start in enumerate(sampler.starts)} | {
        sampler.tokens[start + 1].tobytes(): k for k, start in enumerate(sampler.starts)
    }
    for index, caption in zip(indices(sampler, 0, 200), mismatched, strict=True):
        assert classes[index] != classes[number[caption.tobytes()]]


def test_one_class_alone_has_no_other():
    alike = replace(fake_source(2), classes=("a", "a"))
    with pytest.raises(UserError, match="one class"):
        make_sampler(alike, data={"other_class": True})


def test_mismatched_captions_differ_where_many_pictures_share_their_words():
    captions = tuple((("red bird",), ("blue bird",), ("red bird",))[n % 3] for n in range(9))
    _, paired, mismatched, *_ = make_sampler(fake_source(9, captions))(0, 300)
    same = np.mean((paired == mismatched).all(axis=1))
    # Of the 8 others of a red bird 5 are red: one draw alone would give the same words to about
    # two samples of five, three draws to about one of eight.
    assert 0 < same < 0.2


def test_swapped_captions_change_swappable_words_alone(sampler):
    swap = set(sampler.swap_ids[0])
    assert len(swap) == 5
    _, paired, mismatched, swapped, false = sampler(0, 60)
    kinds = set()
    for mine, other, changed, wrong in zip(paired, mismatched, swapped, false, strict=True):
        assert any(np.array_equal(wrong, one) for one in (other, changed))
        kinds.add(np.array_equal(wrong, other))
        if swap.isdisjoint(mine):
            np.testing.assert_array_equal(changed, other)
            continue
        for a, b in zip(mine, changed, strict=True):
            assert (a != b and b in swap) if a in swap else a == b
    assert kinds == {True, False}


def test_unknown_words_stay_unknown_in_the_swapped_caption(sampler):
    config = tiny_config(data={"word_dropout": 0.25})
    with_unknown = Sampler(sampler.source, sampler._vocabulary, config)
    known, found = (
        dict(zip(one.names, one(0, 200), strict=True)) for one in (sampler, with_unknown)
    )
    lost = (known["tokens"] != PAD) & (found["tokens"] == UNKNOWN)
    assert 0.2 < lost.sum() / (known["tokens"] != PAD).sum() < 0.3
    assert np.array_equal(found["tokens"][~lost], known["tokens"][~lost])
    swapped = (found["swapped"] != found["mismatched"]).any(axis=1)
    assert swapped.mean() > 0.5 and (found["swapped"][swapped][lost[swapped]] == UNKNOWN).all()
    others = known["mismatched"] != PAD  # as many there: D_T could tell by them what is false
    others_lost = others & (found["mismatched"] == UNKNOWN)
    assert 0.2 < others_lost.sum() / others.sum() < 0.3
    assert np.array_equal(found["mismatched"][~others_lost], known["mismatched"][~others_lost])
    assert np.array_equal(found["picture"], known["picture"])
    assert np.array_equal(with_unknown(7, 3)[1], found["tokens"][7:10])  # wherever it begins


def test_augmentation_crops_and_flips():
    sampler = make_sampler()
    assert sampler.stored_sizes == [38]
    pictures = sampler(0, 60)[0].astype(int)
    assert pictures.shape == (60, 32, 32, 3)
    slopes = np.sign(pictures[:, 0, 1, 0] - pictures[:, 0, 0, 0])
    assert set(slopes) == {-1, 1} and 15 < np.count_nonzero(slopes > 0) < 45
    # A picture's index and its crop's left edge add up: with 5 and 7 of them, 11 sums.
    assert set(pictures.min(axis=(1, 2, 3))) == set(range(11))


def test_crops_differ_from_epoch_to_epoch_though_pictures_are_cached():
    calls = []
    source = fake_source()

    def picture(index, size):
        calls.append(index)
        return source.picture(index, size)

    cached = make_sampler(replace(source, picture=picture))
    first, second = cached(0, 5)[0], cached(5, 5)[0]
    assert sorted(calls) == [0, 1, 2, 3, 4]
    assert {p.tobytes() for p in first} != {p.tobytes() for p in second}
    uncached = make_sampler(machine={"cache_gb": 0})
    np.testing.assert_array_equal(uncached(5, 5)[0], second)


def test_the_cache_stops_at_its_size():
    sampler = make_sampler(machine={"cache_gb": 2.5 * 3 * 38**2 / 1e9})
    sampler(0, 20)
    assert len(sampler._cache) == 2


def test_batches_are_static(sampler):
    batches = training_batches(sampler, 0, 1)
    assert batches.element_spec["picture"].shape == (4, 32, 32, 3)
    batch = next(iter(batches))
    assert batch["picture"].shape == (4, 32, 32, 3) and batch["picture"].dtype == tf.uint8
    assert all(batch[name].shape == (4, 16) and batch[name].dtype == tf.int32 for name in CAPTIONS)


def test_a_broken_picture_is_remembered_in_our_words():
    def picture(index, size):
        raise UserError("bird.jpg: truncated")

    broken = make_sampler(replace(fake_source(), picture=picture))
    with pytest.raises(tf.errors.OpError):
        list(training_batches(broken, 0, 1))
    assert str(broken.problem) == "bird.jpg: truncated"
