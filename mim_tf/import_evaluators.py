"""Import published evaluators: AttnGAN's DAMSM encoders and StackGAN's fine-tuned Inception.

    python -m mim_tf.import_evaluators --text-encoder text_encoder200.pth \\
        --image-encoder image_encoder200.pth --captions captions.pickle \\
        --inception inception_finetuned_models/birds_valid299/model.ckpt \\
        --output runs/evaluators-cub

Either alone will do. Reading ``.pth`` files needs torch (``pip install -r
requirements-import.txt``), nothing else does.
"""

from __future__ import annotations

import argparse
import json
import pickle
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mim_tf.config_files import dump_config, parse_kind
from mim_tf.errors import UserError, entry_point
from mim_tf.evaluators.config import PretrainConfig

if TYPE_CHECKING:
    import keras

    from mim_tf.evaluators.classifier import Classifier
    from mim_tf.evaluators.damsm import DAMSM
    from mim_tf.text import Vocabulary

# Layers of StackGAN's Inception (TF-Slim of 2016), by torchvision's names.
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
# Steps of a branch are counted; in the last blocks a step splits in two.
_SLIM_STEPS = {"": 0, "1": 0, "2": 1, "3": 2, "4": 3, "5": 4}
_SLIM_SPLITS = {"3x3_2a": 1, "3x3_2b": 2, "3x3dbl_3a": 2, "3x3dbl_3b": 3}
_AVERAGE = "/ExponentialMovingAverage"


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m mim_tf.import_evaluators", description="Import published evaluators."
    )
    parser.add_argument("--text-encoder", metavar="FILE", type=Path, help="AttnGAN's, .pth")
    parser.add_argument("--image-encoder", metavar="FILE", type=Path, help="AttnGAN's, .pth")
    parser.add_argument("--captions", metavar="FILE", type=Path, help="AttnGAN's captions.pickle")
    parser.add_argument("--inception", metavar="FILE", type=Path, help="StackGAN's checkpoint")
    parser.add_argument("--output", metavar="DIR", type=Path, required=True)
    return parser.parse_args(argv)


@entry_point
def main(argv: Sequence[str] | None = None) -> int:
    arguments = _arguments(argv)
    encoders = (arguments.text_encoder, arguments.image_encoder, arguments.captions)
    if any(encoders) and not all(encoders):
        raise UserError("--text-encoder, --image-encoder and --captions belong together")
    if not any(encoders) and not arguments.inception:
        raise UserError("give AttnGAN's three files, StackGAN's --inception, or all of them")
    if (arguments.output / "config.yaml").exists():
        raise UserError(f"--output {arguments.output} already holds evaluators; choose another")

    from mim_tf.evaluators import folder as evaluators
    from mim_tf.models.weights import save_weights
    from mim_tf.storage import replace_text
    from mim_tf.text import Vocabulary

    vocabulary, text, picture = Vocabulary([]), None, None
    sizes = {"dim": 256, "word_dim": 300}
    if any(encoders):
        vocabulary = read_vocabulary(arguments.captions)
        text, picture = (_read_torch(one) for one in encoders[:2])
        sizes = encoder_sizes(text, arguments.text_encoder)
    config = parse_kind(
        PretrainConfig,
        {
            # Captions of AttnGAN hold 18 words at most.
            "data": {"source": "cub", "root": "data/cub", "max_words": 18},
            "damsm": {"encoder": "inception", "size": 299, "steps": 0, **sizes},
            "classifier": {"encoder": "inception", "size": 299, "steps": 0},
        },
        str(arguments.output),
    )
    damsm = classifier = None
    if text is not None and picture is not None:
        damsm = evaluators.make_damsm(config, len(vocabulary))
        load_text_encoder(damsm, text, vocabulary, str(arguments.text_encoder))
        load_image_encoder(damsm, picture, str(arguments.image_encoder))
    if arguments.inception:
        classifier = load_slim(config, arguments.inception)
    # Everything was read: from here on something is written.
    arguments.output.mkdir(parents=True, exist_ok=True)
    vocabulary.save(arguments.output / evaluators.VOCABULARY)
    if damsm is not None:
        save_weights(damsm, arguments.output / evaluators.DAMSM_WEIGHTS)
    if classifier is not None:
        names = json.dumps([str(index) for index in range(classifier.head.units)])
        replace_text(arguments.output / evaluators.CLASSES, names)
        save_weights(classifier, arguments.output / evaluators.CLASSIFIER_WEIGHTS)
    replace_text(arguments.output / evaluators.CONFIG, dump_config(config))
    print(json.dumps(evaluators.Evaluators.open(arguments.output).describe(), indent=2))
    return 0


