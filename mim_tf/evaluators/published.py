"""Published evaluators: AttnGAN's DAMSM encoders and StackGAN's fine-tuned Inception.

Both become a directory of evaluators like those of :mod:`mim_tf.evaluators.training`. Reading
AttnGAN's ``.pth`` files needs torch, nothing else does.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from mim_tf.config_files import parse_kind
from mim_tf.data.formats.pytorch import read_state
from mim_tf.data.formats.untrusted import read_pickle
from mim_tf.errors import UserError
from mim_tf.evaluators.classifier import Classifier
from mim_tf.evaluators.config import PretrainConfig
from mim_tf.evaluators.damsm import DAMSM
from mim_tf.evaluators.folder import (
    CLASSES,
    CLASSIFIER_WEIGHTS,
    CONFIG,
    DAMSM_WEIGHTS,
    VOCABULARY,
    Evaluators,
    holds_evaluators,
    make_classifier,
    make_damsm,
)
from mim_tf.evaluators.inception import conv_names, set_conv
from mim_tf.models.weights import save_weights
from mim_tf.storage import replace_text
from mim_tf.stored_config import dump_config, seal
from mim_tf.text import Vocabulary


@dataclass(frozen=True)
class AttnGANFiles:
    """AttnGAN's three files, which belong together.

    Attributes:
        text_encoder, image_encoder: ``.pth`` files.
        captions: ``captions.pickle``.
    """

    text_encoder: Path
    image_encoder: Path
    captions: Path


def import_published(
    attngan: AttnGANFiles | None, inception: Path | None, output: Path
) -> dict[str, Any]:
    """Make a directory of evaluators of published weights; nothing is written before all is read.

    Args:
        attngan: for DAMSM; None leaves it out.
        inception: StackGAN's checkpoint, for the classifier; None leaves it out.
        output: the directory.

    Returns:
        What :meth:`Evaluators.describe` says of them.

    Raises:
        UserError: the directory holds evaluators already, or a file cannot be read, or is not what
            it should be.
    """
    if (output / CONFIG).exists() or holds_evaluators(output):
        raise UserError(f"--output {output} already holds evaluators; choose another")
    config, vocabulary = _config(output), Vocabulary([])
    damsm = classifier = None
    if attngan is not None:
        vocabulary = read_vocabulary(attngan.captions)
        text = read_state(attngan.text_encoder)
        image = read_state(attngan.image_encoder)
        config = _config(output, **encoder_sizes(text, attngan.text_encoder))
        damsm = make_damsm(config, len(vocabulary))
        load_text_encoder(damsm, text, vocabulary, str(attngan.text_encoder))
        load_image_encoder(damsm, image, str(attngan.image_encoder))
    if inception is not None:
        classifier = load_slim(config, inception)
    # Everything was read and fits: from here on something is written, the configuration last.
    output.mkdir(parents=True, exist_ok=True)
    vocabulary.save(output / VOCABULARY)
    if damsm is not None:
        save_weights(damsm, output / DAMSM_WEIGHTS)
    if classifier is not None:
        # The checkpoint numbers its classes; it does not name them.
        classes = [str(index) for index in range(classifier.head.units)]
        replace_text(output / CLASSES, json.dumps(classes))
        save_weights(classifier, output / CLASSIFIER_WEIGHTS)
    replace_text(output / CONFIG, dump_config(config))
    names = (VOCABULARY, DAMSM_WEIGHTS, CLASSES, CLASSIFIER_WEIGHTS)
    seal(output, config, [name for name in names if (output / name).is_file()])
    return Evaluators.open(output).describe()


def _config(output: Path, dim: int = 256, word_dim: int = 300) -> PretrainConfig:
    """The configuration of the published networks.

    Args:
        output: names the configuration in an error.
        dim, word_dim: widths of AttnGAN's text encoder.
    """
    tree = {
        # AttnGAN's captions hold at most 18 words.
        "data": {"source": "cub", "root": "data/cub", "max_words": 18},
        "damsm": {"encoder": "inception", "size": 299, "steps": 0, "dim": dim,
                  "word_dim": word_dim},
        "classifier": {"encoder": "inception", "size": 299, "steps": 0},
    }  # fmt: skip
    return parse_kind(PretrainConfig, tree, str(output))


# AttnGAN -----------------------------------------------------------------------------------------


def read_vocabulary(path: Path) -> Vocabulary:
    """The words of AttnGAN's ``captions.pickle``: [train, test, id -> word, word -> id].

    AttnGAN's id 0 pads and its words start at 1; ours start at 2, after the unknown word.

    Raises:
        UserError: no such file, or not a list of that form.
    """
    # latin1 is how Python 3 reads any byte string of Python 2, which wrote the file.
    content = read_pickle(path, encoding="latin1")
    try:
        words = content[2]
        return Vocabulary([words[index] for index in range(1, len(words))])
    except (LookupError, TypeError, ValueError) as error:
        raise UserError(f"{path}: no captions.pickle of AttnGAN ({error})") from None


def encoder_sizes(state: Mapping[str, np.ndarray], origin: Path) -> dict[str, int]:
    """Widths of AttnGAN's text encoder, ``dim`` and ``word_dim`` of our configuration."""
    rows = _take(state, "encoder.weight", str(origin))
    recurrent = _take(state, "rnn.weight_hh_l0", str(origin))
    return {"dim": 2 * recurrent.shape[1], "word_dim": rows.shape[1]}


