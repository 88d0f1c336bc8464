"""Training of the evaluators: DAMSM and the classifier.

Every batch is a pure function of (seed, step), so a resumed training goes on where it stopped.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from mim_tf.config import Config
from mim_tf.config_files import dump_config
from mim_tf.data.birds import scenes
from mim_tf.data.distractors import distractors
from mim_tf.data.sources import Source, Split, bird_seed, load_source
from mim_tf.errors import UserError
from mim_tf.evaluators import folder as evaluators
from mim_tf.evaluators import inception
from mim_tf.evaluators.config import PretrainConfig
from mim_tf.evaluators.damsm import damsm_loss
from mim_tf.evaluators.folder import (
    CLASSES,
    CLASSIFIER_WEIGHTS,
    CONFIG,
    DAMSM_WEIGHTS,
    SCORES,
    VOCABULARY,
)
from mim_tf.models.weights import save_weights
from mim_tf.pictures.pixels import to_signed
from mim_tf.storage import replace_text
from mim_tf.text import Vocabulary

_HELD_OUT = 10  # one picture of so many is kept for the classifier's own score
_BIRD_CLASS = "wings"  # procedural birds have no species; the colour of their wings stands for it


def start(path: Path, config: PretrainConfig) -> None:
    """Create a directory of evaluators.

    Raises:
        UserError: it exists already, or cannot be written.
    """
    if any((path / "checkpoints").rglob("*.index")) or (path / SCORES).exists():
        raise UserError(
            f"{path} already holds evaluators; continue them with --resume, "
            "or choose another directory with --run"
        )
    source = load_source(_run_config(config), "train")
    captions = (one for captions in source.captions for one in captions)
    try:
        path.mkdir(parents=True, exist_ok=True)
        Vocabulary.build(captions, config.data.min_word_count).save(path / VOCABULARY)
        replace_text(path / CONFIG, dump_config(config))
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from None


def pretrain(path: Path) -> dict[str, float]:
    """Train the evaluators of a directory to their ends and score them.

    Returns:
        What ``scores.json`` then holds: ``r_precision`` (top 1 of 100, test split, real pictures)
        and ``accuracy`` (held-out pictures), as far as trained.
    """
    config = evaluators.read_config(path)
    keras.utils.set_random_seed(config.seed)
    scores: dict[str, float] = {}
    if config.damsm.steps:
        scores |= _pretrain_damsm(path, config)
    if config.classifier.steps or config.classifier.encoder == "imagenet":
        scores |= _pretrain_classifier(path, config)
    replace_text(path / SCORES, json.dumps(scores, indent=2))
    return scores


def _run_config(config: PretrainConfig) -> Config:
    """Sources read the data section of a run's configuration."""
    return Config(data=config.data)


# DAMSM -------------------------------------------------------------------------------------------


def _pretrain_damsm(path: Path, config: PretrainConfig) -> dict[str, float]:
    options = config.damsm
    source = load_source(_run_config(config), "train")
    vocabulary = Vocabulary.load(path / VOCABULARY)
    network = evaluators.make_damsm(config, len(vocabulary))
    if options.encoder == "inception" and options.weights != "none":
        inception.load_keras(network.trunk, options.weights, "damsm.weights")
    tokens = [
        evaluators.encode(vocabulary, captions, config.data.max_words)
        for captions in source.captions
    ]
    names = {name: index for index, name in enumerate(dict.fromkeys(source.classes))}
    classes = np.array([names[one] for one in source.classes], np.int32)
    picture = _Pictures(source, options.size, config)

    def batch(rng: np.random.Generator):
        chosen = rng.choice(len(source), min(options.batch_size, len(source)), replace=False)
        captions = np.stack([rng.choice(tokens[index]) for index in chosen])
        return picture.batch(chosen, rng), captions, classes[chosen]

    def loss(pictures, captions, classes):
        out = network({"picture": pictures, "tokens": captions}, training=True)
        return damsm_loss(out, captions, classes, options.gamma_1, options.gamma_2, options.gamma_3)

    _fit(path, "damsm", network, loss, batch, options.steps, options.learning_rate, config)
    save_weights(network, path / DAMSM_WEIGHTS)
    return {"r_precision": _score_damsm(path, config)}


