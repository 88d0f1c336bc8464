"""Targeted edits of photographs: what is asked, what scores, and the command."""

from __future__ import annotations

import json
import pickle
from collections import Counter

import numpy as np
import pytest
from data_writers import options_of
from tiny import tiny_config

from mim_tf import evaluate
from mim_tf.data.sets import cub, cub_metadata
from mim_tf.data.sources import load_source
from mim_tf.editor import Editor
from mim_tf.errors import UserError
from mim_tf.evaluation import targeted
from mim_tf.evaluation.birds import WISHES
from mim_tf.evaluation.pairs import draw_pairs
from mim_tf.evaluation.points import radius_of
from mim_tf.evaluation.task import Edits, Task
from mim_tf.pictures import files
from mim_tf.pictures.colours import COLOURS, colour_at, disc
from mim_tf.run import Run

SIZE = 48
# Part number of CUB, and where it lies in every photograph below.
PLACES = {"crown": (5, 10.0, 44.0), "belly": (3, 14.0, 52.0), "wings": (9, 22.0, 48.0),
          "tail": (14, 32.0, 48.0)}  # fmt: skip


@pytest.fixture(scope="module")
def birds(tmp_path_factory):
    """Nine photographs of 90 x 120 in CUB's layout, eight of which test: a brown bird near the left
    border, so that the crop to its box is cut off there. The last has no box."""
    root = tmp_path_factory.mktemp("cub")
    folder = root / "CUB_200_2011"
    lists = {"images.txt": "", "bounding_boxes.txt": "", cub_metadata.POINTS: ""}
    names = [f"00{k % 2 + 1}.Finch/Finch_{k}" for k in range(9)]
    for number, name in enumerate(names, 1):
        picture = np.full((90, 120, 3), COLOURS["green"], np.uint8)
        picture[40:56, 6:36] = COLOURS["brown"]
        for _, x, y in PLACES.values():
            picture[disc(90, 120, (x, y), 2.0)] = COLOURS["grey"]
        path = folder / "images" / f"{name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(files.encode_png(picture))
        lists["images.txt"] += f"{number} {name}.jpg\n"
        if number < 9:
            lists["bounding_boxes.txt"] += f"{number} 4.0 38.0 34.0 20.0\n"
        for part, x, y in PLACES.values():
            lists[cub_metadata.POINTS] += f"{number} {part} {x} {y} 1\n"
        lists[cub_metadata.POINTS] += f"{number} 15 0.0 0.0 0\n"
        text = root / "text_c10" / f"{name}.txt"
        text.parent.mkdir(parents=True, exist_ok=True)
        text.write_text("a brown bird\n")
    for name, content in lists.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(content)
    for split, chosen in (("train", names[:1]), ("test", names[1:])):
        (root / split).mkdir()
        (root / split / "filenames.pickle").write_bytes(pickle.dumps(chosen))
    return root


@pytest.fixture(scope="module")
def source(birds):
    return cub.load(options_of("cub", birds), "test")


@pytest.fixture(scope="module")
def task(source):
    return Task(source, targeted.draw_targeted(source, 3, None, SIZE), SIZE, 0, targeted=True)


@pytest.mark.parametrize(
    ("crop_to_box", "left", "top", "side"),
    [(True, 0, 25, 46), (False, 15, 0, 90)],  # the box's square is 50 rows by 46 columns
)
def test_marks_go_through_the_crop_and_the_scaling(birds, crop_to_box, left, top, side):
    source = cub.load(options_of("cub", birds, crop_to_box=crop_to_box), "test")
    for size in (SIZE, 96):
        picture, marks = source.original(0, size), source.marks(0, size)
        visible = {part for part, (_, x, _) in PLACES.items() if x >= left}
        assert {part for part, places in marks.points.items() if places} == visible
        for part in visible:
            assert colour_at(picture, marks.points[part][0], size / side) == "grey", part
            _, x, y = PLACES[part]
            assert marks.points[part][0] == pytest.approx(
                ((x - left) * size / side, (y - top) * size / side)
            )
        assert marks.box == pytest.approx(np.array([4 - left, 38 - top, 34, 20]) * size / side)
    assert source.marks(source.ids.index("001.Finch/Finch_8"), SIZE) is None  # it has no box


