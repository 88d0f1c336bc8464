"""The results page: self-contained and complete, of runs and of presets."""

from __future__ import annotations

import json
import shutil
from html.parser import HTMLParser

from mim_tf import evaluate, report
from mim_tf.pages.templates import render
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
    assert evaluate.main([str(argument) for argument in [*given, "--output", evaluation]]) == 0
    output = tmp_path / "report.html"
    given = ["--run", tiny_run, "--evaluation", evaluation, "--output", output]
    assert report.main([str(argument) for argument in given]) == 0
    text = output.read_text()
    page = Page(text)
    assert page.sources and all(
        source.startswith("data:image/png;base64,") for source in page.sources
    )
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


def test_the_page_of_a_preset_goes_here(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert report.main(["--preset", "birds-64"]) == 0
    assert capsys.readouterr().out == "report.html\n"
    assert "<h1>birds-64</h1>" in (tmp_path / "report.html").read_text()
    assert report.main(["--preset", "clothes-128"]) == 1  # which ships without an evaluation
    assert "--preset clothes-128 --output evaluation --keep-images" in capsys.readouterr().err
    assert report.main(["--preset", "birds-65"]) == 1
    assert "there are the presets birds-64" in capsys.readouterr().err


def test_a_broken_evaluation_is_one_clear_line(tiny_run, tmp_path, capsys):
    for name in ("metrics.json", "manifest.json"):
        (tmp_path / name).write_text("{")
    given = ["--run", str(tiny_run), "--evaluation", str(tmp_path)]
    assert report.main([*given, "--output", str(tmp_path / "r.html")]) == 1
    assert "metrics.json or manifest.json is broken" in capsys.readouterr().err


def test_text_is_never_markup():
    page = render("demo.html", table=[["<script>alert(1)</script>"]], verdict="", sheet=b"PNG")
    assert "<script>" not in page and "&lt;script&gt;" in page


def test_an_evaluation_of_other_weights_is_refused(tiny_run, tmp_path, capsys):
    other = PRESETS / "birds-64" / "evaluation"
    given = ["--run", str(tiny_run), "--evaluation", str(other)]
    assert report.main([*given, "--output", str(tmp_path / "r.html")]) == 1
    assert "measured birds-64 with other weights" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
