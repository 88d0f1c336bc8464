"""The two training stages: which variables move, what they depend on, what a checkpoint holds."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny import tiny_config

from mim_tf.data.pipeline import CAPTIONS
from mim_tf.training import costs, losses, stages, warm_up
from mim_tf.training.mimnet import MIMNet
from mim_tf.training.optimizer import Adam
from mim_tf.training.state import TrainingState
from mim_tf.training.updates import update

VOCABULARY = 9


def make(**sections) -> TrainingState:
    keras.utils.set_random_seed(0)
    return TrainingState(tiny_config(**sections), VOCABULARY)


def batch(size=4, seed=0):
    shape = [size, 16]
    draws = [
        tf.random.stateless_uniform(shape, [seed, k], 2, VOCABULARY, tf.int32) for k in range(4)
    ]
    picture = tf.random.stateless_uniform([size, 32, 32, 3], [seed, 9], -1.0, 1.0)
    return {"picture": picture, **dict(zip(CAPTIONS, draws, strict=True))}


def values(variables):
    return [np.array(variable) for variable in variables]


def moved(before, variables):
    return [not np.array_equal(a, b) for a, b in zip(before, values(variables), strict=True)]


def test_reconstruction_moves_the_memory_and_no_discriminator():
    state = make()
    memory, judges = values([state.generator.mtfg.memory]), values(state.discriminator_variables)
    stages.reconstruction_step(state, batch())
    assert moved(memory, [state.generator.mtfg.memory]) == [True]
    assert not any(moved(judges, state.discriminator_variables))


def test_l_p_does_not_train_enc():
    """It could be answered by smaller features."""
    state = make(
        loss={"rec": {"coarse": 0, "fine": 0}, "m": {"coarse": 0, "fine": 0}},
        deviations={"match": 0, "warm_up": 0, "rec_drawn": 0, "perturb": 0, "fuse": False},
    )
    enc, others = state.generator.enc.of_picture.trainable_variables, state.generator.icm
    before, before_others = values(enc), values(others.trainable_variables)
    stages.reconstruction_step(state, batch())
    assert not any(moved(before, enc))
    assert any(moved(before_others, others.trainable_variables))


def test_the_adversarial_stage_moves_everything_but_the_memory():
    state = make(deviations={"fuse": True})
    # Zero-initialised last layers block gradients behind them on the very first step.
    stages.reconstruction_step(state, batch())
    stages.adversarial_step(state, batch())
    others = state.adversarial_variables
    memory, before = values([state.generator.mtfg.memory]), values(others)
    stages.adversarial_step(state, batch(seed=1))
    assert moved(memory, [state.generator.mtfg.memory]) == [False]
    unmoved = [
        variable.path
        for variable, yes in zip(others, moved(before, others), strict=True)
        if not yes
    ]
    assert not unmoved
    assert len(others) == len(state.generator.trainable_variables) - 1


def test_discriminators_move_only_when_they_are_trained():
    # At first the hinge's two halves cancel in D_I's last bias.
    state = make(deviations={"reality": "log"})
    generator, judges = state.generator.trainable_variables, state.discriminator_variables
    before = values(generator), values(judges)
    stages.adversarial_step(state, batch(), update_generator=False)
    assert not any(moved(before[0], generator))
    assert all(moved(before[1], judges))


def test_the_warm_up_moves_what_localises_words_and_nothing_else():
    state = make()
    inside = state.warm_up_variables
    ids = {id(variable) for variable in inside}
    others = [
        variable for variable in state.generator.trainable_variables if id(variable) not in ids
    ]
    others += state.discriminator_variables
    before = values(inside), values(others)
    for step in range(2):  # zero-initialised last layers block gradients on the first
        warm_up.warm_up_step(state, batch(seed=step))
    unmoved = [
        variable.path
        for variable, yes in zip(inside, moved(before[0], inside), strict=True)
        if not yes
    ]
    assert not unmoved and not any(moved(before[1], others))


@pytest.mark.usefixtures("whole_memory_start")
def test_the_warm_up_ends_in_a_memory_that_reads_its_textures():
    state = make(model={"slots": 64, "channels": 8})
    tokens = batch(size=32)["tokens"]
    missed = warm_up.end_warm_up(state, tokens)
    wanted = state.texture_projection(state.generator.text_encoder(tokens)).numpy()
    read = state.generator.encode_text(tokens)["h_hat"].numpy()
    assert missed == pytest.approx(((read - wanted) ** 2).mean() / wanted.var((0, 1)).mean(), 1e-3)
    assert missed < 0.3
    for a, b in zip(state.averaged.weights, state.generator.weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_without_memory_the_warm_up_ends_in_the_projection():
    state = make(model={"memory": False})
    tokens = batch()["tokens"]
    assert warm_up.end_warm_up(state, tokens) == 0
    wanted = state.texture_projection(state.generator.text_encoder(tokens))
    np.testing.assert_allclose(state.generator.encode_text(tokens)["h_hat"], wanted, atol=1e-6)


@pytest.mark.parametrize("fake", [0.0, 1.0])
@pytest.mark.parametrize("mismatched", [0.0, 1.0])
def test_the_negatives_of_d_t_are_switches(fake, mismatched):
    state, data = make(deviations={"D_T_fake": fake, "D_T_mismatched": mismatched}), batch()
    generator, d_i, d_t = state.generator, state.d_i["fine"], state.d_t["fine"]
    painted = generator({"picture": data["picture"], "tokens": data["mismatched"]})
    judged = {
        name: d_t({"picture": picture, "tokens": data[tokens]})
        for name, picture, tokens in (
            ("real", data["picture"], "tokens"),
            ("fake", painted["images"]["fine"], "mismatched"),
            ("false", data["picture"], "false"),
        )
    }
    expected = losses.L_D_reality(
        d_i(data["picture"]), d_i(painted["images"]["fine"]), state.config.deviations.reality
    ) + losses.L_D_text(judged["real"], judged["fake"], judged["false"], fake, mismatched)
    logs = stages.adversarial_step(state, data, update_generator=False)  # as it was before
    np.testing.assert_allclose(logs["L_D_fine"], np.mean(expected), rtol=1e-4)


def test_the_prior_closes_alpha_from_its_step_on():
    state = make(deviations={"alpha_prior": 3.0, "alpha_prior_start": 5})
    state.warm_up_end.assign(4)
    state.step.assign(8)
    assert stages._alpha_prior(state) == 0
    state.step.assign(9)
    assert stages._alpha_prior(state) == 3


def test_losses_without_weight_have_no_part_in_the_gradient():
    """Without L_p and L_m, the reconstruction step does not depend on D_I."""
    weights = {"p": 0, "m": {"coarse": 0, "fine": 0}}
    first, second = make(loss=weights), make(loss=weights)
    for variable in second.d_i["fine"].trainable_variables:
        variable.assign(variable + 1.0)
    for state in (first, second):
        logs = stages.reconstruction_step(state, batch())
        assert "L_m_fine" not in logs
    for a, b in zip(first.generator.weights, second.generator.weights, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("clip", [None, 1.0])
@pytest.mark.parametrize("spoilt", ["gradient", "total", "an earlier step", None])
def test_an_update_that_is_not_finite_moves_nothing(clip, spoilt):
    optimizer, variable = Adam(0.1), keras.Variable([1.0, 2.0])
    optimizer.build([variable])
    everything = [variable, *optimizer.variables]
    before = values(everything)

    def step(gradient, total, sound):
        return update(
            optimizer, [tf.constant(gradient)], [variable], tf.constant(total), tf.constant(sound),
            scale=1.0, clip_norm=clip, replicas=1,
        )  # fmt: skip

    gradient = [3.0, np.inf if spoilt == "gradient" else 4.0]
    norm = step(gradient, np.nan if spoilt == "total" else 1.0, spoilt != "an earlier step")
    if spoilt is None:
        assert float(norm) == 5.0 and sum(moved(before, everything)) == 4
    else:
        assert np.isnan(norm) and not any(moved(before, everything))


def test_adam_is_keras_own_where_gradients_are_numbers():
    ours, theirs = Adam(0.1, 0.5), keras.optimizers.Adam(0.1, 0.5)
    variables = [keras.Variable(tf.ones([2, 3])) for _ in range(2)]
    for optimizer, variable in zip((ours, theirs), variables, strict=True):
        optimizer.build([variable])
        for seed in range(3):
            optimizer.apply([tf.random.stateless_normal([2, 3], [0, seed])])
    for ours_value, value in zip(
        [variables[0], *ours.variables], [variables[1], *theirs.variables], strict=True
    ):
        np.testing.assert_array_equal(ours_value, value)


def test_l_m_reaches_the_memory_through_d_i():
    options = {"rec": {"coarse": 0, "fine": 0}, "p": 0}
    state = make(loss=options, deviations={"match": 0, "warm_up": 0})
    before = values([state.generator.mtfg.memory])
    stages.reconstruction_step(state, batch())
    assert moved(before, [state.generator.mtfg.memory]) == [True]


def test_a_frozen_enc_runs_once_for_both_stages():
    sizes = {"encoder": "vgg16", "encoder_layer": "block1_conv2", "encoder_weights": "none"}
    config = tiny_config(model={**sizes, "fine": False}, train={"batch_size": 2})
    model = MIMNet(config, VOCABULARY)
    graph = tf.function(model.train_step).get_concrete_function(batch(size=2)).graph
    of_enc = [
        operation
        for operation in graph.get_operations()
        if costs.part_of(operation) == "image_encoder" and costs.multiply_adds(operation, 1)
    ]
    assert len(of_enc) == 2 * 2  # two convolutions, on the picture and on its boundary
    assert not any(map(costs.is_backward, of_enc))


def test_the_average_follows_the_generator():
    state = make()
    start = np.array(state.generator.mtfg.memory)
    state.after_step(stages.reconstruction_step(state, batch()))
    decay = 2 / 11  # (1 + step) / (10 + step) after the first step
    expected = decay * start + (1 - decay) * np.array(state.generator.mtfg.memory)
    np.testing.assert_allclose(state.averaged.mtfg.memory, expected, rtol=1e-5)


def recoloured(state, swapped):
    data = batch()
    generator = state.generator
    features, own = generator.encode_picture(data["picture"]), generator.encode_text(data["tokens"])
    out = generator.draw(features, own["h_hat"], own["mask"])
    negative, chosen = generator.encode_text(swapped), stages._chosen(state)
    return data["picture"], stages._recoloured(state, features, out, negative, chosen)


def test_the_share_that_is_recoloured():
    before, after = recoloured(make(deviations={"perturb": 0.5}), batch(seed=1)["tokens"])
    same = [np.array_equal(a, b) for a, b in zip(before, after, strict=True)]
    assert same == [False, False, True, True]


def test_a_caption_that_says_the_same_recolours_nothing():
    before, after = recoloured(make(), batch()["tokens"])
    np.testing.assert_array_equal(before, after)


def test_while_drawing_comes_first_alpha_is_not_asked():
    options = {"rec": {"coarse": 1, "fine": 1}, "p": 0, "m": {"coarse": 0, "fine": 0}}
    state = make(loss=options, deviations={"warm_up": 0, "draw_first": 1})
    refine = [*state.generator.fir.refine.trainable_variables]
    before = values(refine)
    logs = stages.reconstruction_step(state, batch())
    assert not any(moved(before, refine))
    state.after_step(logs)
    stages.reconstruction_step(state, batch())
    assert all(moved(before, refine))


def test_learning_rates_decay_over_the_last_half_of_each_part():
    state = make(train={"steps": 8}, deviations={"warm_up": 4})
    warm_up, rest = [], []
    for step in (0, 2, 3, 4, 8, 10, 12):
        if step == 4:
            state.warm_up_end.assign(4)
        state.set_rates(state.schedule.rates(step, 8))
        warm_up.append(float(state.warm_up_optimizer.learning_rate.numpy()))
        rest.append(float(state.generator_optimizer.learning_rate.numpy()))
    np.testing.assert_allclose(warm_up[:3], np.array([1, 1, 0.5]) * 4e-3, rtol=1e-5)
    np.testing.assert_allclose(rest, np.array([1, 1, 1, 1, 1, 0.5, 0]) * 1e-3, rtol=1e-5)
