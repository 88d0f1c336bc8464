"""Procedural birds that look like photographs."""

from __future__ import annotations

import pickle
import re

import cv2
import numpy as np
import pytest
from data_writers import refusal
from tiny import tiny_config

from mim_tf.config_files import load_config
from mim_tf.data import records
from mim_tf.data.birds import captions as bird_captions
from mim_tf.data.birds.photographic import (
    COLOURS,
    PARTS,
    WORDS,
    draw_colours,
    draw_subject,
    photographic_scene,
)
from mim_tf.data.birds.scenes import Scene
from mim_tf.data.birds.surroundings import list_photographs
from mim_tf.data.recolouring import draw_pair
from mim_tf.data.sources import load_source
from mim_tf.errors import UserError
from mim_tf.evaluators.folder import Evaluators
from mim_tf.pictures import files
from mim_tf.pictures.colours import nearest_colour

NAMES = tuple(COLOURS)
MAGENTA = (255, 0, 255)


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [photographic_scene(11, index, 64) for index in range(80)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Forty photographs of one colour that no scene has."""
    root = tmp_path_factory.mktemp("backgrounds")
    for number in range(40):
        files.write(root / "a" / f"{number}.png", np.full((30, 40, 3), MAGENTA, np.uint8))
    (root / "notes.txt").write_text("no photograph")
    return root


def source(split="train", **data):
    return load_source(tiny_config(data={"photographic": True, "count": 30, **data}), split)


def test_seven_parts_and_twelve_colours(scenes):
    assert len(PARTS) == 7 and len(COLOURS) == 12
    for found in scenes:
        assert found.shade.shape == found.regions.shape == (64, 64, 7)
        assert set(found.colours) == set(PARTS) and set(found.palette) == set(COLOURS)
        assert found.visible and set(found.visible) <= set(PARTS)
        assert found.regions.min() >= 0 and found.regions.sum(axis=2).max() < 1.03
        assert found.render().shape == (64, 64, 3)
    assert {name for found in scenes for name in found.colours.values()} == set(COLOURS)


def test_same_arguments_same_bytes(scenes):
    again = photographic_scene(11, 7, 64)
    assert all(
        (getattr(again, name) == getattr(scenes[7], name)).all()
        for name in ("static", "shade", "regions", "bird")
    )
    assert draw_colours(11, 7) == scenes[7].colours == draw_subject(11, 7).colours
    assert len({found.render().tobytes() for found in scenes}) == len(scenes)


def test_other_sizes_show_the_same_scene():
    for index in range(6):
        small, large = photographic_scene(3, index, 48), photographic_scene(3, index, 192)
        assert small.colours == large.colours and small.visible == large.visible
        pooled = large.regions.reshape(48, 4, 48, 4, 7).mean(axis=(1, 3))
        assert np.abs(pooled - small.regions).mean() < 0.01
        pooled = large.render().reshape(48, 4, 48, 4, 3).mean(axis=(1, 3))
        assert np.abs(pooled - small.render()).mean() < 10  # the noise is each size's own


def test_true_edits_are_exact(scenes):
    """Blur, light and noise change the colours' maps and never what an edit leaves alone."""
    rng = np.random.default_rng(0)
    for found in scenes[:40]:
        seen = {part: found.colours[part] for part in found.visible}
        _, changes = bird_captions.draw_edit(rng, seen, WORDS)
        before, after = found.render(), found.render({**found.colours, **changes})
        touched = found.regions[..., [PARTS.index(part) for part in changes]].max(axis=2) > 0
        assert (before[~touched] == after[~touched]).all()
        for part, name in changes.items():
            inside = found.regions[..., PARTS.index(part)] > 0.9
            if inside.any():  # blur leaves a small part no pixel of its own
                assert (before[inside] != after[inside]).any(axis=-1).mean() > 0.9
            assert found.read_colour(part, after, {**found.colours, **changes}) == name
            assert found.read_colour(part, before, found.colours) == found.colours[part]


def test_parts_have_the_colours_that_the_words_mean(scenes):
    """To whom reads photographs: else the words would teach other colours than they measure."""
    right = []
    for found in scenes:
        picture = found.render()
        for part in found.visible:
            inside = found.regions[..., PARTS.index(part)] > 0.9
            if inside.sum() >= 8 and found.colours[part] != "buff":  # no basic colour
                name = nearest_colour(picture[inside].mean(axis=0))
                right.append(name == found.colours[part])
    assert len(right) > 300 and np.mean(right) > 0.92


def test_some_birds_leave_the_frame_and_hidden_parts_are_not_spoken_of(scenes):
    rims = [
        np.concatenate([found.bird[[0, -1]].ravel(), found.bird[:, [0, -1]].ravel()]).max()
        for found in scenes
    ]
    assert 0.2 < np.mean(np.array(rims) > 0.5) < 0.9
    hidden = [set(PARTS) - set(found.visible) for found in scenes]
    assert 0.1 < np.mean([bool(parts) for parts in hidden]) < 0.9
    for found in scenes:
        for part in found.visible:  # to the eye, whatever was measured on outlines
            assert found.regions[..., PARTS.index(part)].sum() > 6, part
    train = source()
    for index, texts in enumerate(train.captions):
        subject = draw_subject(train.seed, index)
        for text in texts:
            read = bird_captions.parse(text, WORDS)
            assert read and set(read) <= set(subject.visible)
            assert read.items() <= subject.colours.items()


def test_many_birds_are_of_few_colours(scenes):
    counts = [len(set(found.colours.values())) for found in scenes]
    assert np.mean(np.array(counts) == 1) > 0.1 and max(counts) > 3


def test_words_are_not_ambiguous_and_captions_read_back():
    phrases = [phrase for words in (WORDS.colours, WORDS.parts) for group in words.values()
               for phrase in group]  # fmt: skip
    assert len(phrases) == len(set(phrases))
    assert tuple(WORDS.parts) == PARTS and set(WORDS.colours) == set(COLOURS)
    rng = np.random.default_rng(3)
    for _ in range(500):
        colours = {part: NAMES[int(rng.integers(12))] for part in PARTS}
        for draw in (bird_captions.draw_caption, bird_captions.draw_terse):
            text = draw(rng, colours, WORDS)
            read = bird_captions.parse(text, WORDS)
            assert 1 <= len(read) <= 4 and read.items() <= colours.items(), text
            for article, letter in re.findall(r"\b(an?) (\w)", text):
                assert (article == "an") == (letter in "aeiou"), text
    assert set(load_config("birds.yaml", "birds-photographic.yaml").data.swap_words) == {
        word for words in WORDS.colours.values() for word in words
    }


def test_the_source_knows_the_right_result_of_an_edit():
    test = source("test")
    assert test.has_truth and len(test.labels) == len(test)
    for request in test.requests(0, 12):
        edit = test.true_edit(request.index, request.caption, 32)
        assert set(edit.mentioned) <= set(edit.read(edit.truth))
        assert all(edit.read(edit.truth).values())
        before = edit.read(edit.picture)
        assert not any(before[part] for part in edit.mentioned)
        assert (edit.picture == test.picture(request.index, 32)).all()
        assert (edit.truth == edit.picture)[edit.background].all()
        assert test.still_true(request.index, request.caption, request.caption)


def test_marked_points_lie_on_their_parts(scenes):
    seconds = []
    for found in scenes:
        marks = found.marks()
        x, y, width, height = marks.box
        bird = found.bird >= 0.5
        inside = bird[y : y + height, x : x + width]
        assert inside.sum() == bird.sum()  # no smaller box would do
        assert all(rim.any() for rim in (inside[0], inside[-1], inside[:, 0], inside[:, -1]))
        assert set(marks.points) == set(found.visible)
        for part, places in marks.points.items():
            assert 1 <= len(places) <= 2
            seconds.append(len(places) == 2)
            region = found.regions[..., PARTS.index(part)]
            for px, py in places:
                assert region[int(py), int(px)] >= min(0.5, region.max()), part
    assert 0.05 < np.mean(seconds) < 0.95
    test = source("test")
    request = next(test.requests(0, 1))
    assert test.marks(request.index, 32).points
    small, large = (test.marks(request.index, size).box for size in (32, 128))
    np.testing.assert_allclose(np.array(large) / 4, small, atol=2)


def test_photographs_stand_behind_most_birds(folder):
    train = source(backgrounds=str(folder))
    plain = source()
    shown = []
    for index in range(30):
        picture = train.picture(index, 32)
        scene = photographic_scene(train.seed, index, 32, train.photographs)
        behind = picture[scene.bird <= 0].astype(int)
        shown.append(len(behind) and np.median(behind[:, 0] - behind[:, 1]) > 120)
    assert 0.5 < np.mean(shown) < 0.95
    assert train.captions == plain.captions  # the birds are the same
    copy = pickle.loads(pickle.dumps(train.picture))  # other processes draw the same
    assert (copy(3, 32) == train.picture(3, 32)).all()


def test_photographs_of_the_splits_differ(folder):
    train, test = (set(list_photographs(folder, split)) for split in ("train", "test"))
    assert train and test and not train & test and len(train | test) == 40


def test_folders_that_do_not_serve_are_refused(tmp_path, folder):
    assert "no such folder; correct data.backgrounds" in refusal(
        list_photographs, tmp_path / "absent", "train"
    )
    assert "0 photographs" in refusal(list_photographs, tmp_path, "train")
    for number in range(30):
        (tmp_path / f"{number}.jpg").write_bytes(b"rubbish")
    train = source(backgrounds=str(tmp_path))
    with pytest.raises(UserError, match=r"\d+\.jpg"):
        for index in range(10):
            train.picture(index, 32)
    with pytest.raises(UserError, match=r"data\.backgrounds needs data\.photographic=true"):
        tiny_config(data={"backgrounds": str(folder)})


def test_records_are_of_these_birds_alone(folder, tmp_path):
    def settings(**data):
        return records.settings_of(tiny_config(data=data))

    drawn, plain = settings(), settings(photographic=True)
    with_folder = settings(photographic=True, backgrounds=str(folder))
    assert "data.photographic" not in drawn  # records of drawn birds stay what they were
    assert len({str(sorted(found.items(), key=str)) for found in (drawn, plain, with_folder)}) == 3
    for number in range(20):
        files.write(tmp_path / f"{number}.png", np.zeros((20, 20, 3), np.uint8))
    assert settings(photographic=True, backgrounds=str(tmp_path)) != with_folder


def test_evaluators_of_drawn_birds_do_not_measure_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="no evaluators for birds-photographic"):
        Evaluators.chosen(None, source().options.kind)


