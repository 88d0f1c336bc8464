"""The warm-up before both stages, and how long it lasts: it follows its loss.

Deviation: the paper has no warm-up. Every decision here depends on what checkpoints hold and on
nothing else, so a resumed run decides as an unbroken one would.
"""

from __future__ import annotations

import keras
import tensorflow as tf

from mim_tf.models.encoders import word_mask
from mim_tf.models.generator import make_generator
from mim_tf.training.encoding import encode_start, halves
from mim_tf.training.losses import L_level
from mim_tf.training.matching import add_match, gate_logits, of_all_replicas
from mim_tf.training.memory_start import memorise
from mim_tf.training.pairs import add_where
from mim_tf.training.state import TrainingState
from mim_tf.training.updates import Losses

LOOK_EVERY = 50  # steps between two looks at whether the warm-up may end
PATIENCE = 300  # the least number of steps after which a warm-up at chance is begun again
AT_CHANCE = 0.97  # share of chance above which L_match has learned nothing
_LEVEL = 0.02  # weight of L_level


def warm_up_step(state: TrainingState, batch):
    """L_match on textures that need no memory yet (``h^ = W h``): Enc, the Bi-LSTM and the word
    gates learn which places words speak of, and what is seen there.

    The gates' logits are taken less their mean over the picture, on which L_match does not depend
    as long as the gates are neither all open nor all closed. L_level keeps that mean near zero, so
    that these are the gates that the later stages use. L_where, where there is one, says itself how
    far they are open, and leaves neither to do.
    """
    generator, losses = state.generator, Losses()
    marked = state.config.deviations.where > 0 and "spoken" in batch
    with tf.GradientTape() as tape:
        features = encode_start(state, batch)
        both = tf.concat([batch["tokens"], batch["swapped"]], axis=0)
        h = generator.text_encoder(both, training=True)
        own, negative = halves({"h_hat": state.texture_projection(h), "mask": word_mask(both)})
        captions = of_all_replicas(state, own)
        logits, hard_logits = gate_logits(state, features, captions, negative)
        if marked:
            add_where(state, losses, features, own, batch)
        else:
            levels = tf.reduce_mean(logits, axis=1, keepdims=True)
            logits -= levels
            hard_logits -= tf.reduce_mean(hard_logits, axis=1, keepdims=True)
            losses.add("L_level", L_level(levels[:, 0], captions["mask"]), _LEVEL)
        logits_of = (logits, hard_logits)
        add_match(state, losses, features, captions, negative, logits_of, weight=1.0)
        total = losses.total(state.replicas)
    gradients = tape.gradient(total, state.warm_up_variables, state.scale)
    norm = state.update(state.warm_up_optimizer, gradients, state.warm_up_variables, total)
    losses.log("gradient", norm)
    return losses.means()


def end_warm_up(state: TrainingState, tokens) -> float:
    """Start the memory from the textures that the warm-up found for the words of some captions.

    The discriminators' text encoders start from the generator's.

    Args:
        tokens: [K, T], of training captions.

    Returns:
        The share of the textures' variance that the memory misses.
    """
    generator, config = state.generator, state.config
    h = generator.text_encoder(tokens)
    textures = state.texture_projection(h).numpy()
    words = word_mask(tokens).numpy() > 0
    if generator.mtfg.without is not None:
        generator.mtfg.without.set_weights(state.texture_projection.get_weights())
        missed = 0.0
    else:
        memory, kernel, missed = memorise(
            h.numpy()[words], textures[words], config.model.slots, config.train.seed
        )
        generator.mtfg.memory.assign(memory)
        generator.mtfg.key.kernel.assign(kernel)
    state.averaged.set_weights(generator.get_weights())
    for d_t in state.d_t.values():
        d_t.text_encoder.set_weights(generator.text_encoder.get_weights())
    state.warm_up_end.assign(state.step)  # last: who is stopped before this does all of it again
    return missed


def is_due(state: TrainingState, step: int) -> bool:
    """Whether :func:`is_over` and :func:`stands_still` can be true before a step: only then they
    need be asked, which waits for the device."""
    budget = state.config.deviations.warm_up
    return step % LOOK_EVERY == 0 or step >= budget or step == _patience(state)


def is_over(state: TrainingState) -> bool:
    """Whether the warm-up should end before this step: every so many steps, once L_match has
    fallen far enough, or when the budget is spent."""
    deviations, step = state.config.deviations, int(state.step.numpy())
    done = float(state.match_mean.numpy()) < deviations.warm_up_until * state.match_at_chance
    return step >= deviations.warm_up or (step % LOOK_EVERY == 0 and done)


def stands_still(state: TrainingState) -> bool:
    """Whether a tenth of the budget has just gone by, some of it is left, and L_match is still at
    chance."""
    step, budget = int(state.step.numpy()), state.config.deviations.warm_up
    at_chance = float(state.match_mean.numpy()) > AT_CHANCE * state.match_at_chance
    return step == _patience(state) and step < budget and at_chance


def _patience(state: TrainingState) -> int:
    return max(PATIENCE, state.config.deviations.warm_up // 10)


def begin_again(state: TrainingState) -> None:
    """Give new random weights to all that the warm-up trains; its budget goes on."""
    keras.utils.set_random_seed((state.config.train.seed + int(state.step.numpy())) % 2**32)
    fresh = make_generator(state.config, state.vocabulary_size, state.vectors)
    state.generator.set_weights(fresh.get_weights())
    state.averaged.set_weights(fresh.get_weights())
    projection = keras.layers.Dense(state.generator.enc.channels)
    projection.build((None, None, state.config.model.text_dim))
    state.texture_projection.set_weights(projection.get_weights())
    optimizer = state.warm_up_optimizer
    for variable in optimizer.variables:
        if variable is not optimizer._learning_rate:
            variable.assign(tf.zeros_like(variable.value))
    state.match_mean.assign(state.match_at_chance)
