"""Several data sets in one training."""

from __future__ import annotations

import json
import pickle
import re
from collections import Counter

import numpy as np
import pytest
import yaml
from data_writers import refusal, write_folder
from tiny import tiny_config

from mim_tf import evaluate
from mim_tf.ablate import row_config
from mim_tf.config_files import load_config, parse_config
from mim_tf.data.order import Order
from mim_tf.data.pipeline import Sampler, training_batches
from mim_tf.data.preparation import prepare
from mim_tf.data.sources import load_raw, load_source
from mim_tf.errors import UserError
from mim_tf.evaluation.pairs import draw_pairs
from mim_tf.models.generator import make_generator
from mim_tf.run import Run
from mim_tf.stored_config import dump_config
from mim_tf.training.start import build_vocabulary, start_run

BIRDS = {"source": "birds", "count": 10, "captions": 2}
SWAP = ["red", "blue", "white", "yellow", "green", "black", "crimson"]


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """Ten pictures that train and two that test."""
    return write_folder(tmp_path_factory.mktemp("own"), 12)


def config_of(own, data=(), photos=(), **sections):
    parts = {
        "drawn": BIRDS,
        "photos": {"source": "folder", "root": str(own), **dict(photos)},
    }
    data = {"source": "mixture", "parts": parts, "swap_words": SWAP, **dict(data)}
    return tiny_config(data=data, **sections)


def sampler_of(config):
    source = load_source(config, "train")
    return Sampler(source, build_vocabulary(source, config), config)


@pytest.fixture(scope="module")
def sampler(own):
    return sampler_of(config_of(own))


@pytest.fixture(scope="module")
def source(own):
    return load_source(config_of(own), "train")


