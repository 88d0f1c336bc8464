"""Captions of CUB written from attributes and marked points."""

from __future__ import annotations

import re

import numpy as np
import pytest
from data_writers import options_of, refusal, write_cub

from mim_tf.data.sets import cub, cub_metadata
from mim_tf.data.sets.cub_captions import bird_captions, read_points_colours
from mim_tf.data.sets.cub_metadata import COLOUR_NAMES, FIRST_ATTRIBUTE
from mim_tf.pictures import files
from mim_tf.pictures.colours import COLOURS, colour_at, disc, nearest_colour, to_lab

ALL_COLOURS = {*COLOUR_NAMES, *COLOURS}
SINGULAR = "crown|forehead|throat|breast|belly|back|nape|tail|bill"


def attribute(part: str, colour: str) -> int:
    return FIRST_ATTRIBUTE[part] + COLOUR_NAMES.index(colour)


def write(root, name: str, *rows: str):
    path = root / "CUB_200_2011" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(f"{row}\n" for row in rows))


def write_classes(root, *classes: dict[tuple[str, str], float]):
    rows = []
    for shares in classes:
        row = [0.0] * 312
        for (part, colour), share in shares.items():
            row[attribute(part, colour) - 1] = share
        rows.append(" ".join(map(str, row)))
    write(root, cub_metadata.CLASS_ATTRIBUTES, *rows)