# AttnGAN -----------------------------------------------------------------------------------------


class _Plain(pickle.Unpickler):
    """Unpickles lists, dictionaries, strings and numbers; a class may run code and is refused."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"it names {module}.{name}")


def read_vocabulary(path: Path) -> Vocabulary:
    """The words of AttnGAN's ``captions.pickle``: [train, test, id -> word, word -> id].

    AttnGAN's id 0 pads and its words start at 1; ours start at 2, after the unknown word.

    Raises:
        UserError: no such file.
    """
    from mim_tf.text import Vocabulary

    try:
        with path.open("rb") as file:
            words = _Plain(file, encoding="latin1").load()[2]
        return Vocabulary([words[index] for index in range(1, len(words))])
    except (OSError, pickle.UnpicklingError, LookupError, TypeError, EOFError, ValueError) as error:
        raise UserError(f"{path}: no captions.pickle of AttnGAN ({error})") from None


def _read_torch(path: Path) -> dict[str, np.ndarray]:
    """A state dictionary of a ``.pth`` file."""
    try:
        import torch
    except ImportError:
        raise UserError(
            f"reading {path} needs torch: pip install -r requirements-import.txt"
        ) from None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        return {name: value.numpy() for name, value in state.items()}
    except (OSError, RuntimeError, pickle.UnpicklingError, AttributeError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{path}: no state dictionary of PyTorch ({reason})") from None


def encoder_sizes(state: Mapping[str, np.ndarray], origin: Path) -> dict[str, int]:
    """Widths of AttnGAN's text encoder, for our configuration."""
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
    # Ours: padding, unknown (never read: unknown words are left out), words.
    damsm.text.embedding.set_weights([np.concatenate([rows[:1], rows[:1], rows[1:]])])
    weights = []
    for direction in ("", "_reverse"):
        kernel, recurrent, bias_i, bias_h = (
            _take(state, f"rnn.{name}_l0{direction}", origin)
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        # Both keep the gates in the order input, forget, cell, output.
        weights += [kernel.T, recurrent.T, bias_i + bias_h]
    damsm.text.bi_lstm.set_weights(weights)


def load_image_encoder(damsm: DAMSM, state: Mapping[str, np.ndarray], origin: str) -> None:
    """Set the trunk and both projections from AttnGAN's ``CNN_ENCODER``.

    Raises:
        UserError: a tensor is missing.
    """
    from mim_tf.evaluators.inception import conv_names, set_conv

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


def slim_name(name: str) -> str:
    """The TF-Slim scope of one of our convolutions: ``Mixed_5b.branch5x5_2`` ->
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
        place = _SLIM_STEPS[step]
    return f"{_SLIM_BLOCKS[block]}/branch{kind}/Conv" + (f"_{place}" if place else "")


def load_slim(config: PretrainConfig, path: Path) -> Classifier:
    """A classifier with the averaged weights of StackGAN's fine-tuned Inception.

    Its logits' column 0 is a background that no picture has: it is dropped.

    Raises:
        UserError: no checkpoint there, or one of another network.
    """
    import tensorflow as tf

    from mim_tf.evaluators.folder import make_classifier
    from mim_tf.evaluators.inception import conv_names, set_conv

    try:
        reader = tf.train.load_checkpoint(str(path))
    except (ValueError, tf.errors.OpError):
        raise UserError(f"--inception {path}: there is no TensorFlow checkpoint") from None
    names = set(reader.get_variable_to_shape_map())

    def take(name: str) -> np.ndarray:
        for one in (name + _AVERAGE, name):
            if one in names:
                return reader.get_tensor(one)
        raise UserError(f"--inception {path}: no variable {name}; is it StackGAN's?")

    kernel, bias = take("logits/logits/weights"), take("logits/logits/biases")
    network = make_classifier(config, kernel.shape[1] - 1)
    _set_slim(network.trunk, conv_names(network.trunk), take, set_conv)
    network.head.set_weights([kernel[:, 1:], bias[1:]])
    return network


def _set_slim(
    trunk: keras.Model, names: Sequence[str], take: Callable[[str], np.ndarray], set_conv: Callable
) -> None:
    for name in names:
        scope = slim_name(name)
        norm = [
            take(f"{scope}/BatchNorm/{part}") for part in ("beta", "moving_mean", "moving_variance")
        ]
        set_conv(trunk, name, take(f"{scope}/weights"), None, *norm)


if __name__ == "__main__":
    sys.exit(main())
