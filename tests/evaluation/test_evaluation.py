"""Evaluation: the evaluators tell an oracle, a copier and a text-ignorer apart; digits repeat."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from tiny import tiny_config

from mim_tf import evaluate
from mim_tf.data.birds import captions as bird_captions
from mim_tf.data.birds import scenes
from mim_tf.data.distractors import distractors
from mim_tf.data.sets import cub
from mim_tf.data.source import Source
from mim_tf.data.sources import load_source
from mim_tf.errors import UserError
from mim_tf.evaluation import pairs, protocol
from mim_tf.evaluation.manifest import describe, manifest_differences
from mim_tf.evaluation.measure import _candidates, measure
from mim_tf.evaluation.task import Task, edit_with, make_edits, without_deciding_words
from mim_tf.evaluators.folder import Evaluators
from mim_tf.pictures import files
from mim_tf.text import UNKNOWN

COUNT, SIZE = 40, 48


@pytest.fixture(scope="module")
def task():
    config = tiny_config()
    source = load_source(config, "test")
    return Task(source, pairs.draw_pairs(source, 0, COUNT), SIZE, 0)


class PerfectEvaluators(Evaluators):
    """Codes that hold exactly which part has which colour, as only the scenes can tell."""

    def __init__(self, task) -> None:
        self.damsm, self.classifier = object(), None
        seed = task.source.seed
        self.scenes = [scenes.scene(seed, pair.index, SIZE) for pair in task.pairs]

    def image_codes(self, pictures):
        return np.stack(
            [
                code({part: scene.read_colour(part, one, scene.colours) for part in scenes.PARTS})
                for scene, one in zip(self.scenes, pictures, strict=True)
            ]
        )

    def text_codes(self, captions):
        return np.stack([code(bird_captions.parse(one)) for one in captions])


def code(colours):
    return np.array(
        [colours.get(part) == name for part in scenes.PARTS for name in scenes.COLOURS], float
    )


def measured(task, edit):
    originals = task.originals()
    edits = make_edits(edit, task, originals)
    return measure(task, edits, originals, PerfectEvaluators(task))[0]


def painter(task, colours_for):
    """Edits that render the pair's own scene in other colours."""
    seed = task.source.seed
    drawn = [scenes.scene(seed, pair.index, SIZE) for pair in task.pairs]
    by_picture = {scene.render().tobytes(): scene for scene in drawn}

    def edit(pictures, captions):
        painted, alphas = [], []
        for picture, caption in zip(pictures, captions, strict=True):
            scene = by_picture[picture.tobytes()]
            painted.append(scene.render({**scene.colours, **colours_for(scene, caption)}))
            alphas.append((painted[-1] != picture).any(-1, keepdims=True).astype(np.float32))
        return np.stack(painted), np.stack(alphas)

    return edit


def test_an_oracle_scores_at_the_bounds(task):
    numbers = measured(task, painter(task, lambda scene, caption: bird_captions.parse(caption)))
    found = numbers["truth"]
    assert found["accuracy"] >= 0.99 and found["kept"] >= 0.99
    assert found["psnr"] == np.inf and found["ssim"] == pytest.approx(1)
    assert found["background"] == 0 and found["iou"] > 0.7
    assert numbers["edited"]["l2"] == 0
    alpha = numbers["alpha"]  # the oracle's: exactly where it changed something
    assert alpha["off"] == 0 and 0 < alpha["share"] < 0.5
    assert alpha["share"] * alpha["on"] == pytest.approx(numbers["edited"]["diff"])
    assert numbers["edited"]["sim"] > numbers["copied"]["sim"] + 0.3
    assert numbers["edited"]["sim"] == pytest.approx(numbers["real"]["sim"], abs=0.1)


def test_a_copier_changes_nothing(task):
    def copy(pictures, captions):
        return pictures, np.zeros((*pictures.shape[:3], 1), np.float32)

    numbers = measured(task, copy)
    assert numbers["edited"]["diff"] == 0 and numbers["edited"]["l2"] == 0
    assert numbers["edited"]["sim"] == numbers["copied"]["sim"]
    assert numbers["edited"]["mp_products"] == pytest.approx(numbers["edited"]["sim"])
    assert numbers["truth"]["accuracy"] <= 0.02 and numbers["truth"]["iou"] == 0


