"""DeepFashion: the real captions and splits, with pictures that are written here."""

from __future__ import annotations

import pickle

import h5py
import numpy as np
from data_writers import refusal, source_of, write_fashion
from short_training import started

from mim_tf.data.sets import deepfashion
from mim_tf.data.sets.splits import random_split


def test_deepfashion_captions_and_official_split_whole(samples):
    root = samples / "deepfashion"
    names, captions = deepfashion.read_captions(root)
    assert len(names) == len(captions) == 78_979 and len(set(captions)) == 4004
    assert captions[0] == "the lady was wearing a blue long-sleeved blouse."
    split = deepfashion.read_official_split(root)
    assert (len(split["train"]), len(split["test"])) == (70_000, 8_979)
    assert "G2.h5: there is no such file" in refusal(source_of, "deepfashion", root)


def test_deepfashion_pictures_stand_upright(samples, tmp_path):
    root = write_fashion(samples, tmp_path)
    train = source_of("deepfashion", root)
    assert len(train) == 63_183 and len(source_of("deepfashion", root, "test")) == 15_796
    rows = random_split(range(deepfashion.IMAGES), "train")
    assert rows[0] < 12
    picture = train.picture(0, 128)
    assert (picture[0, 1:, 0] == 255).all() and (picture[1:, 0, 1] == 255).all()
    assert not picture[1:, :, 0].any() and not picture[:, 1:, 1].any()
    np.testing.assert_array_equal(picture[..., 2], round(255 * rows[0] / 100))
    assert pickle.loads(pickle.dumps(train.picture))(0, 64).shape == (64, 64, 3)
    official = source_of("deepfashion", root, official_split=True)
    assert len(official) == 70_000


def test_deepfashion_other_axes_are_refused(samples, tmp_path):
    root = write_fashion(samples, tmp_path)
    with h5py.File(root / "G2.h5", "w") as file:
        file["ih"], file["ih_mean"] = np.zeros((5, 8, 8, 3)), np.zeros((8, 8, 3))
    assert "the published file has" in refusal(source_of, "deepfashion", root)
    with h5py.File(root / "G2.h5", "w") as file:
        file["other"] = 1
    assert "not the HDF5 file with `ih`" in refusal(source_of, "deepfashion", root)
    (root / "G2.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + b"\0" * 100)
    assert "G2.h5" in refusal(source_of, "deepfashion", root)


def test_a_run_starts_from_deepfashion(samples, tmp_path):
    run = started(
        tmp_path,
        source="deepfashion",
        root=write_fashion(samples, tmp_path / "fashion", rows=1),
        machine={"cache_gb": 0},
    )
    assert "blouse" in run.vocabulary.words