def test_noise_and_light_are_there(scenes):
    """Neighbouring pixels of the background differ by more than a drawing's flat areas do."""
    grain = [np.abs(np.diff(found.static, axis=1))[found.bird[:, 1:] <= 0].mean()
             for found in scenes if (found.bird <= 0).any()]  # fmt: skip
    assert np.mean(grain) > 0.015


def test_they_train_on_pairs_that_know_every_part():
    birds, plain = source(recoloured=True), source()
    assert birds.recoloured and not source("test", recoloured=True).recoloured
    assert birds.captions != plain.captions  # any part in any colour, not what is there
    for index in range(12):
        picture = birds.picture(index, 64)
        np.testing.assert_array_equal(picture, plain.picture(index, 64))
        regions, scene = birds.regions(index, picture), birds.scene(index, 64)
        assert np.array_equal(regions.labels > 0, (scene.regions > 0.5).any(axis=-1))
        for number, part in enumerate(PARTS):
            covered = regions.labels == 1 + number
            # On a seam two parts may cover more than half: the one that covers more has it.
            own = scene.regions[covered, number]
            np.testing.assert_array_equal(own, scene.regions[covered].max(axis=-1))
            if covered.sum() > 20 and part in regions.colours:
                assert scene.read_colour(part, picture, scene.colours) == regions.colours[part]
        pair = draw_pair(birds, index, (picture, regions), np.random.default_rng(index))
        spoken = sum({regions.bits(part) for _, part in pair.words if part is not None})
        changed = (pair.before != pair.picture).any(axis=-1)
        inside = ((spoken >> regions.labels.astype(int)) & 1).astype(np.uint8)
        rim = cv2.dilate(inside, np.ones((7, 7), np.uint8)) > 0  # edges are soft
        assert inside.any() and changed.any() and not changed[~rim].any()


@pytest.mark.parametrize(
    ("data", "message"),
    [({"recoloured": True}, "data.recoloured of procedural birds needs data.photographic=true"),
     ({"recoloured": True, "photographic": True, "terse": 0.1}, "data.terse: captions of recol")],
)  # fmt: skip
def test_pairs_are_of_photographic_birds_alone(data, message):
    with pytest.raises(UserError, match=message):
        tiny_config(data=data)
