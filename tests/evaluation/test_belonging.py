"""What does not belong together is not measured together: pictures, pairs, numbers, weights."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from data_writers import write_folder
from tiny import tiny_config

from mim_tf import evaluate, import_evaluators
from mim_tf.ablate import ROWS, row_config
from mim_tf.config_files import load_kind
from mim_tf.data.distractors import classes_of_captions, distractors
from mim_tf.data.sources import load_source
from mim_tf.errors import UserError
from mim_tf.evaluation import protocol
from mim_tf.evaluation.folders import METRICS, read_edits, write_edits
from mim_tf.evaluation.pairs import draw_pairs, to_text
from mim_tf.evaluation.task import Edits, Task
from mim_tf.evaluation.untrained import check_untrained
from mim_tf.evaluators.config import PretrainConfig
from mim_tf.evaluators.folder import DAMSM_WEIGHTS, SCORES
from mim_tf.evaluators.training import start
from mim_tf.training.start import open_or_start, start_run


def write_captions(root, first: int) -> None:
    """Captions of the pictures from number ``first`` on; chance says which of them test."""
    lines = [
        {"image": f"some/{k}.{('jpg', 'png', 'webp')[k % 3]}", "captions": [f"a red thing {k}"]}
        for k in range(first, 12)
    ]
    (root / "captions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def of(folder):
    return {"source": "folder", "root": str(folder), "test_share": 0.4, "partial": True}


@pytest.fixture
def folder(tmp_path):
    """Twelve pictures, of which the first is not known yet."""
    root = write_folder(tmp_path / "own", 12)
    write_captions(root, 1)
    return root


def test_test_pictures_that_trained_are_refused(folder, tmp_path):
    config = tiny_config(data=of(folder))
    run = start_run(tmp_path / "run", config, load_source(config, "train"))
    check_untrained(run, load_source(config, "test"), own=True)
    write_captions(folder, 0)  # one picture more deals all of them out anew
    with pytest.raises(UserError, match=r"test pictures trained .* stands in its train\.txt"):
        check_untrained(run, load_source(config, "test"), own=True)
    check_untrained(run, load_source(config, "train"), own=True)
    check_untrained(run, load_source(config, "test"), own=False)  # names as in another folder
    birds = tiny_config()
    drawn = start_run(tmp_path / "drawn", birds, load_source(birds, "train"))
    check_untrained(drawn, load_source(birds, "test"), own=True)  # their numbers are not names


def test_a_stopped_run_does_not_go_on_with_other_pictures(folder, tmp_path):
    config = tiny_config(data=of(folder))
    run = start_run(tmp_path / "run", config, load_source(config, "train"))
    (run.path / "checkpoints").mkdir()
    (run.path / "checkpoints" / "step-1.index").write_text("")
    assert open_or_start(run.path, config, load_source(config, "train")).path == run.path
    write_captions(folder, 0)
    with pytest.raises(UserError, match="trained with other pictures"):
        open_or_start(run.path, config, load_source(config, "train"))


def test_pairs_of_other_pictures_are_refused(folder, tmp_path):
    source = load_source(tiny_config(data=of(folder)), "train")
    file = tmp_path / "pairs.jsonl"
    pairs = draw_pairs(source, 0, 5)
    file.write_text(to_text(pairs))
    assert protocol._read_pairs(file, source) == pairs
    for wrong in (replace(pairs[0], own="of nobody"), replace(pairs[0], label="another")):
        file.write_text(to_text([wrong]))
        with pytest.raises(UserError, match=f"pair {wrong.key} is of another picture"):
            protocol._read_pairs(file, source)


def test_nothing_of_an_earlier_evaluation_stays(tmp_path):
    source = load_source(tiny_config(), "test")
    task = Task(source, draw_pairs(source, 0, 3), 32, 0)
    originals = task.originals()
    with_all = Edits(originals, originals[..., :1], originals, originals)
    write_edits(tmp_path / "images", task, with_all, originals)
    (tmp_path / METRICS).write_text("{}")
    assert read_edits(tmp_path / "images", task).unknown is not None
    write_edits(tmp_path / "images", task, Edits(originals), originals)
    again = read_edits(tmp_path / "images", task)
    assert again.alphas is None and again.reconstructed is None and again.unknown is None
    assert not (tmp_path / METRICS).exists()  # numbers of pictures that are gone


@pytest.mark.parametrize("row", ROWS)
def test_every_row_of_an_ablation_has_as_many_steps(row):
    names = ["birds.yaml", "birds-ablation.yaml"]
    full, config = (row_config(one, names, []) for one in ("full", row))
    assert full.train.steps is not None and config.train.steps is not None
    steps = full.train.steps + full.deviations.warm_up
    assert config.train.steps + config.deviations.warm_up == steps


def test_captions_of_the_asked_class_are_no_false_ones(tmp_path):
    root = write_folder(tmp_path, 12)
    kinds = ("shirt", "jeans", "dress")
    lines = [
        {"image": f"some/{k}.{('jpg', 'png', 'webp')[k % 3]}", "split": "test" if k else "train",
         "class": kinds[k % 3], "captions": [f"{kinds[k % 3]} {k}"]}
        for k in range(12)
    ]  # fmt: skip
    (root / "captions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    source = load_source(tiny_config(data=of(root)), "test")
    [shirt] = [k for k, captions in enumerate(source.captions) if captions == ("shirt 3",)]
    asked = classes_of_captions(source)["jeans 4"]
    found = distractors(source, shirt, np.random.default_rng(0), "jeans 4", asked)
    assert found and {caption.split()[0] for caption in found} == {"dress"}
    assert not classes_of_captions(load_source(tiny_config(), "test"))  # each bird is its own


def test_evaluators_are_not_trained_over(tmp_path):
    config = load_kind(PretrainConfig, "evaluators/birds.yaml")
    for name in (SCORES, DAMSM_WEIGHTS):
        folder = tmp_path / name
        folder.mkdir()
        (folder / name).write_text("")
        with pytest.raises(UserError, match="already holds evaluators"):
            start(folder, config)
        given = ["--inception", str(tmp_path / "none"), "--output", str(folder)]
        assert import_evaluators.main(given) == 1
        assert [path.name for path in folder.iterdir()] == [name]


@pytest.mark.parametrize(
    ("given", "told"),
    [(["--preset", "birds-64", "--count", "0"], "--count 0: give 1 or more"),
     (["--run", "r", "--targeted", "--count", "-3"], "--count -3: give 1 or more"),
     (["--run", "r", "--pairs", "p.jsonl", "--count", "5"], "--count: the pairs of --pairs are")],
)  # fmt: skip
def test_counts_that_mean_nothing_are_told(tmp_path, capsys, given, told):
    assert evaluate.main([*given, "--output", str(tmp_path / "out")]) == 1
    assert told in capsys.readouterr().err
