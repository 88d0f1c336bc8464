"""The human study: the page answered in a real browser, and what is made of the answers."""

from __future__ import annotations

import json
import re
import shutil

import numpy as np
import pytest
import scipy.stats

from mim_tf import study
from mim_tf.evaluation import ratings
from mim_tf.evaluation.pairs import Pair, to_text
from mim_tf.evaluation.ratings import Rating
from mim_tf.pages.study import QUESTIONS
from mim_tf.pictures import files

PAIRS = 3


@pytest.fixture
def made(tmp_path):
    """A study of three pairs and two methods; ``good`` is white, ``bad`` black."""
    drawn = [Pair(f"p{i}", i, "c", f"a </script> bird {i} & <b>", "own") for i in range(PAIRS)]
    (tmp_path / "pairs.jsonl").write_text(to_text(drawn))
    for pair in drawn:
        for folder, level in (("inputs", 100), ("good", 255), ("bad", 0)):
            picture = np.full((16, 16, 3), level, np.uint8)
            files.write(tmp_path / folder / f"{pair.key}.png", picture)
    page = tmp_path / "study.html"
    methods = [f"good={tmp_path / 'good'}", f"bad={tmp_path / 'bad'}"]
    given = ["--images", *methods, "--pairs", str(tmp_path / "pairs.jsonl")]
    assert study.main([*given, "--count", str(PAIRS), "--output", str(page)]) == 0
    return page


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed (requirements-dev.txt)"
    )
    driver = sync_api.sync_playwright().start()
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    try:
        started = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
    except sync_api.Error as error:
        driver.stop()
        pytest.skip(f"no Chromium to start (playwright install chromium): {str(error)[:80]}")
    yield started
    started.close()
    driver.stop()


def white(page, position):
    """Whether a result's picture is the good method's, as its pixels say."""
    script = """(i) => { const image = document.querySelectorAll("#pictures img")[i];
      const canvas = document.createElement("canvas"); canvas.width = canvas.height = 1;
      const context = canvas.getContext("2d"); context.drawImage(image, 0, 0, 1, 1);
      return context.getImageData(0, 0, 1, 1).data[0] > 128; }"""
    page.wait_for_function(
        "[...document.querySelectorAll('#pictures img')].every((image) => image.complete)"
    )
    return page.evaluate(script, position)


def test_answered_by_keyboard_and_on_a_phone_saved_and_aggregated(made, browser, tmp_path, capsys):
    files = []
    for name in ("keyboard", "phone"):
        options = {"viewport": {"width": 360, "height": 740}, "has_touch": True,
                   "is_mobile": True} if name == "phone" else {}  # fmt: skip
        page = browser.new_context(**options).new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error, errors=errors: errors.append(str(error)))
        page.goto(made.as_uri())
        for place in range(PAIRS):
            assert page.inner_text("#caption").startswith("a </script> bird")
            for position in range(2):
                rank = 5 if white(page, position) else 2
                for question in range(3):
                    if name == "keyboard":
                        page.keyboard.press(str(rank))
                    else:
                        box = page.locator("fieldset").nth(3 * position + question)
                        box.locator("label").nth(rank - 1).tap()
            if name == "phone":
                width = page.evaluate("document.documentElement.scrollWidth")
                assert width <= 360
                if place == 1:
                    page.reload()  # answers survive it
            if place < PAIRS - 1:
                if name == "keyboard":
                    page.keyboard.press("Enter")
                else:
                    page.tap("#next")
        with page.expect_download() as download:
            page.click("#save")
        files.append(tmp_path / f"{name}.json")
        download.value.save_as(files[-1])
        assert not errors
    given = ["--answers", *map(str, files), "--key", str(tmp_path / "study-key.json")]
    assert study.main(given) == 0
    printed = capsys.readouterr().out
    assert "2 raters, 36 answers" in printed
    assert "| good | 5.00 ± 0.00 | 5.00 ± 0.00 | 5.00 ± 0.00 |" in printed
    assert "| bad | 2.00 ± 0.00 | 2.00 ± 0.00 | 2.00 ± 0.00 |" in printed
    assert "alpha (ordinal) 1.000" in printed


