"""Training pairs: only what the caption speaks of differs, and the caption is true of the end."""

from __future__ import annotations

import numpy as np
import pytest
from data_writers import source_of, write_marked_cub
from tiny import tiny_config

from mim_tf.data import bird_wording, recolouring
from mim_tf.data.pipeline import PAIRS, Sampler
from mim_tf.data.recolouring import draw_pair, encode
from mim_tf.data.regions import Regions, caption_of
from mim_tf.data.sets.folder_captions import COLOUR_WORDS, OBJECT
from mim_tf.data.unknown_words import forget
from mim_tf.data.wording import SYNONYMS
from mim_tf.pictures.colours import nearest_colour
from mim_tf.training.start import build_vocabulary

NAMES = {word: name for name, words in SYNONYMS.items() for word in words}


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    root = write_marked_cub(tmp_path_factory.mktemp("cub"))
    return source_of("cub", root, caption_source="attributes", partial=True, recoloured=True)


@pytest.fixture(scope="module")
def regions(source):
    return source.regions(0, source.picture(0, 64))


def asked(words) -> dict[str, str]:
    """Part -> name of the colour that a caption gives it."""
    return {part: NAMES[word] for word, part in words if part is not None and word in NAMES}


def pairs(source, regions, count=60):
    picture = source.picture(0, 64)
    for seed in range(count):
        yield draw_pair(source, 0, (picture, regions), np.random.default_rng(seed))


def test_regions_lie_around_their_points(source, regions):
    marks = source.marks(0, 64)
    for part, places in marks.points.items():
        for x, y in places:
            assert regions.parts[regions.labels[int(y), int(x)] - 1] == part
    assert 0.05 < (regions.labels > 0).mean() < 0.6


def test_pairs_differ_where_the_caption_speaks_and_nowhere_else(source, regions):
    for pair in pairs(source, regions):
        names = asked(pair.words)
        bits = sum({regions.bits(name) for name in names})
        spoken = (bits >> regions.labels.astype(int)) & 1 > 0
        changed = (pair.before != pair.picture).any(axis=-1)
        assert changed[spoken].mean() > 0.5
        rim = np.zeros_like(spoken)  # soft edges reach two pixels beyond a part
        for dy in range(-3, 4):
            for dx in range(-3, 4):
                rim |= np.roll(spoken, (dy, dx), (0, 1))
        assert not changed[~rim].any()


def test_the_caption_is_true_of_the_second_picture(source, regions):
    right = total = 0
    for pair in pairs(source, regions):
        for name, colour in asked(pair.words).items():
            inside = (regions.bits(name) >> regions.labels.astype(int)) & 1 > 0
            if inside.sum() > 12:
                total += 1
                right += nearest_colour(pair.picture[inside].mean(axis=0)) == colour
    assert total > 60 and right / total > 0.9


def test_what_an_unknown_word_speaks_of_stays(source, regions):
    picture = source.picture(0, 64)
    forgotten = changed_without = 0
    for seed in range(60):
        given = (source, 0, (picture, regions))
        known = draw_pair(*given, np.random.default_rng(seed))
        pair = draw_pair(*given, np.random.default_rng(seed), word_dropout=0.3)
        still_said = {part for _, part in pair.words if part is not None}
        forgotten += bool({part for _, part in known.words if part is not None} - still_said)
        for part in still_said:  # all of its words are there, in their order
            own = [
                [word for word, of in words if of == part] for words in (known.words, pair.words)
            ]
            assert own[0] == own[1]
        if not still_said:
            assert np.array_equal(pair.before, pair.picture)
            changed_without += 1
    assert forgotten > 10 and changed_without > 5


def test_further_unknown_words_change_nothing(source, regions, monkeypatch):
    monkeypatch.setattr(recolouring, "forget", lambda rng, words, *_: (words, set()))
    given = (source, 0, (source.picture(0, 64), regions))
    put_in = 0
    for seed in range(30):
        known = draw_pair(*given, np.random.default_rng(seed))
        pair = draw_pair(*given, np.random.default_rng(seed), word_dropout=0.2)
        assert tuple(word for word in pair.words if word[0]) == known.words
        assert {part for word, part in pair.words if not word} <= {None}
        assert np.array_equal(pair.picture, known.picture)
        put_in += len(pair.words) - len(known.words)
    assert put_in > 20