def test_a_text_ignorer_scores_Sim_at_the_mismatched_level(task):  # noqa: N802
    rng = np.random.default_rng(0)

    def any_colours(scene, caption):
        return {part: str(rng.choice(list(scenes.COLOURS))) for part in scenes.PARTS}

    ignored = measured(task, painter(task, any_colours))
    # Chance: a part reads as asked in one of eight cases.
    mentioned = [len(bird_captions.parse(pair.caption)) for pair in task.pairs]
    chance = np.mean([count / 8 / (2 * np.sqrt(count)) for count in mentioned])
    assert ignored["edited"]["sim"] == pytest.approx(chance, abs=0.06)
    assert ignored["edited"]["sim"] < ignored["real"]["sim"] - 0.3
    assert ignored["edited"]["diff"] > 0.01


def test_pairs_are_fixed_and_of_other_classes():
    source = load_source(tiny_config(), "test")
    first, again = (pairs.draw_pairs(source, 0, 9) for _ in range(2))
    assert first == again == pairs.draw_pairs(source, 7, 9)  # every evaluation edits the same birds
    for pair in first:
        colours = scenes.scene_colours(source.seed, pair.index)
        assert bird_captions.parse(pair.own).items() <= colours.items()
        asked = bird_captions.parse(pair.caption)
        assert asked and not asked.items() & colours.items()


def test_no_distractor_is_true_of_the_edited_bird():
    source = load_source(tiny_config(), "test")
    wish = "a bird with a red tail"
    found = distractors(source, 3, np.random.default_rng(0), wish)
    colours = {**scenes.scene_colours(source.seed, 3), "tail": "red"}
    assert len(found) == 99
    assert not any(bird_captions.parse(one).items() <= colours.items() for one in found)


def test_photographs_are_evaluated_and_recomputed_elsewhere(samples, tmp_path):
    from mim_tf.models.generator import make_generator
    from mim_tf.run import Run
    from mim_tf.training.start import start_run

    cub = samples / "cub"
    config = tiny_config(data={"source": "cub", "root": str(cub), "partial": True})
    source = load_source(config, "train")
    untrained = start_run(tmp_path / "run", config, source)
    opened = Run.open(untrained.path)
    opened.save_generator(make_generator(config, len(opened.vocabulary)))
    output = tmp_path / "out"
    given = ["--run", untrained.path, "--evaluators", "none", "--count", "12", "--keep-images"]
    assert evaluate.main([str(one) for one in [*given, "--output", output]]) == 0
    test = load_source(config, "test")
    for pair in pairs.read_pairs(output / "pairs.jsonl"):
        owners = {test.classes[i] for i, all_ in enumerate(test.captions) if pair.caption in all_}
        assert owners - {pair.label} and pair.own in test.captions[pair.index]
    given = [
        "--images",
        output / "images",
        "--pairs",
        output / "pairs.jsonl",
        "--evaluators",
        "none",
    ]
    again = [*given, "--data-root", cub, "--output", tmp_path / "again"]
    assert evaluate.main([str(one) for one in again]) == 0
    first, second = (
        json.loads((one / "metrics.json").read_text()) for one in (output, tmp_path / "again")
    )
    assert first == second and "truth" not in first and first["edited"]["diff"] > 0


# The command -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def evaluated(tiny_run, tiny_evaluators, tmp_path_factory):
    output = tmp_path_factory.mktemp("evaluation")
    assert run(tiny_run, tiny_evaluators, output, "--keep-images") == 0
    return output


def run(tiny_run, tiny_evaluators, output, *more):
    given = [
        "--run",
        tiny_run,
        "--evaluators",
        tiny_evaluators,
        "--count",
        "20",
        "--output",
        output,
        *more,
    ]
    return evaluate.main([str(one) for one in given])


def test_the_table_has_every_number_and_names_the_evaluators(evaluated):
    numbers = json.loads((evaluated / "metrics.json").read_text())
    assert {"is_mean", "is_std", "sim", "diff", "mp_products", "mp_means", "fid", "r_precision",
            "candidates", "l2", "unknown"} == set(numbers["edited"])  # fmt: skip
    assert numbers["copied"]["fid"] == pytest.approx(0, abs=1e-3)
    assert numbers["real"]["diff"] == 0
    table = (evaluated / "table.md").read_text()
    about = json.loads((evaluated / "manifest.json").read_text())
    assert f"unknown: {numbers['edited']['unknown']:.4f}" in table
    assert "N = 20" in table and about["evaluators"]["damsm"]["sha256"][:16] in table
    assert len((evaluated / "scores.jsonl").read_text().splitlines()) == 20