def test_what_is_asked_is_what_a_bird_does_not_have(source, task):
    assert len(task.pairs) == 7  # the last photograph has no box
    assert task.pairs[:4] == targeted.draw_targeted(source, 3, 4, SIZE)
    assert task.pairs != targeted.draw_targeted(source, 4, None, SIZE)
    parts = Counter(WISHES[pair.caption][0] for pair in task.pairs)
    assert set(parts) == set(PLACES) and max(parts.values()) - min(parts.values()) <= 1
    for pair in task.pairs:
        assert WISHES[pair.caption][1] != "grey" and pair.own == "a brown bird"
    with pytest.raises(UserError, match="--count 8: of the 8 pictures of the test split 7 can be"):
        targeted.draw_targeted(source, 3, 8, SIZE)


def painted(task, originals):
    """Every part asked for in its colour, exactly around its points."""
    after = originals.copy()
    for place, pair in enumerate(task.pairs):
        part, colour = WISHES[pair.caption]
        marks = task.source.marks(pair.index, SIZE)
        for point in marks.points[part]:
            after[place][disc(SIZE, SIZE, point, radius_of(marks.box))] = COLOURS[colour]
    return after


def measured(task, pictures, alphas=None):
    rows = [{} for _ in task.pairs]
    return targeted.measure(task, Edits(pictures, alphas), task.originals(), None, rows), rows


def test_a_copy_scores_nothing_and_what_is_painted_at_the_points_scores_all(task):
    originals = task.originals()
    found, rows = measured(task, originals)
    assert (found["hit"], found["kept"], found["outside"]) == (0.0, 0.0, 0.0)
    assert {row["hit"] for row in rows} == {0.0} and {row["detail"] for row in rows} == {None}
    assert np.isnan(found["groups"]["throat"]["hit"]) and found["groups"]["throat"]["count"] == 0

    alphas = np.full((*originals.shape[:3], 1), 255, np.uint8)
    found, rows = measured(task, painted(task, originals), alphas)
    assert (found["hit"], found["kept"], found["outside"]) == (1.0, 0.0, 0.0)
    assert sum(row["count"] for row in found["groups"].values()) == len(rows) == 7
    assert 0 < found["detail"] < 1
    assert measured(task, originals, alphas)[0]["detail"] == pytest.approx(1)


def test_changes_elsewhere_show(task):
    after = task.originals()
    after[:, :2] = 255  # above the box
    found = measured(task, after)[0]
    assert found["outside"] > 0 == found["kept"]
    for place, pair in enumerate(task.pairs):
        marks = task.source.marks(pair.index, SIZE)
        other = next(part for part in PLACES if part != WISHES[pair.caption][0])
        after[place][disc(SIZE, SIZE, marks.points[other][0], 0.5)] = 255
    assert measured(task, after)[0]["kept"] > 0


def test_hit_is_the_mean_over_parts_that_count(task):
    originals = task.originals()
    after = painted(task, originals)
    crowns = [place for place, pair in enumerate(task.pairs) if "crown" in pair.caption]
    after[crowns] = originals[crowns]
    found = measured(task, after)[0]
    assert found["groups"]["crown"]["hit"] == 0 and found["hit"] == 0.75
    assert found["hit_error"] == 0
    after = painted(task, originals)
    wings = [place for place, pair in enumerate(task.pairs) if "wings" in pair.caption]
    after[wings[0]] = originals[wings[0]]
    found = measured(task, after)[0]
    share = (len(wings) - 1) / len(wings)
    assert found["hit"] == pytest.approx((3 + share) / 4)
    assert found["hit_error"] == pytest.approx((share * (1 - share) / len(wings)) ** 0.5 / 4)