@pytest.mark.parametrize("width", [320, 540, 800, 900])
def test_columns_of_ranks_stay_apart(made, browser, tmp_path, width):
    third = tmp_path / "third.html"
    methods = [f"{name}={tmp_path / name}" for name in ("good", "bad", "inputs")]
    given = ["--images", *methods, "--pairs", str(tmp_path / "pairs.jsonl")]
    assert study.main([*given, "--count", str(PAIRS), "--output", str(third)]) == 0
    page = browser.new_context(viewport={"width": width, "height": 700}).new_page()
    page.goto(third.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    boxes = page.evaluate(
        """[...document.querySelectorAll("#pictures fieldset")].map((box) => ({
          edge: box.getBoundingClientRect().right, last: Math.max(...[...box
          .querySelectorAll("label")].map((label) => label.getBoundingClientRect().right))}))"""
    )
    assert len(boxes) == 9 and all(box["last"] <= box["edge"] for box in boxes)


@pytest.mark.parametrize(("width", "height", "seen"), [(1280, 720, 6), (360, 740, 1)])
def test_ratings_are_on_the_first_screen(made, browser, width, height, seen):
    """All of a page on a laptop; on a phone a first result with a first question."""
    page = browser.new_context(viewport={"width": width, "height": height}).new_page()
    page.goto(made.as_uri())
    assert page.evaluate("scrollY") == 0
    ends = page.evaluate(
        """[...document.querySelectorAll("#pictures fieldset")].map(
          (box) => box.getBoundingClientRect().bottom)"""
    )
    assert len(ends) == 6 and sum(end <= height for end in ends) >= seen


def test_the_next_page_needs_every_answer(made, browser):
    page = browser.new_page()
    page.goto(made.as_uri())
    page.click("#next")
    assert "6 questions" in page.inner_text("#message")
    assert page.inner_text("#place") == "Page 1 of 3"


def test_the_page_is_blinded_and_self_contained(made):
    text = made.read_text()
    key = json.loads(made.with_name("study-key.json").read_text())
    assert {owner["method"] for owner in key["pictures"].values()} == {"good", "bad"}
    assert all(code in text for code in key["pictures"])
    # Random codes and base64 may spell anything.
    for code in [key["study"], *key["pictures"]]:
        text = text.replace(code, "")
    text = re.sub("base64,[A-Za-z0-9+/=]*", "", text)
    assert "good" not in text.replace("very good", "") and "bad" not in text
    assert "http" not in text


def test_the_page_holds_the_questions_in_their_order(made):
    data = re.search('<script id="data" type="application/json">(.*?)</script>', made.read_text())
    found = json.loads(data.group(1))
    assert list(found["questions"].items()) == list(QUESTIONS.items())
    assert {item["caption"] for item in found["items"]} == {
        f"a </script> bird {i} & <b>" for i in range(PAIRS)
    }


def rated(ranks):
    """``{method: [[rank of each rater] of each pair]}`` as ratings of one question."""
    return [
        Rating(str(rater), method, str(pair), "relevance", rank)
        for method, pairs in ranks.items()
        for pair, raters in enumerate(pairs)
        for rater, rank in enumerate(raters)
    ]


def test_mean_and_standard_deviation():
    found = ratings.summary(rated({"a": [[1, 3], [5, 3]]}), "a", "relevance")
    assert found == pytest.approx((3, np.sqrt(2)))


def test_the_paired_test_is_scipys_on_means_over_raters():
    rng = np.random.default_rng(0)
    ranks = {name: rng.integers(1, 6, (12, 3)) for name in ("a", "b")}
    rows = rated({name: value.tolist() for name, value in ranks.items()})
    difference, p, count = ratings.significance(rows, "a", "b", "relevance")
    means = {name: value.mean(axis=1) for name, value in ranks.items()}
    assert difference == pytest.approx((means["a"] - means["b"]).mean()) and count == 12
    assert p == pytest.approx(scipy.stats.wilcoxon(means["a"], means["b"]).pvalue)
    assert ratings.significance(rows, "a", "a", "relevance")[1] == 1


def test_agreement_is_1_for_equal_raters_and_low_for_random_ones():
    assert ratings.agreement(rated({"a": [[1, 1], [5, 5], [3, 3]]}), "relevance") == 1
    rng = np.random.default_rng(1)
    noise = rng.integers(1, 6, (200, 2)).tolist()
    assert abs(ratings.agreement(rated({"a": noise}), "relevance") or 9) < 0.2
    assert ratings.agreement(rated({"a": [[1], [5]]}), "relevance") is None


def test_wrong_files_are_one_clear_line(made, tmp_path, capsys):
    key = json.loads((tmp_path / "study-key.json").read_text())
    answers = tmp_path / "answers.json"

    def error(content):
        answers.write_text(json.dumps(content))
        given = ["--answers", str(answers), "--key", str(tmp_path / "study-key.json")]
        assert study.main(given) == 1
        return capsys.readouterr().err

    assert "no answer file" in error([])
    assert "another study" in error({"study": "x", "rater": "r", "answers": []})
    row = {"picture": "nobody", "question": "relevance", "rank": 3}
    assert "nobody" in error({"study": key["study"], "rater": "r", "answers": [row]})
    row["picture"] = next(iter(key["pictures"]))
    assert "rank 7" in error({"study": key["study"], "rater": "r", "answers": [{**row, "rank": 7}]})
    odd = {**row, "question": "beauty"}
    assert "beauty" in error({"study": key["study"], "rater": "r", "answers": [odd]})
    odd = {**row, "picture": ["a", "list"]}
    assert "unknown picture" in error({"study": key["study"], "rater": "r", "answers": [odd]})
    assert "twice" in error({"study": key["study"], "rater": "r", "answers": [row, row]})
    good = {"study": key["study"], "rater": "r", "answers": [row]}
    (tmp_path / "again.json").write_text(json.dumps(good))
    answers.write_text(json.dumps(good))
    given = ["--answers", str(answers), str(tmp_path / "again.json")]
    assert study.main([*given, "--key", str(tmp_path / "study-key.json")]) == 1
    assert "same rater" in capsys.readouterr().err
    assert study.main(["--images", "a"]) == 1
    capsys.readouterr()
    methods = [f"{name}={tmp_path / name}" for name in ("good", "bad")]
    given = ["--images", *methods, "--pairs", str(tmp_path / "pairs.jsonl"), "--count", "3"]
    assert study.main([*given, "--output", str(made)]) == 1
    assert "answers to that study need its key" in capsys.readouterr().err
    assert json.loads((tmp_path / "study-key.json").read_text()) == key
    assert study.main([*given, "--output", str(tmp_path / "pairs.jsonl" / "s.html")]) == 1
    assert capsys.readouterr().err.count("\n") == 1