def test_a_caption_that_every_class_has_asks_no_picture_of_r_precision(tmp_path):
    captions = (("a black bird",), ("a red crown",), ("a black bird",), ("a blue tail",))
    options = cub.Options(source="cub", root=tmp_path)
    source = Source(options, "test", tuple("1234"), captions, ("a", "a", "b", "b"))
    asked_by = [captions[index][0] for index in range(4)]
    task = Task(
        source,
        [pairs.Pair(str(k), k, "", text, text) for k, text in enumerate(asked_by)],
        32,
        seed=0,
    )
    asked, candidates = _candidates(task, asked_by)
    assert asked == [1, 3] and [each[0] for each in candidates] == ["a red crown", "a blue tail"]
    assert set(candidates[0][1:]) == {"a black bird", "a blue tail"}
    assert [len(each) for each in candidates] == [100, 100]


def test_words_that_say_what_to_change_to_are_forgotten(tiny_run):
    from mim_tf.run import Run

    run = Run.open(tiny_run)
    forget = without_deciding_words(run)
    assert forget is not None
    caption = forget("A bird, with RED wings")
    assert caption is not None and caption.split()[:3] == ["a", "bird", "with"]
    assert caption.split()[-1] == "wings" and run.vocabulary.id(caption.split()[3]) == UNKNOWN


def test_a_caption_without_a_known_word_changes_nothing(tiny_run, capsys):
    from mim_tf.run import Run

    run, own = Run.open(tiny_run), "a bird with red wings"
    source = load_source(run.config, "test")
    cut = "tom " * run.config.data.max_words + "red"  # its known word is beyond what is read
    asked = ["tom", "a bird with blue wings", "red", cut]
    wishes = [pairs.Pair(str(k), k, str(k), text, own) for k, text in enumerate(asked)]
    task = Task(source, wishes, run.config.model.fine_size, 0)
    originals = task.originals()
    edits, _ = edit_with(run, task, originals)
    assert "2 of 4 captions have no word that the model knows" in capsys.readouterr().err
    np.testing.assert_array_equal(edits.pictures[[0, 3]], originals[[0, 3]])
    assert edits.alphas[0].max() == 0 < edits.alphas[1].max()
    np.testing.assert_array_equal(edits.unknown[2], originals[2])  # nothing known is left of it


def test_evaluating_twice_gives_identical_digits(evaluated, tiny_run, tiny_evaluators, tmp_path):
    manifest = evaluated / "manifest.json"
    assert run(tiny_run, tiny_evaluators, tmp_path, "--manifest", str(manifest)) == 0
    for name in ("metrics.json", "manifest.json", "pairs.jsonl", "scores.jsonl", "table.md"):
        assert (tmp_path / name).read_text() == (evaluated / name).read_text()


def test_the_folder_alone_gives_the_same_numbers(evaluated, tiny_evaluators, tmp_path):
    given = ["--images", evaluated / "images", "--pairs", evaluated / "pairs.jsonl",
             "--evaluators", tiny_evaluators, "--output", tmp_path]  # fmt: skip
    assert evaluate.main([str(one) for one in given]) == 0
    for name in ("metrics.json", "scores.jsonl"):
        assert (tmp_path / name).read_text() == (evaluated / name).read_text()


def test_somebody_elses_pictures_need_no_alpha(evaluated, tmp_path):
    given = ["--images", evaluated / "inputs", "--pairs", evaluated / "pairs.jsonl",
             "--evaluators", "none", "--output", tmp_path]  # fmt: skip
    assert evaluate.main([str(one) for one in given]) == 0
    numbers = json.loads((tmp_path / "metrics.json").read_text())
    assert numbers["edited"] == {"diff": 0.0} and "iou" not in numbers["truth"]
    assert "no evaluator given" in (tmp_path / "table.md").read_text()


def test_a_changed_weight_changes_the_manifest(
    evaluated, tiny_run, tiny_evaluators, tmp_path, capsys
):
    from mim_tf.run import Run

    other = shutil.copytree(tiny_run, tmp_path / "tiny")
    opened = Run.open(other)
    generator = opened.load_generator()
    generator.trainable_variables[0].assign_add(generator.trainable_variables[0] * 0 + 1e-3)
    opened.save_generator(generator)
    manifest = evaluated / "manifest.json"
    assert run(other, tiny_evaluators, tmp_path / "out", "--manifest", str(manifest)) == 1
    assert "these differ: model.weights_sha256" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("sections", "seed", "size", "expected"),
    [
        ({}, 1, SIZE, "seed"),
        ({}, 0, 32, "inputs_sha256"),
        ({"data": {"seed": 4}}, 0, SIZE, "data.seed"),
        ({"data": {"terse": 0.5}}, 0, SIZE, "data.terse"),
        ({"data": {"captions": 3}}, 0, SIZE, "captions_sha256"),
    ],
)
def test_what_changes_the_numbers_changes_the_manifest(task, sections, seed, size, expected):
    def about(config, seed, size):
        source = load_source(config, "test")
        changed = Task(source, pairs.draw_pairs(source, seed, 4), size, seed)
        return describe(changed, changed.originals(), None, {"vocabulary_sha256": "a"})

    old, new = about(tiny_config(), 0, SIZE), about(tiny_config(**sections), seed, size)
    assert expected in manifest_differences(old, new)
    assert manifest_differences(old, old) == []


