"""CUB loader: on a real sample where there is one, and on a tiny layout written here."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from data_writers import options_of
from PIL import Image
from short_training import started
from tiny import tiny_config

from mim_tf.data.formats.listing import Record
from mim_tf.data.formats.photographs import crop_to_box, read_square
from mim_tf.data.formats.untrusted import read_pickled_names
from mim_tf.data.records import fingerprint
from mim_tf.data.sets import cub
from mim_tf.data.source import Published
from mim_tf.data.sources import load_source
from mim_tf.errors import UserError
from mim_tf.pictures import files

NAMES = {
    "train": ["002.Grebe/Grebe_0001", "002.Grebe/Grebe_0002"],
    "test": ["001.Finch/Finch_0007"],
}


@pytest.fixture(scope="session")
def sample(samples) -> Path:
    return samples / "cub"


@pytest.fixture
def tiny(tmp_path) -> Path:
    """Three pictures of 40 x 60 in the official layout; the training list names one more."""
    root = tmp_path / "birds"
    official = root / "CUB_200_2011"
    lines, boxes = [], []
    for number, name in enumerate(NAMES["train"] + NAMES["test"], 1):
        files.write(official / "images" / f"{name}.jpg", np.full((40, 60, 3), number, np.uint8))
        lines.append(f"{number} {name}.jpg\n")
        boxes.append(f"{number} 20.0 10.0 20.0 16.0\n")
        text = root / "text_c10" / f"{name}.txt"
        text.parent.mkdir(parents=True, exist_ok=True)
        text.write_text("a bird.\n\nits\ufffd\ufffdbill is red.\r\n", encoding="utf-8", newline="")
    (official / "images.txt").write_text("".join(lines))
    (official / "bounding_boxes.txt").write_text("".join(boxes))
    for split, names in NAMES.items():
        extra = ["002.Grebe/Grebe_0099"] if split == "train" else []
        (root / split).mkdir()
        (root / split / "filenames.pickle").write_bytes(pickle.dumps([*names, *extra]))
    return root


def records_of(root: Path, split) -> list[Record]:
    return list(cub.read(root, split).records)


def square(record: Record, size: int, use_box: bool = True) -> np.ndarray:
    return read_square(record.path, size, record.box if use_box else None)


def refusal(root: Path, split: str = "train") -> str:
    with pytest.raises(UserError) as caught:
        cub.load(options_of("cub", root), split)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# The real sample ---------------------------------------------------------------------------------


def test_sample_counts(sample):
    train, test = records_of(sample, "train"), records_of(sample, "test")
    assert (len(train), len(test)) == (275, 266)
    for records in (train, test):
        ids = [record.image_id for record in records]
        assert ids == sorted(set(ids))
        assert all(len(record.captions) == 10 and record.box for record in records)
    assert not {record.class_name for record in train} & {record.class_name for record in test}
    assert {record.class_name[:3] for record in train} == {"002", "003", "005", "007", "010"}


def test_sample_names_more_than_it_holds(sample):
    found = cub.read(sample, "test")
    assert (len(found.records), len(found.missing), found.uncaptioned) == (266, 2933 - 266, ())
    assert len(cub.read(sample, "train").missing) == 0


def test_sample_replacement_characters_are_gone(sample):
    records = records_of(sample, "train") + records_of(sample, "test")
    raw = [
        record
        for record in records
        if "\ufffd" in (sample / "text_c10" / f"{record.image_id}.txt").read_text("utf-8")
    ]
    assert len(raw) == 5
    for record in records:
        assert not any("\ufffd" in caption or "  " in caption for caption in record.captions)
    assert all(len(caption.split()) > 4 for record in raw for caption in record.captions)


def test_sample_crops_lie_inside_and_hold_the_bird(sample):
    for record in records_of(sample, "train")[::9] + records_of(sample, "test")[::9]:
        picture = files.read(record.path)
        assert record.box is not None
        crop = crop_to_box(picture, record.box)
        width, height = record.box[2:]
        assert min(crop.shape[:2]) > 0
        assert np.shares_memory(crop, picture)
        half = int(0.75 * max(width, height))
        assert crop.shape[0] <= 2 * half and crop.shape[1] <= 2 * half
        # The box leaves at least a quarter of its longer side around it, or the picture ends.
        assert crop.shape[0] >= min(height, picture.shape[0]) - 2
        assert crop.shape[1] >= min(width, picture.shape[1]) - 2


def test_sample_pictures_load_as_squares(sample):
    records = records_of(sample, "train")
    for record in records[::30]:
        for use_box in (True, False):
            picture = square(record, 64, use_box)
            assert picture.shape == (64, 64, 3) and picture.dtype == np.uint8
    larger = square(records[0], 300)
    assert larger.shape == (300, 300, 3)


def test_sample_greyscale_photographs(sample):
    grey = []
    for record in records_of(sample, "train") + records_of(sample, "test"):
        with Image.open(record.path) as image:
            if image.mode == "L":
                grey.append(record)
    assert grey  # the sample stores one photograph with a single channel
    for record in grey:
        picture = square(record, 32)
        assert picture.shape == (32, 32, 3)
        assert (picture == picture[..., :1]).all()


# The tiny layout ---------------------------------------------------------------------------------


@pytest.mark.parametrize("start", ["", "CUB_200_2011", ".."])
def test_root_is_found(tiny, start):
    root = tiny / start if start != ".." else tiny.parent
    if start == "..":  # the archive's folder lies one level down, the rest beside it
        root = tiny.parent
    found = cub.read(root, "train")
    records = found.records
    assert [record.image_id for record in records] == NAMES["train"]
    assert found.missing == ("002.Grebe/Grebe_0099",) and found.uncaptioned == ()
    assert records[0] == Record(
        image_id="002.Grebe/Grebe_0001",
        path=records[0].path,
        box=(20.0, 10.0, 20.0, 16.0),
        class_name="002.Grebe",
        captions=("a bird.", "its bill is red."),
    )
    assert records[0].path.is_file()


def test_split_as_text(tiny):
    (tiny / "train" / "filenames.pickle").unlink()
    assert "train/filenames.pickle" in refusal(tiny)
    (tiny / "splits").mkdir()
    (tiny / "splits" / "train_filenames_derived.txt").write_text("002.Grebe/Grebe_0002.jpg\n\n")
    assert [r.image_id for r in records_of(tiny, "train")] == ["002.Grebe/Grebe_0002"]
    (tiny / "splits" / "train_filenames.txt").write_text("002.Grebe\n")
    assert [r.image_id for r in records_of(tiny, "train")] == NAMES["train"]


def test_boxes_are_never_wrong(tiny):
    boxes = tiny / "CUB_200_2011" / "bounding_boxes.txt"
    boxes.write_text("1 20.0 10.0 nan 16.0\n")
    assert "image 1 has no valid box" in refusal(tiny)
    boxes.write_text("1 20.0 10.0\n")
    assert "row 1" in refusal(tiny)


@pytest.mark.parametrize("file", ["images.txt", "bounding_boxes.txt"])
def test_boxes_are_missing_only_where_that_is_said(tiny, file, monkeypatch):
    monkeypatch.setattr(cub, "PUBLISHED", Published({"train": 2, "test": 1}, "it again"))

    def source(**data):
        config = tiny_config(data={"source": "cub", "root": str(tiny), **data})
        return load_source(config, "train")

    cropped = source()
    path = tiny / "CUB_200_2011" / file
    path.write_text(path.read_text().split("\n", 1)[1])  # all but the first photograph's
    with pytest.raises(UserError, match=r"1 photographs have no box .*Grebe_0001 has none"):
        source()
    path.unlink()
    with pytest.raises(UserError, match=rf"2 photographs have .*\({file} missing\)") as caught:
        source()
    assert "crop_to_box=false" in str(caught.value) and "partial=true" in str(caught.value)
    for whole in (source(crop_to_box=False), source(partial=True)):
        assert whole.picture(0, 16).shape == (16, 16, 3)
        # Else records of whole photographs would pass for cropped ones.
        assert fingerprint(whole) != fingerprint(cropped)


def test_missing_things(tiny, tmp_path):
    assert "no such folder" in refusal(tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    assert "CUB_200_2011/images" in refusal(tmp_path / "empty")
    assert "use train or test" in refusal(tiny, "valid")

    text = tiny / "text_c10"
    text.rename(tiny / "elsewhere")
    assert "text_c10" in refusal(tiny)
    text.mkdir()
    assert "no captions" in refusal(tiny)
    (text / "class.t7").touch()
    assert ".t7" in refusal(tiny)

    (tiny / "test" / "filenames.pickle").write_bytes(pickle.dumps(["009.None/None_1"]))
    assert "none of the 1 photographs" in refusal(tiny, "test")
    (tiny / "test" / "filenames.pickle").write_bytes(pickle.dumps([]))
    assert "split is empty" in refusal(tiny, "test")


def test_a_photograph_without_captions_is_left_out(tiny):
    (tiny / "text_c10" / f"{NAMES['train'][0]}.txt").unlink()
    found = cub.read(tiny, "train")
    assert [record.image_id for record in found.records] == NAMES["train"][1:]
    assert found.uncaptioned == (NAMES["train"][0],)


class Malicious:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_a_malicious_pickle_does_not_run(tiny, tmp_path):
    victim = tmp_path / "created"
    attack = pickle.dumps([Malicious(victim)])
    pickle.loads(attack)
    assert victim.exists()  # the attack works where nothing stops it
    victim.unlink()
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        attack = pickle.dumps(["002.Grebe/Grebe_0001", Malicious(victim)], protocol)
        (tiny / "train" / "filenames.pickle").write_bytes(attack)
        assert "filenames.pickle" in refusal(tiny)
        assert not victim.exists()


@pytest.mark.parametrize(
    "data",
    [b"", b"rubbish", pickle.dumps(["a/b"])[:-3], pickle.dumps({"a": 1}), pickle.dumps([1, 2]),
     pickle.dumps([["a/b"]]), b"cos\nsystem\n(S'true'\ntR.", b"\x80\x02\x82\x01."],
)  # fmt: skip
def test_other_pickles_are_refused(tiny, data):
    (tiny / "train" / "filenames.pickle").write_bytes(data)
    assert "filenames.pickle" in refusal(tiny)


def test_pickles_of_python_2_are_read(tmp_path):
    path = tmp_path / "filenames.pickle"
    for data in (
        b"(lp0\nV002.A/b\np1\na.",
        b"(lp0\nS'002.A/b'\np1\na.",
        b"\x80\x02]U\x07002.A/ba.",
    ):
        path.write_bytes(data)
        assert read_pickled_names(path) == ["002.A/b"]


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "..", "a/../b", "..\\a", "a/"])
def test_names_do_not_lead_out_of_the_data_set(tiny, name):
    (tiny / "train" / "filenames.pickle").write_bytes(pickle.dumps([name]))
    assert "is not a name like" in refusal(tiny)


def test_crop_to_box_by_hand(tiny):
    picture = np.zeros((40, 60, 3), np.uint8)
    # The centre is (30, 18), half the side int(0.75 * 20) = 15.
    assert crop_to_box(picture, (20.0, 10.0, 20.0, 16.0)).shape == (30, 30, 3)
    # Cut off at the top left and at the bottom right.
    assert crop_to_box(picture, (0.0, 0.0, 10.0, 10.0)).shape == (12, 12, 3)
    assert crop_to_box(picture, (50.0, 30.0, 10.0, 10.0)).shape == (12, 12, 3)
    assert crop_to_box(picture, (20.0, 10.0, 20.0, 16.0), factor=0.5).shape == (20, 20, 3)
    for outside in ((100.0, 10.0, 10.0, 10.0), (-50.0, 10.0, 10.0, 10.0)):
        with pytest.raises(UserError, match="does not lie"):
            crop_to_box(picture, outside)
    (tiny / "CUB_200_2011" / "bounding_boxes.txt").write_text("1 100 10 10 10\n")
    with pytest.raises(UserError, match=r"Grebe_0001\.jpg: box"):
        square(records_of(tiny, "train")[0], 8)


def test_a_run_starts_from_cub(samples, tmp_path):
    run = started(tmp_path, source="cub", root=samples / "cub")
    assert "bill" in run.vocabulary.words
