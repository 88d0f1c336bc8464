"""Published evaluators: randomly initialised originals give the same numbers after import."""

from __future__ import annotations

import importlib.util
import pickle
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from mim_tf import import_evaluators
from mim_tf.evaluators import inception
from mim_tf.evaluators.folder import Evaluators
from mim_tf.text import Vocabulary

SIZE = 107  # pixels: enough for every block of Inception, a tenth of the work of 299


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).uniform(-1, 1, (2, SIZE, SIZE, 3)).astype(np.float32)


def test_inception_is_kerass_where_keras_has_it(pictures):
    """Every kernel, branch, stride and pool, checked without torch."""
    theirs = keras.applications.InceptionV3(
        weights=None, include_top=False, input_shape=(SIZE, SIZE, 3)
    )
    rng = np.random.default_rng(1)
    for layer in theirs.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            shapes = [one.shape for one in layer.weights]
            layer.set_weights([rng.uniform(0.5, 1.5, shape) for shape in shapes])
    ours = inception.inception_v3(SIZE, count_padding=False)
    inception.copy_keras(ours, theirs)
    assert len(inception.conv_names(ours)) == 94
    local, pooled = ours(pictures)
    whole = keras.Model(theirs.inputs, [theirs.get_layer("mixed7").output, theirs.output])
    expected_local, expected = whole(pictures)
    assert np.abs(local - expected_local).max() <= 1e-5 * np.abs(expected_local).max()
    expected = np.mean(expected, axis=(1, 2))
    assert np.abs(pooled - expected).max() <= 1e-5 * np.abs(expected).max()


def test_padding_counts_where_it_should():
    ones = np.ones((1, 3, 3, 1), np.float32)
    counted = np.asarray(inception.PaddedMean()(ones))[0, :, :, 0]
    assert counted == pytest.approx(np.array([[4, 6, 4], [6, 9, 6], [4, 6, 4]]) / 9)


# AttnGAN -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A folder with AttnGAN's encoders as files, what they gave, and the evaluators they became."""
    for name in ("torch", "torchvision"):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"importing PyTorch weights needs {name} (requirements-import.txt)")
    folder = tmp_path_factory.mktemp("published")
    program = Path(__file__).with_name("attngan_originals.py")
    subprocess.run([sys.executable, str(program), str(folder)], check=True)
    given = ["--text-encoder", folder / "text.pth", "--image-encoder", folder / "image.pth",
             "--captions", folder / "captions.pickle",
             "--output", folder / "evaluators"]  # fmt: skip
    assert import_evaluators.main([str(one) for one in given]) == 0
    return folder


def test_AttnGANs_text_encoder_gives_the_same_codes(published):  # noqa: N802
    expected = np.load(published / "outputs.npz")
    evaluators = Evaluators.open(published / "evaluators")
    assert evaluators.damsm is not None
    out = evaluators.damsm.text(tf.constant([[2, 3, 4, 5, 6, 0, 0], [3, 4, 5, 0, 0, 0, 0]]))
    assert np.abs(out["sentence"] - expected["sentence"]).max() <= 1e-5
    assert np.abs(out["words"][0, :5] - expected["words"][0]).max() <= 1e-5
    assert np.abs(out["words"][1, :3] - expected["words"][1, :3]).max() <= 1e-5
    found = evaluators.text_codes(["This bird has red wings", "bird, has quux red"])
    assert np.abs(found - expected["sentence"]).max() <= 1e-5


def test_AttnGANs_image_encoder_gives_the_same_codes(published):  # noqa: N802
    expected = np.load(published / "outputs.npz")
    evaluators = Evaluators.open(published / "evaluators")
    assert evaluators.damsm is not None
    out = evaluators.damsm.see(expected["picture"])
    regions = expected["regions"].reshape(1, 256, -1).transpose(0, 2, 1)
    # Random weights let activations grow layer by layer: relative to the largest.
    assert np.abs(out["regions"] - regions).max() <= 1e-5 * np.abs(regions).max()
    assert np.abs(out["code"] - expected["code"]).max() <= 1e-5 * np.abs(expected["code"]).max()


