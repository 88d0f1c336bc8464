"""The results page and the ablation: self-contained, complete, continued where stopped."""

from __future__ import annotations

import json
import operator
import shutil
from html.parser import HTMLParser

import pytest
import yaml
from conftest import TINY

from mim_tf import ablate, evaluate, report
from mim_tf.places import PRESETS


class Page(HTMLParser):
    """Counts tags, collects addresses and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.sources: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.sources += [value for name, value in attributes if name in ("src", "href")]


def test_the_page_has_every_section_and_loads_nothing(tiny_run, tmp_path):
    evaluation = tmp_path / "evaluation"
    given = ["--run", tiny_run, "--evaluators", "none", "--count", "6", "--keep-images"]
    assert evaluate.main([str(one) for one in [*given, "--output", evaluation]]) == 0
    output = tmp_path / "report.html"
    given = ["--run", tiny_run, "--evaluation", evaluation, "--output", output]
    assert report.main([str(one) for one in given]) == 0
    text = output.read_text()
    page = Page(text)
    assert all(one.startswith("data:image/png;base64,") for one in page.sources)
    for name in (
        "L_rec_fine",
        "step-0000004",
        "memory",
        "best by PSNR",
        "worst by Diff",
        "Table 1",
    ):
        assert name in text
    log = [json.loads(line) for line in (tiny_run / "log.jsonl").read_text().splitlines()]
    quantities = {name for row in log for name in row} - {"step", "epoch"}
    assert page.tags.count("svg") == len(quantities)


def test_without_an_evaluation_the_error_says_how_to_make_one(tiny_run, tmp_path, capsys):
    assert report.main(["--run", str(tiny_run), "--output", str(tmp_path / "r.html")]) == 1
    assert "mim_tf.evaluate" in capsys.readouterr().err


def test_the_page_of_a_shipped_run(tmp_path):
    """Its evaluation is numbers alone; by default the page goes into the run."""
    run = shutil.copytree(PRESETS / "birds-64", tmp_path / "birds-64")
    assert report.main(["--run", str(run)]) == 0
    page = (run / "report.html").read_text()
    assert "attribute accuracy" in page and "kept no pictures" in page


def test_an_evaluation_of_other_weights_is_refused(tiny_run, tmp_path, capsys):
    other = PRESETS / "birds-64" / "evaluation"
    given = ["--run", str(tiny_run), "--evaluation", str(other)]
    assert report.main([*given, "--output", str(tmp_path / "r.html")]) == 1
    assert "measured birds-64 with other weights" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_an_ablation_of_no_row_is_refused(capsys):
    given = ["--config", "birds.yaml", "--rows", "D_T-mismatched-only", "--output", "unused"]
    assert ablate.main(given) == 1
    assert "no row is left" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        ablate.main([*given, "--seed", "-1"])


def test_the_ablation_trains_measures_and_goes_on(tmp_path, capsys, monkeypatch):
    from mim_tf.training import loop as trainer

    base = tmp_path / "base.yaml"
    train = {**TINY["train"], "steps": 1, "warm_up": 0, "discriminator_start": 9}
    tree = {**TINY, "train": train, "loss": {"p": 0}}
    base.write_text(yaml.safe_dump(tree))
    output = tmp_path / "ablation"
    rows = ["full", "without-L_p", "coarse-only"]
    given = ["--config", str(base), "--evaluators", "none", "--count", "4", "--output", str(output)]
    train, trained = trainer.train, []

    def stopped(run, source):
        if run.path.name == "coarse-only" and "coarse-only" not in trained:
            trained.append("coarse-only")
            raise KeyboardInterrupt
        trained.append(run.path.name)
        train(run, source)

    monkeypatch.setattr(trainer, "train", stopped)
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


@pytest.mark.parametrize("row", ablate.ROWS)
def test_every_row_of_the_ablation_is_a_valid_configuration(row):
    arguments = ablate._arguments(
        ["--config", "birds.yaml", "--evaluators", "none", "--output", "x"]
    )
    config = ablate._config(arguments, row)
    for override in ablate.ROWS[row]:
        key, _, value = override.partition("=")
        found = operator.attrgetter(key)(config)
        found = found.model_dump() if hasattr(found, "model_dump") else found
        assert found == yaml.safe_load(value)
    assert (row == "literal-paper") == (config.train.ema == 0)
