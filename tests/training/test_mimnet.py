"""The two training stages: which variables move, what they depend on, what a checkpoint holds."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import tiny_config

from mim_tf.data.pipeline import CAPTIONS
from mim_tf.training import losses
from mim_tf.training.mimnet import MIMNet

VOCABULARY = 9


def make(**sections) -> MIMNet:
    keras.utils.set_random_seed(0)
    return MIMNet(tiny_config(**sections), VOCABULARY)


def batch(size=4, seed=0):
    shape = [size, 16]
    draws = [
        tf.random.stateless_uniform(shape, [seed, k], 2, VOCABULARY, tf.int32) for k in range(4)
    ]
    picture = tf.random.stateless_uniform([size, 32, 32, 3], [seed, 9], -1.0, 1.0)
    return {"picture": picture, **dict(zip(CAPTIONS, draws, strict=True))}


def values(variables):
    return [np.array(one) for one in variables]


def moved(before, variables):
    return [not np.array_equal(a, b) for a, b in zip(before, values(variables), strict=True)]


def test_reconstruction_moves_the_memory_and_no_discriminator():
    model = make()
    memory, judges = values([model.generator.mtfg.memory]), values(model.discriminator_variables)
    model.reconstruction_step(batch())
    assert moved(memory, [model.generator.mtfg.memory]) == [True]
    assert not any(moved(judges, model.discriminator_variables))


def test_the_adversarial_stage_moves_everything_but_the_memory():
    model = make(model={"fuse": True})
    # Zero-initialised last layers block gradients behind them on the very first step.
    model.reconstruction_step(batch())
    model.adversarial_step(batch())
    others = model.adversarial_variables
    memory, before = values([model.generator.mtfg.memory]), values(others)
    model.adversarial_step(batch(seed=1))
    assert moved(memory, [model.generator.mtfg.memory]) == [False]
    still = [one.path for one, yes in zip(others, moved(before, others), strict=True) if not yes]
    assert not still
    assert len(others) == len(model.generator.trainable_variables) - 1


def test_discriminators_move_only_when_they_are_trained():
    # At first the hinge's two halves cancel in D_I's last bias.
    model = make(loss={"reality": "log"})
    generator, judges = model.generator.trainable_variables, model.discriminator_variables
    before = values(generator), values(judges)
    model.adversarial_step(batch(), update_generator=False)
    assert not any(moved(before[0], generator))
    assert all(moved(before[1], judges))


def test_the_warm_up_moves_what_localises_words_and_nothing_else():
    model = make()
    inside = model.warm_up_variables
    names = {id(one) for one in inside}
    others = [one for one in model.generator.trainable_variables if id(one) not in names]
    others += model.discriminator_variables
    before = values(inside), values(others)
    for step in range(2):  # zero-initialised last layers block gradients on the first
        model.warm_up_step(batch(seed=step))
    still = [one.path for one, yes in zip(inside, moved(before[0], inside), strict=True) if not yes]
    assert not still and not any(moved(before[1], others))


def test_the_warm_up_ends_in_a_memory_that_reads_its_textures():
    model = make(model={"slots": 64, "channels": 8})
    tokens = batch(size=32)["tokens"]
    missed = model.end_warm_up(tokens)
    wanted = model.forerunner(model.generator.text_encoder(tokens)).numpy()
    read = model.generator.read(tokens)["h_hat"].numpy()
    assert missed == pytest.approx(((read - wanted) ** 2).mean() / wanted.var((0, 1)).mean(), 1e-3)
    assert missed < 0.3
    for a, b in zip(model.averaged.weights, model.generator.weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_without_memory_the_warm_up_ends_in_the_projection():
    model = make(model={"memory": False})
    tokens = batch()["tokens"]
    assert model.end_warm_up(tokens) == 0
    wanted = model.forerunner(model.generator.text_encoder(tokens))
    np.testing.assert_allclose(model.generator.read(tokens)["h_hat"], wanted, atol=1e-6)


@pytest.mark.parametrize("fake", [0.0, 1.0])
@pytest.mark.parametrize("mismatched", [0.0, 1.0])
def test_the_negatives_of_d_t_are_switches(fake, mismatched):
    model, data = make(loss={"D_T_fake": fake, "D_T_mismatched": mismatched}), batch()
    generator, d_i, d_t = model.generator, model.d_i["fine"], model.d_t["fine"]
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
        d_i(data["picture"]), d_i(painted["images"]["fine"]), model.config.loss.reality
    ) + losses.L_D_text(judged["real"], judged["fake"], judged["false"], fake, mismatched)
    logs = model.adversarial_step(data)  # as it was before the step
    np.testing.assert_allclose(logs["L_D_fine"], np.mean(expected), rtol=1e-4)


def test_the_prior_closes_alpha_from_its_step_on():
    model = make(loss={"alpha": 3.0}, train={"alpha_start": 5})
    assert model._prior() == 0
    model.step.assign(5)
    assert model._prior() == 3


def test_losses_without_weight_have_no_part_in_the_gradient():
    """Without L_p and L_m, the reconstruction step does not depend on D_I."""
    weights = {"p": 0, "m": {"coarse": 0, "fine": 0}}
    one, other = make(loss=weights), make(loss=weights)
    for variable in other.d_i["fine"].trainable_variables:
        variable.assign(variable + 1.0)
    for model in (one, other):
        logs = model.reconstruction_step(batch())
        assert "L_m_fine" not in logs
    for a, b in zip(one.generator.weights, other.generator.weights, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("clip", [None, 1.0])
def test_a_gradient_that_is_not_finite_moves_nothing(clip):
    model = make(optimizer={"clip_norm": clip})
    variables = model.generator.trainable_variables
    before = values(variables)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            # The root of 0 is 0, and its slope is not finite.
            total = tf.sqrt(tf.reduce_sum(0.0 * variables[0].value))
        model._update(model.generator_optimizer, tape, total, variables)

    with pytest.raises(tf.errors.InvalidArgumentError, match="gradient : Tensor had NaN"):
        step()
    assert not any(moved(before, variables))


def test_l_m_reaches_the_memory_through_d_i():
    options = {"rec": {"coarse": 0, "fine": 0}, "p": 0, "alpha": 0, "match": 0}
    model = make(loss=options, train={"warm_up": 0})
    before = values([model.generator.mtfg.memory])
    model.reconstruction_step(batch())
    assert moved(before, [model.generator.mtfg.memory]) == [True]


def test_two_replicas_make_the_update_of_one():
    # L_m draws at random and L_match compares within a replica's batch, so neither is on.
    options = {"warm_up": 0}
    loss = {"m": {"coarse": 0, "fine": 0}, "match": 0}

    def trained(strategy):
        with strategy.scope():
            keras.utils.set_random_seed(0)
            model = MIMNet(
                tiny_config(train=options, loss=loss),
                VOCABULARY,
                strategy.num_replicas_in_sync,
            )
            # Adam divides by the gradient's size: it would turn rounding into whole steps.
            model.generator_optimizer = keras.optimizers.SGD(0.1)
            model.discriminator_optimizer = keras.optimizers.SGD(0.1)
            model.generator_optimizer.build(model.generator.trainable_variables)
            model.discriminator_optimizer.build(model.discriminator_variables)

        @tf.function
        def step(data):
            strategy.run(model.train_step, args=(data, True, True))
            model.after_step()

        whole = tf.data.Dataset.from_tensors(batch()).repeat(2).unbatch().batch(4, True)
        for data in strategy.experimental_distribute_dataset(whole):
            step(data)
        return model

    one = trained(tf.distribute.get_strategy())
    two = trained(tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]))
    for a, b in zip(one.averaged.weights, two.averaged.weights, strict=True):
        np.testing.assert_allclose(np.array(a), np.array(b), atol=2e-4, err_msg=a.path)


def test_the_average_follows_the_generator():
    model = make()
    start = np.array(model.generator.mtfg.memory)
    model.reconstruction_step(batch())
    model.after_step()
    decay = 2 / 11  # (1 + step) / (10 + step) after the first step
    expected = decay * start + (1 - decay) * np.array(model.generator.mtfg.memory)
    np.testing.assert_allclose(model.averaged.mtfg.memory, expected, rtol=1e-5)


def recoloured(model, swapped):
    data = batch()
    generator = model.generator
    seen, words = generator.see(data["picture"]), generator.read(data["tokens"])
    out = generator.draw(seen, words["h_hat"], words["mask"])
    return data["picture"], model._recolour(seen, out, generator.read(swapped))


def test_the_share_that_is_recoloured():
    before, after = recoloured(make(train={"perturb": 0.5}), batch(seed=1)["tokens"])
    same = [np.array_equal(a, b) for a, b in zip(before, after, strict=True)]
    assert same == [False, False, True, True]


def test_a_caption_that_says_the_same_recolours_nothing():
    before, after = recoloured(make(), batch()["tokens"])
    np.testing.assert_array_equal(before, after)


def test_while_drawing_comes_first_alpha_is_not_asked():
    options = {"rec": {"coarse": 1, "fine": 1}, "p": 0, "m": {"coarse": 0, "fine": 0}}
    model = make(loss=options, train={"warm_up": 0, "draw_first": 1})
    refine = [*model.generator.fir.refine.trainable_variables]
    before = values(refine)
    model.reconstruction_step(batch())
    assert not any(moved(before, refine))
    model.after_step()
    model.reconstruction_step(batch())
    assert all(moved(before, refine))


def test_learning_rates_decay_over_the_last_half_of_each_part():
    model = make(train={"warm_up": 4, "steps": 12})
    warm_up, rest = [], []
    for step in (0, 2, 3, 4, 8, 10, 12):
        model.set_progress(step, 12)
        warm_up.append(float(model.warm_up_optimizer.learning_rate.numpy()))
        rest.append(float(model.generator_optimizer.learning_rate.numpy()))
    np.testing.assert_allclose(warm_up[:3], np.array([1, 1, 0.5]) * 4e-3, rtol=1e-5)
    np.testing.assert_allclose(rest, np.array([1, 1, 1, 1, 1, 0.5, 0]) * 1e-3, rtol=1e-5)