def test_a_vocabulary_of_another_size_is_refused(published, tmp_path, capsys):
    folder = published
    captions = [[], [], {0: "<end>", 1: "bird"}, {}]
    (tmp_path / "captions.pickle").write_bytes(pickle.dumps(captions))
    given = ["--text-encoder", folder / "text.pth", "--image-encoder", folder / "image.pth",
             "--captions", tmp_path / "captions.pickle", "--output", tmp_path / "out"]  # fmt: skip
    assert import_evaluators.main([str(one) for one in given]) == 1
    assert "6 embeddings, the captions 2 ids" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_pickle_that_names_a_class_is_refused(tmp_path, capsys):
    file = tmp_path / "captions.pickle"
    file.write_bytes(pickle.dumps([[], [], {0: Vocabulary([])}, {}]))
    given = ["--text-encoder", "t", "--image-encoder", "i", "--captions", str(file)]
    assert import_evaluators.main([*given, "--output", str(tmp_path / "out")]) == 1
    assert "it asks for mim_tf.text.Vocabulary" in capsys.readouterr().err


# StackGAN ----------------------------------------------------------------------------------------


class Slim:
    """TF-Slim's Inception of 2016 in raw operations, which names its variables as it did."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(3)
        self.variables: dict[str, np.ndarray] = {}

    def conv(self, x, scope, filters, kernel, strides=1, padding="SAME"):
        height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
        shape = (height, width, int(x.shape[-1]), filters)
        scale = (2 / (height * width * shape[2])) ** 0.5
        weights = self.rng.normal(0, scale, shape).astype(np.float32)
        beta, mean = self.rng.normal(0, 0.1, (2, filters)).astype(np.float32)
        variance = self.rng.uniform(0.5, 1.5, filters).astype(np.float32)
        self.variables |= {f"{scope}/weights": weights, f"{scope}/BatchNorm/beta": beta,
                           f"{scope}/BatchNorm/moving_mean": mean,
                           f"{scope}/BatchNorm/moving_variance": variance}  # fmt: skip
        x = tf.nn.conv2d(x, weights, strides, padding)
        return tf.nn.relu(tf.nn.batch_normalization(x, mean, variance, beta, None, 0.001))

    def branch(self, x, scope, *steps):
        for place, step in enumerate(steps):
            x = self.conv(x, f"{scope}/Conv" + (f"_{place}" if place else ""), *step)
        return x

    def split(self, x, scope, *steps):
        """A branch whose last two steps stand side by side."""
        x = self.branch(x, scope, *steps[:-2])
        return tf.concat(
            [self.conv(x, f"{scope}/Conv_{len(steps) - 2 + place}", *step)
             for place, step in enumerate(steps[-2:])], 3,
        )  # fmt: skip

    def pool(self, x, scope, filters):
        return self.branch(tf.nn.avg_pool2d(x, 3, 1, "SAME"), f"{scope}/branch_pool", (filters, 1))

    def __call__(self, x):
        def shrink(x):
            return tf.nn.max_pool2d(x, 3, 2, "VALID")

        x = self.conv(x, "conv0", 32, 3, 2, "VALID")
        x = self.conv(x, "conv1", 32, 3, 1, "VALID")
        x = shrink(self.conv(x, "conv2", 64, 3))
        x = self.conv(x, "conv3", 80, 1, 1, "VALID")
        x = shrink(self.conv(x, "conv4", 192, 3, 1, "VALID"))
        for end, pooled in (("256a", 32), ("288a", 64), ("288b", 64)):
            s = f"mixed_35x35x{end}"
            x = tf.concat([
                self.branch(x, f"{s}/branch1x1", (64, 1)),
                self.branch(x, f"{s}/branch5x5", (48, 1), (64, 5)),
                self.branch(x, f"{s}/branch3x3dbl", (64, 1), (96, 3), (96, 3)),
                self.pool(x, s, pooled)], 3)  # fmt: skip
        s = "mixed_17x17x768a"
        x = tf.concat([
            self.branch(x, f"{s}/branch3x3", (384, 3, 2, "VALID")),
            self.branch(x, f"{s}/branch3x3dbl", (64, 1), (96, 3), (96, 3, 2, "VALID")),
            shrink(x)], 3)  # fmt: skip
        for end, n in (("b", 128), ("c", 160), ("d", 160), ("e", 192)):
            s = f"mixed_17x17x768{end}"
            x = tf.concat([
                self.branch(x, f"{s}/branch1x1", (192, 1)),
                self.branch(x, f"{s}/branch7x7", (n, 1), (n, (1, 7)), (192, (7, 1))),
                self.branch(x, f"{s}/branch7x7dbl", (n, 1), (n, (7, 1)), (n, (1, 7)),
                            (n, (7, 1)), (192, (1, 7))),
                self.pool(x, s, 192)], 3)  # fmt: skip
        s = "mixed_17x17x1280a"
        x = tf.concat([
            self.branch(x, f"{s}/branch3x3", (192, 1), (320, 3, 2, "VALID")),
            self.branch(x, f"{s}/branch7x7x3", (192, 1), (192, (1, 7)), (192, (7, 1)),
                        (192, 3, 2, "VALID")),
            shrink(x)], 3)  # fmt: skip
        for end in ("a", "b"):
            s = f"mixed_8x8x2048{end}"
            x = tf.concat([
                self.branch(x, f"{s}/branch1x1", (320, 1)),
                self.split(x, f"{s}/branch3x3", (384, 1), (384, (1, 3)), (384, (3, 1))),
                self.split(x, f"{s}/branch3x3dbl", (448, 1), (384, 3), (384, (1, 3)),
                           (384, (3, 1))),
                self.pool(x, s, 192)], 3)  # fmt: skip
        features = tf.reduce_mean(x, (1, 2))
        kernel = self.rng.normal(0, 0.02, (2048, 51)).astype(np.float32)
        bias = self.rng.normal(0, 1, 51).astype(np.float32)
        self.variables |= {"logits/logits/weights": kernel, "logits/logits/biases": bias}
        return features @ kernel + bias


def test_StackGANs_inception_gives_the_same_probabilities(tmp_path):  # noqa: N802
    whole = np.random.default_rng(4).integers(0, 256, (1, 299, 299, 3), dtype=np.uint8)
    slim = Slim()
    logits = slim(tf.constant(whole, tf.float32) * (2 / 255) - 1)
    path = str(tmp_path / "model.ckpt")
    with tf.Graph().as_default():
        tf.compat.v1.set_random_seed(0)  # other tests make operations deterministic
        kept = [
            tf.compat.v1.get_variable(name + "/ExponentialMovingAverage", initializer=value)
            for name, value in slim.variables.items()
        ]
        # The weights before averaging stand beside them and must not be taken.
        kept.append(tf.compat.v1.get_variable("conv0/weights", [3, 3, 3, 32]))
        with tf.compat.v1.Session() as session:
            session.run(tf.compat.v1.global_variables_initializer())
            tf.compat.v1.train.Saver(kept).save(session, path)
    output = tmp_path / "evaluators"
    assert import_evaluators.main(["--inception", path, "--output", str(output)]) == 0
    found, features = Evaluators.open(output).classify(whole)
    assert found.shape == (1, 50) and features.shape == (1, 2048)
    expected = tf.nn.softmax(logits[:, 1:]).numpy()
    assert np.abs(found - expected).max() <= 1e-5


def test_wrong_files_are_one_clear_line(tmp_path, capsys):
    def error(*given):
        assert import_evaluators.main([*map(str, given), "--output", str(tmp_path / "out")]) == 1
        return capsys.readouterr().err

    assert "belong together" in error("--text-encoder", "a")
    assert "all of them" in error()
    assert "no TensorFlow checkpoint" in error("--inception", tmp_path / "none")
    assert not (tmp_path / "out").exists()
