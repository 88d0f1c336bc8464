"""A training that starts from the generator of another: of a smaller size, or of other pictures."""

from __future__ import annotations

import sys

import numpy as np

from mim_tf.config import Config
from mim_tf.errors import UserError
from mim_tf.models.generator import Generator
from mim_tf.run import Run
from mim_tf.text import Vocabulary
from mim_tf.training.state import TrainingState

_SWITCHES = {
    "model": ("encoder", "boundary", "tlu"),
    "deviations": ("word_gates", "fuse", "compose", "tlu_affine", "keep_detail"),
}
"""What changes what a network computes, and not always the shapes of its weights."""
_REMEDY = (
    "give the sections model and deviations as its config.yaml has them, but for the sizes of "
    "pictures"
)


def start_from(state: TrainingState, vocabulary: Vocabulary, model: str) -> None:
    """Give the generator, and its average, the weights of another run's.

    The networks are convolutions, so the sizes of pictures may differ. Words that both know keep
    their embeddings; the others start at random, as do the discriminators.

    Args:
        state: of a training that has not begun.
        vocabulary: of that training.
        model: a preset, or a run's folder.

    Raises:
        UserError: there is no such model, or its networks are others.
    """
    run = Run.named(model)
    found = run.load_generator()
    _check_alike(state.generator, found, model)
    _check_switches(state.config, run.config, model)
    theirs_too = set(run.vocabulary.words)
    known = [word for word in vocabulary.words if word in theirs_too]
    embeddings = state.generator.text_encoder.embedding.embeddings
    for mine, theirs in zip(state.generator.weights, found.weights, strict=True):
        values = np.asarray(theirs)
        if mine is embeddings:
            values = np.array(mine)
            special = len(vocabulary) - len(vocabulary.words)  # ids of no word: padding, unknown
            values[:special] = np.asarray(theirs)[:special]
            for word in known:
                values[vocabulary.id(word)] = np.asarray(theirs)[run.vocabulary.id(word)]
        mine.assign(values)
    state.averaged.set_weights(state.generator.get_weights())
    print(
        f"starts from {model}, which knows {len(known)} of {len(vocabulary.words)} words",
        file=sys.stderr,
    )


def _check_alike(mine: Generator, theirs: Generator, model: str) -> None:
    """Refuse weights that differ in number or shape, but for the number of words."""
    table = mine.text_encoder.embedding.embeddings
    for ours, other in zip(mine.weights, theirs.weights, strict=False):
        first = 1 if ours is table else 0
        if tuple(ours.shape)[first:] != tuple(other.shape)[first:]:
            raise UserError(
                f"train.start_from: {ours.path} has the shape {tuple(other.shape)} in {model}, "
                f"{tuple(ours.shape)} here; {_REMEDY}"
            )
    if len(mine.weights) != len(theirs.weights):
        raise UserError(
            f"train.start_from: {model} has {len(theirs.weights)} weights, this model "
            f"{len(mine.weights)}; {_REMEDY}"
        )


def _check_switches(mine: Config, theirs: Config, model: str) -> None:
    """Refuse weights of a network that computes something else with them."""
    for section, names in _SWITCHES.items():
        for name in names:
            other, ours = (getattr(getattr(config, section), name) for config in (theirs, mine))
            if other != ours:
                raise UserError(
                    f"train.start_from: {section}.{name} is {other} in {model}, {ours} here; "
                    f"{_REMEDY}"
                )