def test_the_crop_of_cub_stands_in_the_manifest(tmp_path):
    def crop(**data):
        keys = {"source": "cub", "root": str(tmp_path), **data}
        return cub.describe(tiny_config(data=keys).data, "test").crop

    assert crop() == "largest centred square, of the bounding box"
    assert crop(crop_to_box=False) == "largest centred square"


def test_a_manifest_from_before_each_set_had_its_options_fits(evaluated, tiny_run, tmp_path):
    about = json.loads((evaluated / "manifest.json").read_text())
    about["data"] |= {"crop_to_box": True, "partial": False, "test_share": 0.1, "augment": True}
    (tmp_path / "manifest.json").write_text(json.dumps(about))
    found = protocol.read_manifest(tmp_path / "manifest.json")
    assert found == json.loads((evaluated / "manifest.json").read_text())


def test_a_data_root_for_birds_is_refused(evaluated, tiny_run, tmp_path, capsys):
    given = ["--run", tiny_run, "--evaluators", "none", "--data-root", tmp_path]
    assert evaluate.main([str(one) for one in [*given, "--output", tmp_path / "no"]]) == 1
    assert "data.source=birds has no folder" in capsys.readouterr().err


def test_a_changed_vocabulary_changes_its_hash():
    from mim_tf.evaluators.folder import vocabulary_hash
    from mim_tf.text import Vocabulary

    assert vocabulary_hash(Vocabulary(["a", "b"])) != vocabulary_hash(Vocabulary(["b", "a"]))


def test_mistakes_are_one_clear_line(evaluated, tiny_run, tiny_evaluators, tmp_path, capsys):
    def error(*given):
        assert evaluate.main([str(one) for one in (*given, "--output", tmp_path / "no")]) == 1
        return capsys.readouterr().err

    pair_file = evaluated / "pairs.jsonl"
    assert "give --run DIR" in error()
    assert "needs --pairs" in error("--images", tmp_path)
    assert "mim_tf.pretrain" in error("--run", tiny_run, "--evaluators", tmp_path)
    assert "1000 pictures" in error("--run", tiny_run, "--evaluators", "none", "--count", "2000")
    assert "no such file" in error(
        "--images", tmp_path, "--pairs", pair_file, "--evaluators", "none"
    )
    broken = tmp_path / "pairs.jsonl"
    broken.write_text("{}\n")
    assert "pairs.jsonl:1" in error("--run", tiny_run, "--evaluators", "none", "--pairs", broken)
    given = ("--run", tiny_run, "--evaluators", "none", "--pairs", pair_file)
    assert "the manifest says seed 0" in error(*given, "--seed", "7")
    assert "the manifest says split test" in error(*given, "--split", "train")
    for key, wrong in (("split", "nope"), ("seed", "x")):
        about = json.loads((evaluated / "manifest.json").read_text()) | {key: wrong}
        (tmp_path / "manifest.json").write_text(json.dumps(about))
        manifest = tmp_path / "manifest.json"
        assert "no manifest of an evaluation" in error(*given[:4], "--manifest", manifest)
    shutil.copytree(evaluated / "images", tmp_path / "small")
    files.write(tmp_path / "small" / "00000.png", np.zeros((8, 8, 3), np.uint8))
    assert "8x8 pixels instead of 32x32" in error(
        "--images", tmp_path / "small", "--pairs", pair_file, "--evaluators", "none"
    )
    assert not (tmp_path / "no").exists()


def test_a_pair_file_with_two_equal_keys_is_refused(tmp_path):
    file = tmp_path / "pairs.jsonl"
    file.write_text(pairs.to_text([pairs.Pair("a", 0, "x", "red", "blue")] * 2))
    with pytest.raises(UserError, match="stands twice"):
        pairs.read_pairs(file)