@pytest.fixture
def root(tmp_path):
    """Four red birds on blue of two classes, with boxes and lists, without any caption."""
    root = write_cub(tmp_path)
    for path in sorted((root / "text_c10").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    (root / "text_c10").rmdir()
    return root


def captions(root, split="train", **data) -> tuple[tuple[str, ...], ...]:
    data = {"caption_source": "attributes", **data}
    return cub.load(options_of("cub", root, **data), split).captions


def said(of_image) -> set[str]:
    """The parts and colours that captions name."""
    words = {word for caption in of_image for word in re.findall(r"\w+", caption)}
    return words & (ALL_COLOURS | set(FIRST_ATTRIBUTE)) - {"bird"}


def test_attributes_of_the_image_that_are_present_and_certain(root):
    wings, crown, tail = (attribute(*pair) for pair in
                          (("wings", "olive"), ("crown", "black"), ("tail", "buff")))  # fmt: skip
    write(root, cub_metadata.IMAGE_ATTRIBUTES,
          f"1 {wings} 1 3 5.2", f"1 {crown} 0 4 5.2", f"1 {tail} 1 2 5.2", "1 10 1 4 0 2.1",
          f"2 {crown} 1 4 1.0", f"2 {crown + 1} 1 3 1.0", f"2 {crown - 1} 1 3 1.0",
          f"3 {tail} 1 4 1.0")  # fmt: skip
    # In the order of the split: classes 001 (images 1 and 3), then 002 (image 2).
    first, third, second = captions(root)
    assert said(first) == {"wings", "olive"}
    assert "the wings are olive" in first or "a bird with olive wings" in first
    assert said(third) == {"tail", "buff"}
    # The surest first, equally sure ones as they are listed, and not more than two.
    assert said(second) == {"crown", "black", "white"}
    assert captions(root) == (first, third, second)


def test_colours_at_the_points(root):
    # Red from (50, 20) to (70, 40), the rest blue; the radius is 0.6 pixels.
    picture = np.full((60, 90, 3), (40, 90, 190), np.uint8)
    picture[20:40, 50:70] = (200, 30, 40)
    rows = [f"1 {number} 0.0 0.0 0" for number in range(1, 16)]
    rows[5 - 1], rows[14 - 1] = "1 5 60.0 30.0 1", "1 14 20.0 30.0 1"
    rows[9 - 1], rows[13 - 1] = "1 9 60.0 30.0 1", "1 13 20.0 30.0 1"  # the wings differ
    rows[2 - 1] = "1 2 60.0 30.0 1"  # the bill is thin
    write(root, cub_metadata.POINTS, *rows)
    path = root / "CUB_200_2011" / "images" / "001.Finch" / "Finch_0.jpg"
    path.write_bytes(files.encode_png(picture))
    points = cub_metadata.read_points(root / "CUB_200_2011")["1"]
    assert points["belly"] == () and points["wings"] == ((60.0, 30.0), (20.0, 30.0))
    colours = read_points_colours(path, points, (50.0, 20.0, 20.0, 20.0))
    assert colours == {"crown": ("red",), "tail": ("blue",)}


def test_a_colour_is_the_mean_of_a_disc():
    lab = to_lab(np.array([[255, 0, 0], [255, 255, 255], [0, 0, 0]]))
    np.testing.assert_allclose(lab, [[53.24, 80.09, 67.20], [100, 0, 0], [0, 0, 0]], atol=0.02)
    assert [nearest_colour(np.array(levels)) for levels in COLOURS.values()] == list(COLOURS)
    assert disc(5, 5, (2.5, 2.5), 1.0).sum() == 5
    assert disc(5, 5, (4.9, 0.0), 0.01).nonzero() == (0, 4)
    picture = np.zeros((40, 40, 3), np.uint8)
    picture[:, 20:] = 255  # the mean of half black and half white is grey
    assert [colour_at(picture, (x, 20.0), 3.0) for x in (10.0, 20.0, 30.0)] == [
        "black", "grey", "white"
    ]  # fmt: skip
    assert colour_at(picture, (-9.0, 20.0), 3.0) is None is colour_at(picture, (20.0, 99.0), 3.0)


def test_the_image_comes_before_its_points_and_they_before_the_class(root):
    write_classes(root, {
        ("belly", "white"): 80.0, ("crown", "green"): 90.0, ("nape", "grey"): 70.0,
        ("back", "pink"): 49.9, ("bird", "brown"): 50.0,
    }, {("throat", "grey"): 55.0, ("throat", "black"): 75.0})  # fmt: skip
    write(root, cub_metadata.POINTS, "1 5 60.0 30.0 1", "1 3 60.0 30.0 1", "1 10 0.0 0.0 0")
    write(root, cub_metadata.IMAGE_ATTRIBUTES, f"1 {attribute('belly', 'yellow')} 1 4 1.0")
    first, third, second = captions(root)
    assert said(first) == {"brown", "belly", "yellow", "crown", "red"}  # nape is hidden
    assert said(third) <= {"brown", "belly", "white", "crown", "green", "nape", "grey"}
    assert any("black and grey throat" in caption or "is black and grey" in caption
               for caption in second)  # fmt: skip


def test_both_are_the_official_ones_and_ours(tmp_path):
    root = write_cub(tmp_path)
    write_classes(root, {("wings", "green"): 80.0}, {("tail", "buff"): 80.0})
    official = captions(root, caption_source="official")
    ours = captions(root)
    assert not set(official[0]) & set(ours[0])
    assert captions(root, caption_source="both") == tuple(
        a + b for a, b in zip(official, ours, strict=True)
    )


def test_sources_of_captions_make_other_records(root):
    settings = [cub.describe(options_of("cub", root, caption_source=kind), "train").settings
                for kind in ("official", "attributes", "both")]  # fmt: skip
    assert len({str(setting) for setting in settings}) == 3


def test_a_missing_file_is_named(root):
    options = options_of("cub", root, caption_source="attributes")
    line = refusal(cub.load, options, "train")
    assert "image_attribute_labels.txt" in line and "part_locs.txt" in line
    line = refusal(cub.load, options_of("cub", root), "train")
    assert "text_c10" in line and "data.caption_source=attributes" in line
    write(root, cub_metadata.POINTS, "1 5 60.0 30.0 1")
    (root / "CUB_200_2011" / "images.txt").unlink()
    line = refusal(cub.load, options, "train")
    assert "images.txt: there is no such file" in line


@pytest.mark.parametrize(
    ("name", "row", "what"),
    [(cub_metadata.POINTS, "1 5 60.0 1", "row 1 has 4 columns, not 5"),
     (cub_metadata.POINTS, "1 5 x 30.0 1", "no point"),
     (cub_metadata.POINTS, "1 5 nan 30.0 1", "no point"),
     (cub_metadata.POINTS, "1 5 60.0 30.0 2", "no point"),
     (cub_metadata.IMAGE_ATTRIBUTES, "has_wing_color", "holds no row"),
     (cub_metadata.CLASS_ATTRIBUTES, "1.0 2.0", "312 percentages"),
     (cub_metadata.CLASS_ATTRIBUTES, "x " * 312, "312 percentages")],
)  # fmt: skip
def test_a_malformed_file_is_named(root, name, row, what):
    write(root, name, row)
    line = refusal(cub.load, options_of("cub", root, caption_source="attributes"), "train")
    assert name in line and what in line


def test_a_bird_of_which_nothing_is_known_has_no_caption(root):
    write_classes(root, {("wings", "green"): 80.0}, {})
    found = cub.read(root, "train", caption_source="attributes")
    assert found.uncaptioned == ("002.Finch/Finch_1",)


def grammatical(caption: str) -> bool:
    """Articles fit their nouns, verbs their numbers."""
    words = caption.replace(",", "").split()
    for article, word in zip(words, words[1:], strict=False):
        if article in ("a", "an") and (article == "an") != (word[0] in "aeiou"):
            return False
    return not (
        re.search(rf"\b({SINGULAR}) are|\b(wings|legs) is", caption)
        or re.search(rf"(?:with|has|and|,) (?:\w+ and )?(?!an? )(?!its|the)\w+ ({SINGULAR})$",
                     caption) and not re.search(rf"\ban? (?:\w+ and )?\w+ ({SINGULAR})$", caption)
        or re.search(r"\ban? (?:\w+ and )?\w+ (wings|legs)", caption)
    )  # fmt: skip


def test_captions_are_grammatical():
    colours = {part: ("olive", "grey") if number % 2 else ("black",)
               for number, part in enumerate(FIRST_ATTRIBUTE)}  # fmt: skip
    written = [caption for number in range(200) for caption in bird_captions(str(number), colours)]
    assert all(map(grammatical, written)), [text for text in written if not grammatical(text)][:3]
    assert len(set(written)) > 500
    assert set(bird_captions("a", {"bird": ("olive",)})) <= {
        "this is an olive bird", "an olive bird", "this bird is olive"
    }  # fmt: skip
    assert bird_captions("a", {}) == ()


# The real sample ---------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def sample(samples):
    if not (samples / "cub40").is_dir():
        pytest.skip(f"no CUB with attributes and points at {samples / 'cub40'}")
    return samples / "cub40"


def test_the_numbers_of_attributes_are_the_official_ones(sample):
    names = dict(line.split() for line in (sample / "attributes.txt").read_text().splitlines())
    official = {"wings": "wing", "tail": "upper_tail", "legs": "leg", "bird": "primary"}
    for part in FIRST_ATTRIBUTE:
        for colour in COLOUR_NAMES:
            expected = f"has_{official.get(part, part)}_color::{colour}"
            assert names[str(attribute(part, colour))] == expected


def test_sample_captions(sample):
    found = cub.read(sample, "test", caption_source="attributes")
    assert len(found.records) == 864 and found.uncaptioned == ()
    counts = [len(record.captions) for record in found.records]
    assert min(counts) >= 3 and np.mean(counts) > 8
    for record in found.records:
        assert all(said([caption]) & ALL_COLOURS for caption in record.captions)
        assert all(map(grammatical, record.captions))


def test_sample_colours_that_were_checked_by_eye(sample):
    root = sample / "CUB_200_2011"
    points, boxes = cub_metadata.read_points(root), cub_metadata.read_boxes(root)
    numbers = {name: number for number, name in cub_metadata.read_names(root).items()}
    for name, expected in {
        "013.Bobolink/Bobolink_0039_9779": {"throat": "black", "breast": "black",
                                            "belly": "black", "tail": "black"},
        "017.Cardinal/Cardinal_0035_17678": {"breast": "red", "belly": "red", "crown": "red"},
        "012.Yellow_headed_Blackbird/Yellow_Headed_Blackbird_0061_8208": {
            "back": "black", "wings": "black", "tail": "black"},
    }.items():  # fmt: skip
        path = root / "images" / f"{name}.jpg"
        colours = read_points_colours(path, points[numbers[name]], boxes[name])
        assert {part: colours[part] for part in expected} == {
            part: (colour,) for part, colour in expected.items()
        }
