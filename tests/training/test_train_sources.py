"""Training from records, by word vectors and Canny, and from data that is broken or not there.

Each data set's own test reads the first batch that would train from it.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
import tensorflow as tf
from data_writers import write_folder
from short_training import config_file, trained
from tiny import tiny_config

from mim_tf import prepare, train
from mim_tf.data.sets.on_disk import FolderOptions
from mim_tf.data.sources import find_set, set_names
from mim_tf.editor import Editor
from mim_tf.models.boundary import boundary_image, canny
from mim_tf.pictures import files
from mim_tf.places import CONFIGS


def test_cub_from_records_alone_and_by_word_vectors_and_canny(samples, tmp_path):
    """`prepare`, then training that is told of the records alone; everything else goes along."""
    records = tmp_path / "records"
    vectors = samples / "wordvec" / "glove.6B.50d.txt"
    plain = config_file(tmp_path, source="cub", root=samples / "cub")
    assert prepare.main(["--config", str(plain), "--output", str(records)]) == 0
    manifest = json.loads((records / "manifest.json").read_text())
    assert [manifest["splits"][split]["pictures"] for split in ("train", "test")] == [275, 266]

    run = trained(
        tmp_path, "--set", "model.boundary=canny", source="cub", records=records,
        word_vectors=vectors, train_word_vectors=False,
    )  # fmt: skip
    assert run.config.model.word_dim == 50 and run.config.model.boundary == "canny"
    # Known words stayed where GloVe put them; the others were initialised and moved.
    embeddings = run.load_generator().text_encoder.embedding.embeddings.numpy()
    rows = dict(
        line.split(" ", 1) for line in vectors.read_text("utf-8").splitlines()
        if line.split(" ", 1)[0] in ("bird", "white", "black")
    )  # fmt: skip
    assert rows
    for word, values in rows.items():
        expected = np.array(values.split(), np.float32).astype(np.float16)
        np.testing.assert_array_equal(embeddings[run.vocabulary.id(word)], expected)

    # The run remembers its boundary: inference sees Canny's edges, 0 or 1, Sobel's has many levels.
    picture = files.read(next((samples / "cub" / "CUB_200_2011" / "images").rglob("*.jpg")))
    shown = Editor(run).edit(picture, "a white bird").boundary
    assert set(np.unique(shown)) == {0.0, 1.0}


def test_canny_and_sobel_are_two_definitions():
    squares = np.full((1, 32, 32, 3), -1, np.float32)
    squares[:, 8:24, 8:24] = 1
    by_canny, by_sobel = (
        boundary_image(tf.constant(squares), detector).numpy() for detector in ("canny", "sobel")
    )
    assert by_canny.shape == by_sobel.shape == (1, 32, 32, 1)
    for edges in (by_canny > 0, by_sobel > 0.5):
        assert edges[0, 8, 16] or edges[0, 7, 16]
        assert not edges[0, 16, 16] and not edges[0, 2, 2]
    assert set(np.unique(by_canny)) == {0.0, 1.0} and len(np.unique(by_sobel)) > 2
    inside = tf.function(canny)(tf.constant(squares))
    np.testing.assert_array_equal(inside, by_canny)


def test_a_broken_photograph_in_training_is_one_line(tmp_path, capsys):
    root = write_folder(tmp_path / "own")
    for path in (root / "some").glob("[0-5].*"):  # those that train
        path.write_bytes(path.read_bytes()[:-20])
    config = config_file(tmp_path, source="folder", root=root)
    assert train.main(["--config", str(config), "--run", str(tmp_path / "run")]) == 1
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("error: ") and "/some/" in last and "broken" in last


# Those of the sets with a folder that have a configuration.
DOWNLOADED = [
    name for name in set_names()
    if issubclass(find_set(name).Options, FolderOptions)
    and (CONFIGS / f"{name}.yaml").is_file()
]  # fmt: skip


def test_four_sets_are_downloaded():
    assert len(DOWNLOADED) == 4


@pytest.mark.parametrize("name", DOWNLOADED)
def test_a_wrong_folder_is_one_line_before_anything_is_made(name, tmp_path, capsys):
    run = tmp_path / "run"
    for root in (tmp_path / "none", tmp_path):
        arguments = ["--config", name, "--set", f"data.root={root}", "--run", str(run)]
        assert train.main(arguments) == 1
        last = capsys.readouterr().err.strip().splitlines()[-1]
        assert last.startswith("error: ") and str(root) in last
    assert not run.exists()


def test_an_unknown_boundary_is_refused():
    from mim_tf.errors import UserError

    with pytest.raises(UserError, match="model.boundary"):
        tiny_config(model={"boundary": "prewitt"})
