"""Training of the evaluators: what DAMSM and the classifier learn from, and their scores.

Every batch is a pure function of (seed, step), so a resumed training goes on where it stopped.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from mim_tf import checksums
from mim_tf.data.distractors import distractors
from mim_tf.data.source import MARGIN, Source
from mim_tf.data.sources import load_raw
from mim_tf.errors import UserError
from mim_tf.evaluators import folder as evaluators
from mim_tf.evaluators import inception
from mim_tf.evaluators.config import PretrainConfig
from mim_tf.evaluators.damsm import damsm_loss
from mim_tf.evaluators.fitting import Recipe, fit
from mim_tf.evaluators.folder import (
    CLASSES,
    CLASSIFIER_WEIGHTS,
    CONFIG,
    DAMSM_WEIGHTS,
    SCORES,
    VOCABULARY,
    holds_evaluators,
)
from mim_tf.locks import locked
from mim_tf.models.weights import save_weights
from mim_tf.pictures.pixels import to_signed
from mim_tf.storage import check_text, replace_text
from mim_tf.stored_config import dump_config, seal
from mim_tf.text import Vocabulary

_HELD_OUT = 10  # every tenth picture is held out, for the classifier's own score


def start(path: Path, config: PretrainConfig) -> None:
    """Create a directory of evaluators.

    Raises:
        UserError: it exists already, or cannot be written.
    """
    if any((path / "checkpoints").rglob("*.index")) or holds_evaluators(path):
        raise UserError(
            f"{path} already holds evaluators; continue them with --resume, "
            "or choose another directory with --run"
        )
    check_text(path)
    source = load_raw(config.data, "train")
    captions = (caption for captions in source.captions for caption in captions)
    try:
        path.mkdir(parents=True, exist_ok=True)
        Vocabulary.build(captions, config.data.min_word_count).save(path / VOCABULARY)
        replace_text(path / CONFIG, dump_config(config))
        seal(path, config, [VOCABULARY])
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from None


def pretrain(path: Path) -> dict[str, float]:
    """Train the evaluators of a directory to their ends and score them.

    Returns:
        What ``scores.json`` then holds: ``r_precision`` (top 1 of 100, test split, real pictures)
        and ``accuracy`` (held-out pictures), as far as trained; of attributes also
        ``balanced_accuracy``.
    """
    config = evaluators.read_config(path)
    with locked(path):
        return _pretrain(path, config)


def _pretrain(path: Path, config: PretrainConfig) -> dict[str, float]:
    """:func:`pretrain` of a directory that no other process changes."""
    # These are written anew from the checkpoints; it may have stopped before their checksums.
    written = (CLASSES, DAMSM_WEIGHTS, CLASSIFIER_WEIGHTS)
    seal(path, config, [VOCABULARY, *(name for name in written if (path / name).is_file())])
    keras.utils.set_random_seed(config.seed)
    scores: dict[str, float] = {}
    if config.damsm.steps:
        scores |= _pretrain_damsm(path, config)
    if config.classifier.steps or config.classifier.encoder == "imagenet":
        scores |= _pretrain_classifier(path, config)
    replace_text(path / SCORES, json.dumps(scores, indent=2))
    checksums.write_sums(path, [SCORES])
    return scores


# DAMSM -------------------------------------------------------------------------------------------


def _pretrain_damsm(path: Path, config: PretrainConfig) -> dict[str, float]:
    """Train DAMSM on the train split: pictures, each with a random caption of its own."""
    options = config.damsm
    source = load_raw(config.data, "train")
    vocabulary = Vocabulary.load(path / VOCABULARY)
    network = evaluators.make_damsm(config, len(vocabulary))
    if network.frozen:
        inception.load_keras(network.trunk, options.weights, "damsm.weights")
    tokens = [
        evaluators.encode(vocabulary, captions, config.data.max_words)
        for captions in source.captions
    ]
    names = {name: index for index, name in enumerate(dict.fromkeys(source.classes))}
    classes = np.array([names[name] for name in source.classes], np.int32)
    picture = _Pictures(source, options.size, config)

    def batch(rng: np.random.Generator):
        chosen = rng.choice(len(source), min(options.batch_size, len(source)), replace=False)
        captions = np.stack([rng.choice(tokens[index]) for index in chosen])
        return picture.batch(chosen, rng), captions, classes[chosen]

    def loss(pictures, captions, classes):
        out = network({"picture": pictures, "tokens": captions}, training=True)
        return damsm_loss(out, captions, classes, options.gamma_1, options.gamma_2, options.gamma_3)

    fit(Recipe("damsm", network, loss, batch, options.steps, options.learning_rate), path, config)
    save_weights(network, path / DAMSM_WEIGHTS)
    checksums.write_sums(path, [DAMSM_WEIGHTS])
    return {"r_precision": _score_damsm(path, config)}


def _score_damsm(path: Path, config: PretrainConfig, count: int = 500) -> float:
    """R-precision of real test pictures with their own captions."""
    source = load_raw(config.data, "test")
    evaluator = evaluators.Evaluators.open(path)
    rng = np.random.default_rng([config.seed, 7])
    shown = rng.permutation(len(source))[:count]
    pictures = np.stack([source.picture(int(index), config.damsm.size) for index in shown])
    candidates = []
    for index in shown:
        own = str(rng.choice(source.captions[index]))
        candidates.append([own, *distractors(source, int(index), rng, own)])
    # Every picture chooses among equally many captions, or their hits would not compare.
    fewest = min(len(captions) for captions in candidates)
    hits = evaluator.r_precision(
        evaluator.image_codes(pictures), [captions[:fewest] for captions in candidates]
    )
    return float(hits.mean())


# Classifier --------------------------------------------------------------------------------------


def _pretrain_classifier(path: Path, config: PretrainConfig) -> dict[str, float]:
    """Train the classifier, or take over Keras's classifier of ImageNet as it is."""
    options = config.classifier
    if options.encoder == "imagenet":
        network = evaluators.make_classifier(config, 1000)
        head = inception.load_keras(network.trunk, options.weights, "classifier.weights")
        network.head.set_weights(head.get_weights())
        replace_text(path / CLASSES, json.dumps([str(index) for index in range(1000)]))
        save_weights(network, path / CLASSIFIER_WEIGHTS)
        checksums.write_sums(path, [CLASSES, CLASSIFIER_WEIGHTS])
        return {}
    learned, held = _attributed(config) if options.attributes else _labelled(config)
    names = sorted({label for labels in (*learned.labels, *held.labels) for label in labels})
    network = evaluators.make_classifier(config, len(names))
    if options.encoder == "inception" and options.weights != "none":
        inception.load_keras(network.trunk, options.weights, "classifier.weights")
    targets = _as_targets(learned.labels, names)
    picture = _Pictures(learned.source, options.size, config)
    entropy = (
        keras.losses.binary_crossentropy
        if options.attributes
        else keras.losses.categorical_crossentropy
    )

    def batch(rng: np.random.Generator):
        count = min(options.batch_size, len(targets))
        chosen = rng.choice(len(targets), count, replace=False)
        return picture.batch([learned.indices[place] for place in chosen], rng), targets[chosen]

    def loss(pictures, targets):
        out = network(pictures, training=True)
        losses = entropy(targets, out["logits"], from_logits=True)
        return {"cross_entropy": tf.reduce_mean(losses)}

    recipe = Recipe("classifier", network, loss, batch, options.steps, options.learning_rate)
    fit(recipe, path, config)
    replace_text(path / CLASSES, json.dumps(names))
    save_weights(network, path / CLASSIFIER_WEIGHTS)
    checksums.write_sums(path, [CLASSES, CLASSIFIER_WEIGHTS])
    return _score_classifier(path, config, held, names)