def test_a_thing_may_have_an_unknown_name_but_no_unknown_colour():
    words = (("change", None), ("the", None), ("shirt", OBJECT), ("to", None), ("blue", OBJECT))
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(100):
        left, unknown = forget(rng, words, 0.4, COLOUR_WORDS.__contains__)
        colour_gone = left[4][0] == ""
        assert unknown == ({OBJECT} if colour_gone else set())
        seen.add((left[2][0] == "", colour_gone))
    assert len(seen) == 4


def test_a_colour_of_two_words_is_known_or_unknown_as_a_whole():
    words = (("navy", OBJECT), ("blue", OBJECT), ("shirt", OBJECT))
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(60):
        left, unknown = forget(rng, words, 0.4, COLOUR_WORDS.__contains__)
        colour = tuple(word for word, _ in left[:2])
        assert unknown == ({OBJECT} if colour == ("", "") else set())
        seen.add(colour)
    assert seen == {("navy", "blue"), ("", "")}


def test_what_is_dyed_does_not_tell_what_is_asked(source, regions):
    """In part of the pairs other parts are dyed too, and in part the asked ones are not before."""
    picture = source.picture(0, 64)
    others = untouched = 0
    for pair in pairs(source, regions):
        spoken = sum({regions.bits(name) for name in asked(pair.words)})
        inside = (spoken >> regions.labels.astype(int)) & 1 > 0
        others += bool((pair.before != picture)[~inside & (regions.labels > 0)].any())
        untouched += not (pair.before != picture).any()
    assert others > 10 and untouched > 10


def test_tokens_know_which_labels_they_speak_of():
    labels = np.zeros((4, 4), np.uint8)
    regions = Regions(labels, ("crown", "tail"), {}, {"bird": ("crown", "tail")})
    config = tiny_config()
    words = (("a", None), ("red", "tail"), ("tail", "tail"), ("blue", "bird"))
    vocabulary = build_vocabulary(type("S", (), {"captions": (("a red tail blue",),)})(), config)
    tokens, spoken = encode(words, regions, vocabulary, 6)
    assert list(tokens) == [*vocabulary.encode(caption_of(words), 6)]
    assert list(spoken) == [0, 0b100, 0b100, 0b110, 0, 0]


def test_a_caption_names_at_most_three_parts_in_twenty_four_words():
    rng = np.random.default_rng(0)
    for _ in range(300):
        parts = bird_wording.draw_asked(rng, bird_wording.PARTS[:-2])
        words = bird_wording.describe_parts(rng, {part: "orange" for part in parts})
        assert len(words) <= 24 and "a orange" not in caption_of(words)
        assert {part for _, part in words if part} == set(parts)


def test_samples_depend_on_their_position_alone(source):
    data = {"source": "cub", "root": str(source.options.root), "caption_source": "attributes",
            "partial": True, "recoloured": True, "max_words": 24}  # fmt: skip
    config = tiny_config(data=data, train={"batch_size": 2})
    sampler = Sampler(source, build_vocabulary(source, config), config)
    whole = dict(zip(sampler.names, sampler(4, 6), strict=True))
    again = dict(zip(sampler.names, sampler(7, 2), strict=True))
    for name, array in again.items():
        assert np.array_equal(array, whole[name][3:5])
    assert set(PAIRS) <= set(whole)
    assert whole["before"].shape == whole["picture"].shape == (6, 32, 32, 3)
    assert whole["labels"].shape == (6, 32, 32) and whole["spoken"].shape == (6, 24)


def test_regions_are_cached_as_far_as_there_is_room(source):
    data = {"source": "cub", "root": str(source.options.root), "caption_source": "attributes",
            "partial": True, "recoloured": True}  # fmt: skip
    kept = []
    for cache_gb in (1, 0):
        config = tiny_config(data=data, train={"batch_size": 2}, machine={"cache_gb": cache_gb})
        sampler = Sampler(source, build_vocabulary(source, config), config)
        sampler(0, 4)
        kept.append(len(sampler._regions) + len(sampler._cache))
    assert kept == [2 * len(source), 0]