def _score_damsm(path: Path, config: PretrainConfig, count: int = 500) -> float:
    """R-precision of real test pictures with their own captions."""
    run_config = _run_config(config)
    source = load_source(run_config, "test")
    evaluator = evaluators.Evaluators.open(path)
    rng = np.random.default_rng([config.seed, 7])
    shown = rng.permutation(len(source))[:count]
    pictures = np.stack([source.picture(int(index), config.damsm.size) for index in shown])
    candidates = []
    for index in shown:
        own = str(rng.choice(source.captions[index]))
        candidates.append([own, *distractors(run_config, source, "test", int(index), rng, own)])
    least = min(len(one) for one in candidates)
    hits = evaluator.r_precision(
        evaluator.image_codes(pictures), [one[:least] for one in candidates]
    )
    return float(hits.mean())


# Classifier --------------------------------------------------------------------------------------


def _pretrain_classifier(path: Path, config: PretrainConfig) -> dict[str, float]:
    options = config.classifier
    if options.encoder == "imagenet":
        network = evaluators.make_classifier(config, 1000)
        head = inception.load_keras(network.trunk, options.weights, "classifier.weights")
        network.head.set_weights(head.get_weights())
        replace_text(path / CLASSES, json.dumps([str(index) for index in range(1000)]))
        save_weights(network, path / CLASSIFIER_WEIGHTS)
        return {}
    sources, splits = _labelled(config)
    names = sorted({label for _, labels in splits for label in labels})
    network = evaluators.make_classifier(config, len(names))
    if options.encoder == "inception" and options.weights != "none":
        inception.load_keras(network.trunk, options.weights, "classifier.weights")
    (indices, labels), (held, held_labels) = splits
    targets = np.array([names.index(one) for one in labels], np.int32)
    picture = _Pictures(sources[0], options.size, config)

    def batch(rng: np.random.Generator):
        chosen = rng.choice(len(indices), min(options.batch_size, len(indices)), replace=False)
        return picture.batch([indices[one] for one in chosen], rng), targets[chosen]

    def loss(pictures, targets):
        out = network(pictures, training=True)
        losses = keras.losses.sparse_categorical_crossentropy(
            targets, out["logits"], from_logits=True
        )
        return {"cross_entropy": tf.reduce_mean(losses)}

    _fit(path, "classifier", network, loss, batch, options.steps, options.learning_rate, config)
    replace_text(path / CLASSES, json.dumps(names))
    save_weights(network, path / CLASSIFIER_WEIGHTS)
    evaluator = evaluators.Evaluators.open(path)
    pictures = np.stack([sources[1].picture(index, options.size) for index in held])
    found = evaluator.classify(pictures)[0].argmax(axis=1)
    return {"accuracy": float(np.mean([names[one] for one in found] == np.array(held_labels)))}


def _labelled(config: PretrainConfig):
    """Training and held-out (indices, labels), each in a source of its own.

    Data sets with classes: the test split's, as StackGAN has it, every tenth picture held out.
    Procedural birds: the train split learns, the test split is held out.
    """
    run_config = _run_config(config)
    if config.data.source == "birds":
        splits: tuple[Split, Split] = ("train", "test")
        sources = [load_source(run_config, split) for split in splits]
        return sources, [
            (
                list(range(len(source))),
                [
                    scenes.scene_colours(bird_seed(run_config, split), index)[_BIRD_CLASS]
                    for index in range(len(source))
                ],
            )
            for source, split in zip(sources, splits, strict=True)
        ]
    source = load_source(run_config, "test")
    everything = range(len(source))
    parts = [
        [index for index in everything if (index % _HELD_OUT == 0) is held]
        for held in (False, True)
    ]
    return [source, source], [(part, [source.classes[i] for i in part]) for part in parts]


