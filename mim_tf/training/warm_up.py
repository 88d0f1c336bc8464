"""How long the warm-up lasts: it follows its loss.

Deviation: the paper has no warm-up. Every decision here depends on what checkpoints hold and on
nothing else, so a resumed run decides as an unbroken one would.
"""

from __future__ import annotations

import keras
import tensorflow as tf

from mim_tf.models.generator import make_generator
from mim_tf.training.state import TrainingState

LOOK_EVERY = 50  # steps between two looks at whether the warm-up may end
PATIENCE = 300  # the least number of steps after which a warm-up at chance is begun again
AT_CHANCE = 0.97  # share of chance above which L_match has learned nothing


def is_over(state: TrainingState) -> bool:
    """Whether the warm-up should end before this step: every so many steps, once L_match has
    fallen far enough, or when the budget is spent."""
    deviations, step = state.config.deviations, int(state.step.numpy())
    done = float(state.match_mean.numpy()) < deviations.warm_up_until * state.match_at_chance
    return step >= deviations.warm_up or (step % LOOK_EVERY == 0 and done)


def stands_still(state: TrainingState) -> bool:
    """Whether a tenth of the budget has just gone by and L_match is still at chance."""
    look = max(PATIENCE, state.config.deviations.warm_up // 10)
    at_chance = float(state.match_mean.numpy()) > AT_CHANCE * state.match_at_chance
    return int(state.step.numpy()) == look and at_chance


def begin_again(state: TrainingState) -> None:
    """Give new random weights to all that the warm-up trains; its budget goes on."""
    keras.utils.set_random_seed(state.config.train.seed + int(state.step.numpy()))
    fresh = make_generator(state.config, state.vocabulary_size, state.vectors)
    state.generator.set_weights(fresh.get_weights())
    projection = keras.layers.Dense(state.generator.enc.channels)
    projection.build((None, None, state.config.model.text_dim))
    state.texture_projection.set_weights(projection.get_weights())
    optimizer = state.warm_up_optimizer
    for variable in optimizer.variables:
        if variable is not optimizer._learning_rate:
            variable.assign(tf.zeros_like(variable.value))
    state.match_mean.assign(state.match_at_chance)
