"""A few steps of real training from every source, and from records, through the command itself."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from conftest import TINY, tiny_config
from data_writers import write_fashion, write_flowers, write_folder

from mim_tf import prepare, train
from mim_tf.editor import Editor
from mim_tf.models.boundary import boundary_image, canny
from mim_tf.pictures import files
from mim_tf.run import Run

# One step of the warm-up and one of reconstruction: the least that reads every kind of caption.
SHORT = {
    "model": {**TINY["model"], "fine": False},
    "train": {**TINY["train"], "batch_size": 2, "steps": 2},
    "deviations": {"warm_up": 1, "adversarial_every": 9},
    "machine": TINY["machine"],
}  # fmt: skip


def config_file(folder: Path, **data) -> Path:
    tree = {**SHORT, "data": {"max_words": 40, "partial": True, **data}}
    (folder / "c.yaml").write_text(json.dumps(tree, default=str))
    return folder / "c.yaml"


def trained(folder: Path, *arguments: str, **data) -> Run:
    config = config_file(folder, **data)
    assert train.main(["--config", str(config), "--run", str(folder / "run"), *arguments]) == 0
    run = Run.open(folder / "run")
    rows = [json.loads(line) for line in (run.path / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2]
    assert np.isfinite(rows[-1]["L_rec_coarse"])
    assert (run.path / "samples" / "step-0000002.png").is_file()
    return run


def test_cub(samples, tmp_path):
    run = trained(tmp_path, source="cub", root=samples / "cub")
    assert "bill" in run.vocabulary.words


def test_flowers(samples, tmp_path):
    run = trained(tmp_path, source="flowers", root=write_flowers(samples, tmp_path / "flowers"))
    assert "petals" in run.vocabulary.words


def test_celeba(samples, tmp_path):
    run = trained(tmp_path, source="celeba", root=samples / "celeba")
    assert "smiling" in run.vocabulary.words
    names = (run.path / "train.txt").read_text().splitlines()
    assert len(set(names)) == len(names) > 10 and all(len(name) == 6 for name in names)


def test_deepfashion(samples, tmp_path):
    root = write_fashion(samples, tmp_path / "fashion", rows=1)
    no_cache = ("--set", "machine.cache_gb=0")
    run = trained(tmp_path, *no_cache, source="deepfashion", root=root)
    assert "blouse" in run.vocabulary.words


def test_own_folder(tmp_path):
    run = trained(tmp_path, source="folder", root=write_folder(tmp_path / "own"))
    assert "thing" in run.vocabulary.words


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


@pytest.mark.parametrize("name", ["cub", "flowers", "celeba", "deepfashion"])
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