def _score_classifier(
    path: Path, config: PretrainConfig, held: _Labelled, names: Sequence[str]
) -> dict[str, float]:
    """Accuracy on held-out pictures. Of attributes, most of which few pictures have, also the mean
    of the shares of those that have one and of those that have not that are read right (chance:
    0.5): over all attributes, and of each."""
    evaluator = evaluators.Evaluators.open(path)
    size = config.classifier.size
    pictures = np.stack([held.source.picture(index, size) for index in held.indices])
    truth = _as_targets(held.labels, names) > 0
    if not config.classifier.attributes:
        found = evaluator.classify(pictures)[0].argmax(axis=1)
        return {"accuracy": float(np.mean(truth[np.arange(len(found)), found]))}
    right = (evaluator.read_attributes(pictures) > evaluators.HAS) == truth
    balanced = {
        name: float((right[has, k].mean() + right[~has, k].mean()) / 2)
        for k, (name, has) in enumerate(zip(names, truth.T, strict=True))
        if 0 < has.sum() < len(has)
    }
    return {
        "accuracy": float(right.mean()),
        "balanced_accuracy": float(np.mean(list(balanced.values()))),
        **{f"balanced_accuracy_{name}": value for name, value in balanced.items()},
    }


@dataclass(frozen=True)
class _Labelled:
    """Pictures and what a classifier is to say of them.

    Attributes:
        source: whose pictures.
        indices: which.
        labels: of each: its class alone, or all its attributes.
    """

    source: Source
    indices: Sequence[int]
    labels: Sequence[tuple[str, ...]]