def test_captions_that_ask_nothing_and_data_without_marks_are_refused(source):
    other = Task(source, draw_pairs(source, 0, 2), SIZE, 0, targeted=True)
    with pytest.raises(UserError, match="'a brown bird', which is no targeted edit"):
        measured(other, other.originals())
    with pytest.raises(UserError, match="data.source=birds knows its true edits"):
        targeted.draw_targeted(load_source(tiny_config(), "test"), 0, 2, SIZE)
    two = {name: {"source": "birds", "count": 4} for name in ("a", "b")}
    several = load_source(tiny_config(data={"source": "mixture", "parts": two}), "test")
    with pytest.raises(UserError, match="mixture is several data sets; name the one to measure on"):
        targeted.draw_targeted(several, 0, 2, SIZE)


# The command -------------------------------------------------------------------------------------


def run(*given) -> int:
    return evaluate.main([str(one) for one in given])


def test_a_run_of_other_data_is_measured_here_and_its_pictures_again(
    random_run, birds, tmp_path, capsys
):
    output = tmp_path / "out"
    given = ["--run", random_run.path, "--targeted", "--config", "cub-targeted.yaml",
             "--set", f"data.root={birds}", "--count", 5, "--keep-images"]  # fmt: skip
    assert run(*given, "--output", output) == 0
    table = capsys.readouterr().out
    assert "| asked | hit | edits |" in table and "mean of crown, belly, wings, tail" in table
    found = json.loads((output / "metrics.json").read_text())
    assert found["count"] == 5 and found["pixels"] == 32
    assert found["targeted"]["groups"]["back"] == {"hit": None, "count": 0}
    rows = [json.loads(line) for line in (output / "scores.jsonl").read_text().splitlines()]
    assert {"key", "asked", "hit", "kept", "outside", "detail", "diff"} <= set(rows[0])
    assert files.read(output / "overview.png").shape[0] > 5 * 128

    # The manifest beside the pairs says that they are targeted; a copy scores 0.
    again = ["--images", output / "inputs", "--pairs", output / "pairs.jsonl",
             "--data-root", birds, "--output", tmp_path / "copy"]  # fmt: skip
    assert run(*again) == 0
    copied = json.loads((tmp_path / "copy" / "metrics.json").read_text())["targeted"]
    assert copied["hit"] == copied["kept"] == copied["outside"] == 0 and copied["detail"] is None


def test_at_another_size_the_change_is_put_into_the_picture(random_run, birds, tmp_path, capsys):
    given = ["--run", random_run.path, "--targeted", "--config", "cub-targeted.yaml",
             "--set", f"data.root={birds}"]  # fmt: skip
    first, again = tmp_path / "first", tmp_path / "again"
    assert run(*given, "--size", 48, "--count", 3, "--keep-images", "--output", first) == 0
    found = json.loads((first / "metrics.json").read_text())
    assert found["pixels"] == 48 and found["targeted"]["hit"] is not None
    key = json.loads((first / "pairs.jsonl").read_text().splitlines()[0])["key"]
    before, after = (files.read(first / name / f"{key}.png") for name in ("inputs", "images"))
    assert after.shape == (48, 48, 3) and (before != after).any()
    opened = Editor(Run.open(random_run.path))
    caption = json.loads((first / "pairs.jsonl").read_text().splitlines()[0])["caption"]
    np.testing.assert_array_equal(after, opened.edit(before, caption, keep_size=True).picture)
    # The manifest says the size.
    repeated = ["--manifest", first / "manifest.json", "--output", again]
    assert run(*given, *repeated) == 0
    assert (again / "metrics.json").read_text() == (first / "metrics.json").read_text()
    assert run(*given, "--size", 32, *repeated) == 1
    assert "these differ" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--images", "a", "--pairs", "b", "--size", "64"], "--size: the pictures of --images"),
        (["--size", "800"], "procedural birds are drawn at"),
        (["--set", "data.root=a"], "--set changes what --config gives"),
        (["--images", "a", "--pairs", "b", "--config", "cub.yaml"], "with --images leave it out"),
        (["--config", "birds.yaml", "--targeted"], "data.source=birds knows its true edits"),
    ],
)
def test_what_does_not_go_together_is_told(random_run, tmp_path, capsys, given, message):
    model = [] if "--images" in given else ["--run", random_run.path]
    assert run(*model, *given, "--output", tmp_path / "out") == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