# Both --------------------------------------------------------------------------------------------


class _Pictures:
    """Pictures of a source, kept once drawn; real ones are cropped and flipped at random."""

    def __init__(self, source: Source, size: int, config: PretrainConfig) -> None:
        self.source, self.size = source, size
        self.augment = config.data.augment and source.name != "birds"
        self.stored = round(size * 304 / 256) if self.augment else size
        self._kept: dict[int, np.ndarray] = {}
        self._room = int(config.data.cache_gb * 1e9 / (3 * self.stored**2))

    def batch(self, indices: Sequence[int] | np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """[B, S, S, 3] in [-1, 1]."""
        return to_signed(np.stack([self._one(int(index), rng) for index in indices]))

    def _one(self, index: int, rng: np.random.Generator) -> np.ndarray:
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


def _fit(
    path: Path,
    name: str,
    network: keras.Model,
    loss: Callable,
    batch: Callable,
    steps: int,
    learning_rate: float,
    config: PretrainConfig,
) -> None:
    """Train from the newest checkpoint, or from the start, to the end.

    Args:
        path: the directory of evaluators.
        name: of the checkpoints and in the log.
        network: whose trainable variables learn.
        loss: arrays of a batch -> dictionary of losses, which are added.
        batch: random generator -> arrays.
    """
    rate = keras.optimizers.schedules.CosineDecay(learning_rate, max(steps, 1))
    optimizer = keras.optimizers.Adam(rate, beta_1=0.5, clipnorm=1.0)
    optimizer.build(network.trainable_variables)
    step = tf.Variable(0, dtype=tf.int64, trainable=False)
    # Listed one by one: TensorFlow's walk passes over what Keras keeps in lists.
    checkpoint = tf.train.Checkpoint(
        step=step,
        network=[one.value for one in network.variables],
        optimizer=[one.value for one in optimizer.variables],
    )
    manager = tf.train.CheckpointManager(
        checkpoint, str(path / "checkpoints" / name), max_to_keep=1, checkpoint_name="step"
    )
    if manager.latest_checkpoint is not None:
        try:
            checkpoint.restore(manager.latest_checkpoint).assert_consumed()
        except (AssertionError, ValueError, tf.errors.OpError):
            raise UserError(
                f"{manager.latest_checkpoint} does not fit {path / CONFIG}; "
                "start in another directory"
            ) from None
    first = int(step.numpy())
    if first >= steps:
        return

    @tf.function(reduce_retracing=True)
    def update(*arrays):
        with tf.GradientTape() as tape:
            losses = loss(*arrays)
            total = tf.add_n(list(losses.values()))
        gradients = tape.gradient(total, network.trainable_variables)
        optimizer.apply_gradients(zip(gradients, network.trainable_variables, strict=True))
        step.assign_add(1)
        return losses

    bar = tqdm(total=steps, initial=first, desc=name, dynamic_ncols=True, file=sys.stderr)
    try:
        for number in range(first, steps):
            rng = np.random.default_rng([config.seed, number])
            losses = {key: float(one) for key, one in update(*batch(rng)).items()}
            if not np.isfinite(sum(losses.values())):
                raise UserError(
                    f"{name}: a loss is not finite at step {number + 1}; lower "
                    f"{name}.learning_rate and start again"
                )
            bar.update()
            if (number + 1) % 50 == 0 or number + 1 == steps:
                bar.set_postfix({key: f"{one:.3f}" for key, one in losses.items()})
                with (path / "log.jsonl").open("a", encoding="utf-8") as file:
                    row = {"evaluator": name, "step": number + 1, **losses}
                    file.write(json.dumps(row) + "\n")
            if (number + 1) % config.checkpoint_every == 0 or number + 1 == steps:
                manager.save(checkpoint_number=number + 1)
    except KeyboardInterrupt:
        manager.save(checkpoint_number=int(step.numpy()))
        raise
    finally:
        bar.close()