def load_text_encoder(
    damsm: DAMSM, state: Mapping[str, np.ndarray], vocabulary: Vocabulary, origin: str
) -> None:
    """Set the Bi-LSTM and the embedding from AttnGAN's ``RNN_ENCODER``.

    Raises:
        UserError: a tensor is missing or the vocabulary has another size.
    """
    rows = _take(state, "encoder.weight", origin)
    if len(rows) != len(vocabulary.words) + 1:
        raise UserError(
            f"{origin} has {len(rows)} embeddings, the captions {len(vocabulary.words) + 1} ids; "
            "they were not made together"
        )
    # Our ids have the unknown word between padding and words. Its row is never read, because
    # unknown words are left out; the padding's stands there.
    damsm.text.embedding.set_weights([np.concatenate([rows[:1], rows[:1], rows[1:]])])
    weights = []
    for direction in ("", "_reverse"):
        kernel, recurrent, bias_i, bias_h = (
            _take(state, f"rnn.{name}_l0{direction}", origin)
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        # PyTorch and Keras both order the gates input, forget, cell, output. PyTorch has two
        # biases which are only ever added.
        weights += [kernel.T, recurrent.T, bias_i + bias_h]
    damsm.text.bi_lstm.set_weights(weights)


def load_image_encoder(damsm: DAMSM, state: Mapping[str, np.ndarray], origin: str) -> None:
    """Set the trunk and both projections from AttnGAN's ``CNN_ENCODER``.

    Raises:
        UserError: a tensor is missing.
    """
    for name in conv_names(damsm.trunk):
        norm = [
            _take(state, f"{name}.bn.{part}", origin)
            for part in ("weight", "bias", "running_mean", "running_var")
        ]
        kernel = _take(state, f"{name}.conv.weight", origin).transpose(2, 3, 1, 0)
        set_conv(damsm.trunk, name, kernel, *norm)
    features = _take(state, "emb_features.weight", origin)
    damsm.to_regions.set_weights([features[:, :, 0, 0].T])
    code, bias = (_take(state, f"emb_cnn_code.{part}", origin) for part in ("weight", "bias"))
    damsm.to_code.set_weights([code.T, bias])


def _take(state: Mapping[str, np.ndarray], name: str, origin: str) -> np.ndarray:
    if name not in state:
        raise UserError(f"{origin}: no tensor {name}; is it AttnGAN's encoder?")
    return np.asarray(state[name])


# StackGAN ----------------------------------------------------------------------------------------

# Our block (torchvision's name) -> its scope in StackGAN's Inception (TF-Slim of 2016).
_SLIM_BLOCKS = {
    "Conv2d_1a_3x3": "conv0",
    "Conv2d_2a_3x3": "conv1",
    "Conv2d_2b_3x3": "conv2",
    "Conv2d_3b_1x1": "conv3",
    "Conv2d_4a_3x3": "conv4",
    "Mixed_5b": "mixed_35x35x256a",
    "Mixed_5c": "mixed_35x35x288a",
    "Mixed_5d": "mixed_35x35x288b",
    "Mixed_6a": "mixed_17x17x768a",
    "Mixed_6b": "mixed_17x17x768b",
    "Mixed_6c": "mixed_17x17x768c",
    "Mixed_6d": "mixed_17x17x768d",
    "Mixed_6e": "mixed_17x17x768e",
    "Mixed_7a": "mixed_17x17x1280a",
    "Mixed_7b": "mixed_8x8x2048a",
    "Mixed_7c": "mixed_8x8x2048b",
}
# In the last two blocks a branch ends in two convolutions side by side. TF-Slim numbers them one
# after the other; torchvision gives them one number and letters.
_SLIM_SPLITS = {"3x3_2a": 1, "3x3_2b": 2, "3x3dbl_3a": 2, "3x3dbl_3b": 3}
# The moving average of a weight, which StackGAN evaluates with, has this behind its name.
_AVERAGE = "/ExponentialMovingAverage"


def slim_name(name: str) -> str:
    """The TF-Slim scope of a convolution of ours: ``Mixed_5b.branch5x5_2`` ->
    ``mixed_35x35x256a/branch5x5/Conv_1``."""
    block, _, branch = name.partition(".branch")
    if not branch:
        return _SLIM_BLOCKS[block]
    if branch == "_pool":
        kind, place = branch, 0
    elif branch in _SLIM_SPLITS:
        kind, place = branch.partition("_")[0], _SLIM_SPLITS[branch]
    else:
        kind, _, step = branch.partition("_")
        place = int(step or 1) - 1
    return f"{_SLIM_BLOCKS[block]}/branch{kind}/Conv" + (f"_{place}" if place else "")


def load_slim(config: PretrainConfig, path: Path) -> Classifier:
    """A classifier with the averaged weights of StackGAN's fine-tuned Inception.

    Its logits' column 0 is a background that no picture has: it is dropped.

    Raises:
        UserError: no checkpoint there, or one of another network.
    """
    try:
        reader = tf.train.load_checkpoint(str(path))
    except (ValueError, tf.errors.OpError):
        raise UserError(f"--inception {path}: there is no TensorFlow checkpoint") from None
    names = set(reader.get_variable_to_shape_map())

    def take(name: str) -> np.ndarray:
        for stored in (name + _AVERAGE, name):
            if stored in names:
                return reader.get_tensor(stored)
        raise UserError(f"--inception {path}: no variable {name}; is it StackGAN's?")

    kernel, bias = take("logits/logits/weights"), take("logits/logits/biases")
    network = make_classifier(config, kernel.shape[1] - 1)
    _set_slim(network.trunk, take)
    network.head.set_weights([kernel[:, 1:], bias[1:]])
    return network


def _set_slim(trunk: keras.Model, take: Callable[[str], np.ndarray]) -> None:
    """Set every convolution and its normalisation; ``take`` gives a variable by its name."""
    for name in conv_names(trunk):
        scope = slim_name(name)
        norm = [
            take(f"{scope}/BatchNorm/{part}") for part in ("beta", "moving_mean", "moving_variance")
        ]
        set_conv(trunk, name, take(f"{scope}/weights"), None, *norm)