def test_every_question_goes_to_the_part_that_a_picture_came_from(own, source):
    drawn, photos = source.parts
    assert (len(drawn), len(photos), len(source)) == (10, 10, 20)
    assert source.ids[0] == "drawn/0" and source.ids[10] == f"photos/{photos.ids[0]}"
    assert source.captions == drawn.captions + photos.captions
    assert len(set(source.classes)) == len(set(drawn.classes)) + len(set(photos.classes))
    assert source.labels[3] == f"drawn/{drawn.labels[3]}"
    assert "drawn: largest" in source.crop and "photos: largest" in source.crop
    copy = pickle.loads(pickle.dumps(source.picture))  # other processes read the same
    for index, (part, inside) in {
        3: (drawn, 3),
        9: (drawn, 9),
        10: (photos, 0),
        19: (photos, 9),
    }.items():
        for read in (source.picture, source.original, copy):
            np.testing.assert_array_equal(read(index, 32), part.picture(inside, 32))
    caption = "a bird with red wings"
    edit, expected = source.true_edit(3, caption, 32), drawn.true_edit(3, caption, 32)
    np.testing.assert_array_equal(edit.truth, expected.truth)
    assert source.true_edit(12, caption, 32) is None and source.marks(12, 32) is None
    assert source.attributes(3) is None
    assert source.still_true(3, caption, "red wings") and not source.still_true(12, "a", "a")
    rng = np.random.default_rng(0)
    for index in (0, 9, 10, 19):
        assert {source.other_picture(index, rng) // 10 for _ in range(50)} == {index // 10}
    assert load_raw(source.options, "train").ids == source.ids


def test_requests_take_the_parts_in_turn(own):
    test = load_source(config_of(own), "test")
    assert [len(part) for part in test.parts] == [1000, 2]
    found = [request.index for request in test.requests(0, 7)]
    assert [index >= 1000 for index in found] == [False, True, False, True, False, False, False]
    for request in test.requests(0, 7):
        assert request.own in test.captions[request.index]
    assert len(draw_pairs(test, 0, None)) == 1002


def test_shares_follow_the_schedule(own):
    schedule = {"start": {"drawn": 1}, "steps": 100}
    mixed = load_source(config_of(own, {"weights": {"drawn": 1, "photos": 3},
                                        "schedule": schedule}), "train")  # fmt: skip
    for step, shares in {
        0: (1, 0),
        50: (0.625, 0.375),
        100: (0.25, 0.75),
        999: (0.25, 0.75),
    }.items():
        assert mixed.shares(step) == pytest.approx(shares)
    order = Order(mixed, 0, 8)
    parts = order.part[order(0, 8 * 1000)].reshape(1000, 8)
    assert not parts[0].any()
    assert 0.3 < parts[40:60].mean() < 0.45 and 0.72 < parts[100:].mean() < 0.78
    assert load_source(config_of(own), "train").shares(7) == (0.5, 0.5)


def test_which_picture_comes_is_a_function_of_seed_and_position(source):
    order = Order(source, 3, 4)
    whole = order(0, 400)
    for first, count in ((0, 1), (7, 30), (399, 1), (200, 150)):
        np.testing.assert_array_equal(Order(source, 3, 4)(first, count), whole[first:][:count])
    assert not np.array_equal(Order(source, 4, 4)(0, 400), whole)
    assert set(whole) == set(range(20))
    for epoch in whole.reshape(40, 10):  # both parts have ten pictures
        assert max(Counter(epoch.tolist()).values()) == 1


def test_batches_from_the_middle_equal_the_unbroken_ones(sampler, own):
    whole = list(training_batches(sampler, 0, 6))[3:]
    for a, b in zip(whole, training_batches(sampler_of(config_of(own)), 3, 6), strict=True):
        for name in a:
            np.testing.assert_array_equal(a[name], b[name])


def test_false_captions_come_from_the_same_part(sampler):
    """Drawn birds have more colours than the things of the folder."""
    part_of = {}
    for index, start in enumerate(sampler.starts):
        for k in range(sampler.counts[index]):
            part_of[sampler.tokens[start + k].tobytes()] = sampler.order.part[index]
    assert len(part_of) > 20
    indices = sampler.order(0, 300)
    _, paired, mismatched, swapped, false = sampler(0, 300)
    thing = {int(token) for start in sampler.starts[10:] for token in sampler.tokens[start]}
    for index, mine, other, changed, wrong in zip(
        indices, paired, mismatched, swapped, false, strict=True
    ):
        part = sampler.order.part[index]
        assert part_of[mine.tobytes()] == part_of[other.tobytes()] == part
        if part == 1:
            assert {*changed.tolist(), *wrong.tolist()} <= thing
    colours = [{*ids.tolist()} for ids in sampler.swap_ids]
    assert len(colours[1]) == 5 and colours[1] <= thing and colours[0] - colours[1]


def test_each_part_is_cropped_as_it_would_be_alone(own, sampler):
    assert sampler.stored_sizes.tolist() == [32, 38]  # drawn birds are not augmented
    plain = sampler_of(config_of(own, photos={"augment": False}))
    indices = sampler.order(0, 200)
    for index, mine, whole in zip(indices, sampler(0, 200)[0], plain(0, 200)[0], strict=True):
        np.testing.assert_array_equal(whole, sampler.source.picture(int(index), 32))
        assert np.array_equal(mine, whole) == (index < 10)


def test_what_the_memory_starts_from_is_of_all_parts(sampler):
    assert len(sampler.first_captions(6)) == 6 and len(sampler.first_captions(1000)) == 20
    # Three of ten pictures of each part: the first, the fourth, the seventh.
    chosen = [sampler.starts[first + k] for first in (0, 10) for k in (0, 3, 6)]
    np.testing.assert_array_equal(sampler.first_captions(6), sampler.tokens[chosen])


def test_a_part_of_one_class_alone_is_named(tmp_path):
    lines = [json.loads(line) for line in
             (write_folder(tmp_path) / "captions.jsonl").read_text().splitlines()]  # fmt: skip
    texts = [json.dumps({**line, "class": "thing"}) + "\n" for line in lines]
    (tmp_path / "captions.jsonl").write_text("".join(texts))
    with pytest.raises(UserError, match="folder: all pictures are of one class"):
        sampler_of(config_of(tmp_path, {"other_class": True}))


def test_the_configuration_is_kept_as_it_was_given(own):
    config = config_of(own, {"schedule": {"start": {"drawn": 1}, "steps": 9}})
    assert parse_config(yaml.safe_load(dump_config(config)), "test") == config
    given = load_config("birds-mixture.yaml", overrides=["data.parts.photos.root=elsewhere"])
    assert str(given.data.parts["photos"].root) == "elsewhere"
    assert given.data.parts["drawn"].photographic


def test_the_paper_taken_literally_has_no_pairs_in_any_part():
    given = ["data.parts.photos.root=elsewhere"]
    assert row_config("full", ["birds-mixture.yaml"], given).data.on_pairs
    literal = row_config("literal-paper", ["birds-mixture.yaml"], given).data
    assert not any(part.on_pairs for part in literal.parts.values())


@pytest.mark.parametrize(
    ("data", "message"),
    [({"parts": {"a": BIRDS}}, "data.parts: a mixture needs at least two parts"),
     ({"parts": [BIRDS]}, "data.parts: give each part by a name of yours"),
     ({"parts": {"a": {"count": 3}, "b": BIRDS}}, r"data.parts: a: give its data set as {source"),
     ({"parts": {"a": {"source": "bird"}, "b": BIRDS}}, "a: data.source=bird is no data set"),
     ({"parts": {"a": {"source": "cub", "rot": "x"}}}, r"a.rot: unknown key; did you mean root\?"),
     ({"parts": {"a": {"source": "cub"}}}, "a: data.root is needed for data.source=cub"),
     ({"parts": {"a": {**BIRDS, "count": 0}}}, "a.count: Input should be greater"),
     ({"parts": {"a": {**BIRDS, "max_words": 3}}}, "a.max_words: holds for all parts; give it as"),
     ({"parts": {"a": {"source": "mixture"}}}, "a: a mixture cannot be a part of another"),
     ({"parts": {"a": BIRDS, "b": {"source": "cub", "root": "x", "recoloured": True}}},
      "data.parts: recoloured of all parts or of none, not without a"),
     ({"weights": {"photo": 1}}, "data.weights: there is no part photo; there are: drawn, photos"),
     ({"weights": {"photos": 0}}, "data.weights: at least one weight must be above 0"),
     ({"schedule": {"start": {"a": 1}, "steps": 3}}, "data.schedule.start: there is no part a"),
     ({"schedule": {"steps": 3}}, "data.schedule: give both start and steps"),
     ({"schedule": {"stop": 3}}, "unknown key data.schedule.stop; did you mean"),
     ({"records": "a"}, "data.records: a mixture has no records of its own")],
)  # fmt: skip
def test_mistakes_are_told(own, data, message):
    with pytest.raises(UserError, match=message) as caught:
        config_of(own, data)
    assert "\n" not in str(caught.value)


def test_sizes_that_a_part_cannot_give_are_refused(own):
    with pytest.raises(UserError, match="procedural birds are drawn at 32 to 256"):
        config_of(own, model={"fine_size": 512})


def test_records_are_those_of_the_parts(own, tmp_path):
    alone = tiny_config(data={"source": "folder", "root": str(own)})
    prepare(alone, tmp_path / "records")
    plain, recorded = config_of(own), config_of(own, photos={"records": str(tmp_path / "records")})
    for a, b in zip(sampler_of(plain)(5, 40), sampler_of(recorded)(5, 40), strict=True):
        np.testing.assert_array_equal(a, b)
    assert "prepare the data set of each part" in refusal(prepare, plain, tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_evaluate_gives_figures_for_each_source(own, tmp_path):
    config = config_of(own)
    run = start_run(tmp_path / "run", config, load_source(config, "train"))
    run.save_generator(make_generator(config, len(run.vocabulary)))
    assert len((run.path / "train.txt").read_text().split()) == 20
    kept = run.path / "config.yaml"
    for change, allowed in (("root: ./moved", True), ("augment: false", False)):
        text = kept.read_text()
        key = change.split(":")[0]
        kept.write_text(re.sub(rf"(?m)^(      {key}): .*$", f"      {change}", text))
        assert kept.read_text() != text
        if allowed:
            assert str(Run.open(run.path).config.data.parts["photos"].root) == "moved"
        else:
            with pytest.raises(UserError, match=r"data\.parts\.photos\.augment was True"):
                Run.open(run.path)
        kept.write_text(text)
    output = tmp_path / "out"
    given = ["--run", run.path, "--evaluators", "none", "--count", "6", "--output", output]
    assert evaluate.main([str(one) for one in given]) == 0
    numbers = json.loads((output / "metrics.json").read_text())
    found = numbers["sources"]
    assert {name: one["count"] for name, one in found.items()} == {"drawn": 4, "photos": 2}
    assert "truth" in found["drawn"] and "truth" not in found["photos"] and "truth" not in numbers
    mean = (4 * found["drawn"]["edited"]["diff"] + 2 * found["photos"]["edited"]["diff"]) / 6
    assert numbers["edited"]["diff"] == pytest.approx(mean)
    table = (output / "table.md").read_text()
    assert "**drawn**, N = 4" in table and "**photos**, N = 2" in table
    about = json.loads((output / "manifest.json").read_text())
    assert "root" not in about["data"]["parts"]["photos"] and about["data"]["parts"]["drawn"]