def _as_targets(labels: Sequence[tuple[str, ...]], names: Sequence[str]) -> np.ndarray:
    """float32 [N, K], 1 where a picture has the label."""
    return np.array([[name in of_picture for name in names] for of_picture in labels], np.float32)


def _labelled(config: PretrainConfig) -> tuple[_Labelled, _Labelled]:
    """Pictures that teach classes, and held-out ones.

    Where the splits share classes, the train split teaches and those of the test split are held
    out. Else it is the test split's classes that count, as StackGAN has it: every tenth picture of
    that split is held out.
    """
    train, test = load_raw(config.data, "train"), load_raw(config.data, "test")
    shared = set(train.labels) & set(test.labels)
    if shared:
        known = [index for index, label in enumerate(test.labels) if label in shared]
        return _some(train, range(len(train))), _some(test, known)
    learned, held = (
        [index for index in range(len(test)) if (index % _HELD_OUT == 0) is out]
        for out in (False, True)
    )
    return _some(test, learned), _some(test, held)


def _some(source: Source, indices: Sequence[int]) -> _Labelled:
    return _Labelled(source, indices, [(source.labels[index],) for index in indices])


def _attributed(config: PretrainConfig) -> tuple[_Labelled, _Labelled]:
    """Pictures that teach attributes, those of the train split, and held-out ones of the test
    split.

    Raises:
        UserError: nobody said attributes of these pictures.
    """
    train, test = load_raw(config.data, "train"), load_raw(config.data, "test")
    if not train.has_attributes:
        raise UserError(
            f"classifier.attributes: data.source={train.name} has no attributes; CelebA has, or "
            "set classifier.attributes=false"
        )

    def having(source: Source) -> _Labelled:
        labels = [
            tuple(name for name, has in (source.attributes(index) or {}).items() if has)
            for index in range(len(source))
        ]
        return _Labelled(source, range(len(source)), labels)

    return having(train), having(test)


# Pictures of both --------------------------------------------------------------------------------


class _Pictures:
    """Batches of a source's pictures.

    Pictures stay in memory as far as ``machine.cache_gb`` allows; each batch crops and flips them
    at random, where the source allows it.

    Args:
        source: whose pictures.
        size: S, side of a batch's pictures.
        config: of the evaluators.
    """

    def __init__(self, source: Source, size: int, config: PretrainConfig) -> None:
        self.source, self.size = source, size
        self.augment = source.augment
        self.stored = round(size * MARGIN) if self.augment else size
        self._kept: dict[int, np.ndarray] = {}
        self._room = int(config.machine.cache_gb * 1e9 / (3 * self.stored**2))

    def batch(self, indices: Sequence[int] | np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Pictures by their indices, [B, S, S, 3] in [-1, 1]."""
        return to_signed(np.stack([self._picture(int(index), rng) for index in indices]))

    def _picture(self, index: int, rng: np.random.Generator) -> np.ndarray:
        """A picture, uint8 [S, S, 3]; of a larger stored one a random crop, flipped every second
        time."""
        picture = self._kept.get(index)
        if picture is None:
            picture = self.source.picture(index, self.stored)
            if len(self._kept) < self._room:
                self._kept[index] = picture
        if not self.augment:
            return picture
        y, x = rng.integers(0, self.stored - self.size + 1, 2)
        crop = picture[y : y + self.size, x : x + self.size]
        return crop[:, ::-1] if rng.random() < 0.5 else crop
