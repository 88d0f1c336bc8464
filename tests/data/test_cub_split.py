"""CUB's split by class where there are no split lists."""

from __future__ import annotations

import numpy as np
import pytest
from data_writers import options_of, refusal

from mim_tf.config_files import load_config
from mim_tf.data.sets import cub, cub_metadata
from mim_tf.data.sources import load_source
from mim_tf.pictures import files

NAMES = [f"{number:03d}.Finch/Finch_{k}" for number in (1, 3, 4, 6, 8, 12) for k in range(2)]
TESTS = {"004.Finch", "008.Finch", "012.Finch"}


@pytest.fixture
def root(tmp_path):
    """Six classes of two red birds, with boxes and points, and nothing beside the archive's."""
    folder = tmp_path / "CUB_200_2011"
    picture = np.full((40, 60, 3), (200, 30, 40), np.uint8)
    lists = {cub_metadata.IMAGES: "", cub_metadata.BOXES: "", cub_metadata.POINTS: ""}
    for number, name in enumerate(NAMES, 1):
        files.write(folder / "images" / f"{name}.jpg", picture)
        lists[cub_metadata.IMAGES] += f"{number} {name}.jpg\n"
        lists[cub_metadata.BOXES] += f"{number} 10.0 5.0 40.0 30.0\n"
        lists[cub_metadata.POINTS] += f"{number} 5 30.0 20.0 1\n"
    (folder / "parts").mkdir()
    for name, content in lists.items():
        (folder / name).write_text(content)
    return tmp_path


def names(root, split, **data) -> list[str]:
    data = {"caption_source": "attributes", **data}
    return list(cub.load(options_of("cub", root, **data), split).ids)


def test_every_fourth_class_tests(root):
    test, train = names(root, "test"), names(root, "train")
    assert {name.split("/")[0] for name in test} == TESTS
    assert sorted(test + train) == NAMES
    # The rule looks at class numbers alone: without some classes the others stay where they were.
    for photograph in (root / "CUB_200_2011" / "images" / "001.Finch").glob("*"):
        photograph.unlink()
    assert names(root, "test") == test and names(root, "train") == train[2:]


def test_a_photograph_that_the_archive_names_is_missed(root):
    (root / "CUB_200_2011" / "images" / f"{NAMES[0]}.jpg").unlink()
    assert cub.read(root, "train", caption_source="attributes").missing == (NAMES[0],)


def test_an_archive_that_is_not_complete_is_refused(root):
    options = options_of("cub", root, caption_source="attributes", partial=False)
    line = refusal(cub.load, options, "test")
    assert "6 pictures with captions instead of 2,953" in line and "caltech" in line
    assert "reedscot" not in line  # whose lists are not needed


def test_lists_rule_where_there_are_any(root):
    (root / "splits").mkdir()
    (root / "splits" / "train_filenames.txt").write_text("".join(f"{n}\n" for n in NAMES[4:8]))
    assert names(root, "train") == NAMES[4:8]
    # One list of two is a mistake, not a reason for another split.
    line = refusal(cub.load, options_of("cub", root, caption_source="attributes"), "test")
    assert "no list of the test split" in line


@pytest.mark.parametrize("kind", ["official", "both"])
def test_official_captions_need_the_lists(root, kind):
    line = refusal(cub.load, options_of("cub", root, caption_source=kind), "test")
    assert "no list of the test split" in line and "data.caption_source=attributes" in line


def test_a_split_without_a_class_and_names_that_lead_elsewhere_are_refused(root):
    images = root / "CUB_200_2011" / cub_metadata.IMAGES
    options = options_of("cub", root, caption_source="attributes")
    images.write_text("1 001.Finch/Finch_0.jpg\n")
    assert "no class of the test split is there" in refusal(cub.load, options, "test")
    for name in ("001.Finch/../../a.jpg", "Finch/Finch_0.jpg", "../001.Finch/a.jpg"):
        images.write_text(f"1 {name}\n")
        assert "is not a name like" in refusal(cub.load, options, "train")


def test_the_shipped_configuration_reads_a_part_of_the_archive(root):
    config = load_config("cub-attributes.yaml", overrides=[f"data.root={root}"])
    source = load_source(config, "train")
    assert len(source) == 6 and all("red" in text for text in source.captions[0])
    assert source.picture(0, 32).shape == (32, 32, 3)
