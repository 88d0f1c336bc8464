"""The ablation: every row trained and measured, and continued where it was stopped."""

from __future__ import annotations

import operator

import pytest
import yaml
from data_writers import write_clothes
from tiny import TINY

from mim_tf import ablate
from mim_tf.evaluation import ablation


def test_an_ablation_of_no_row_is_refused(capsys):
    given = ["--config", "birds.yaml", "--rows", "D_T-mismatched-only", "--output", "unused"]
    assert ablate.main(given) == 1
    assert "no row is left" in capsys.readouterr().err
    assert ablate.main([*given, "--seed", "-1"]) == 1
    assert "no whole number from 0" in capsys.readouterr().err


def test_the_ablation_trains_measures_and_goes_on(tmp_path, capsys, monkeypatch):
    base = tmp_path / "base.yaml"
    tree = {
        **TINY,
        "train": {**TINY["train"], "steps": 1},
        "deviations": {"warm_up": 1, "adversarial_start": 9},
        "loss": {"p": 0},
    }
    base.write_text(yaml.safe_dump(tree))
    output = tmp_path / "ablation"
    rows = ["full", "without-L_p", "coarse-only"]
    given = ["--config", str(base), "--evaluators", "none", "--count", "4", "--output", str(output)]
    train, trained = ablation.train, []

    def stopped(run, source):
        if run.path.name == "coarse-only" and "coarse-only" not in trained:
            trained.append("coarse-only")
            raise KeyboardInterrupt
        trained.append(run.path.name)
        train(run, source)

    monkeypatch.setattr(ablation, "train", stopped)
    assert ablate.main([*given, "--rows", *rows]) == 130
    assert "| full |" in (output / "table.md").read_text()
    measured = (output / "full" / "evaluation" / "metrics.json").stat().st_mtime_ns
    assert ablate.main([*given, "--rows", *rows]) == 0
    table = (output / "table.md").read_text()
    assert all(f"| {row} |" in table for row in rows if row != "without-L_p")
    assert "configuration has it already: without-L_p" in table
    assert (output / "edits.png").is_file() and table in capsys.readouterr().out
    assert (output / "full" / "evaluation" / "metrics.json").stat().st_mtime_ns == measured
    assert (
        yaml.safe_load((output / "coarse-only" / "config.yaml").read_text())["model"]["fine"]
        is False
    )
    assert ablate.main([*given, "--set", "train.seed=3", "--rows", "full"]) == 1
    assert "another configuration" in capsys.readouterr().err


def test_photographs_are_measured_by_targeted_edits(tmp_path, capsys):
    base, output = tmp_path / "base.yaml", tmp_path / "ablation"
    root = write_clothes(tmp_path / "clothes", 8)
    data = {"source": "folder", "root": str(root), "partial": True, "recoloured": True}
    tree = {
        **TINY,
        "data": {**data, "max_words": 16, "swap_words": ["red", "blue", "green"]},
        "model": {**TINY["model"], "fine": False},
        "train": {"batch_size": 2, "steps": 1},
        "deviations": {"warm_up": 1, "where": 1},
    }
    base.write_text(yaml.safe_dump(tree))
    given = ["--config", str(base), "--evaluators", "none", "--targeted", "--output", str(output)]
    assert ablate.row_config("full", [str(base)], []).data.recoloured
    assert ablate.main([*given, "--rows", "literal-paper"]) == 0
    table = (output / "table.md").read_text()
    assert "| row | hit | black |" in table and " detail |" in table
    assert "| literal-paper | 0.0" in table
    assert (
        yaml.safe_load((output / "literal-paper" / "config.yaml").read_text())["data"]["recoloured"]
        is False
    )
    again = capsys.readouterr().out
    assert ablate.main([*given, "--rows", "literal-paper"]) == 0  # reads what it measured
    assert capsys.readouterr().out == again
    capsys.readouterr()
    assert ablate.main([*given, "--rows", "full", "--count", "-3"]) == 1
    assert "--count -3: give 1 or more" in capsys.readouterr().err
    assert ablate.main([*given, "--rows", "full", "--count", "99"]) == 1
    assert "can be asked for" in capsys.readouterr().err


@pytest.mark.parametrize("row", ablate.ROWS)
def test_every_row_of_the_ablation_is_a_valid_configuration(row):
    ablate.row_config(row, ["clothes.yaml", "photo-ablation.yaml"], ["data.root=unread"])
    config = ablate.row_config(row, ["birds.yaml"], [])
    for override in ablate.ROWS[row]:
        key, _, value = override.partition("=")
        found = operator.attrgetter(key)(config)
        found = found.model_dump() if hasattr(found, "model_dump") else found
        assert found == yaml.safe_load(value)
    assert (row == "literal-paper") == (config.deviations.ema == 0)
