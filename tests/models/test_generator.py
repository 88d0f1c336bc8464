"""MTFG, TLU, ICM, FIR and the Generator against their equations."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny import tiny_config

from mim_tf.config import Deviations, ModelConfig
from mim_tf.errors import UserError
from mim_tf.models.encoders import TextEncoder, word_mask
from mim_tf.models.fir import FIR
from mim_tf.models.generator import make_generator
from mim_tf.models.icm import ICM, TLU, WordGate
from mim_tf.models.layers import masked_mean
from mim_tf.models.mtfg import MTFG

SHORT = [[3, 4, 5]]
PADDED = [[3, 4, 5, 0, 0, 0]]


@pytest.fixture(autouse=True)
def _seed():
    keras.utils.set_random_seed(0)


def tokens(rows):
    return tf.constant(rows, tf.int32)


def close(actual, expected, tolerance=1e-5):
    np.testing.assert_allclose(np.asarray(actual), np.asarray(expected), atol=tolerance)


def test_bi_lstm_with_padding_equals_without():
    encoder = TextEncoder(ModelConfig(word_dim=5, text_dim=8), 9)
    short, padded = encoder(tokens(SHORT)), encoder(tokens(PADDED))
    close(padded[:, :3], short, 1e-6)
    close(padded[:, 3:], np.zeros((1, 3, 8)))


def test_eq_2_and_3_are_a_softmax_over_memories():
    mtfg = MTFG(ModelConfig(slots=4, text_dim=6), channels=3)
    h = tf.random.normal([2, 5, 6])
    out = mtfg(h)
    memory, w = np.array(mtfg.memory), np.array(mtfg.key.kernel)
    logits = np.einsum("btd,nd->btn", h.numpy(), memory @ w)
    a = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    close(out["attention"], a)
    close(out["h_hat"], np.einsum("btn,nl->btl", a, memory))


def test_eq_4_averages_real_words_only():
    h_hat = tf.constant([[[1.0, 2.0], [3.0, 6.0], [50.0, 50.0]]])
    close(masked_mean(h_hat, tf.constant([[1.0, 1.0, 0.0]])), [[2.0, 4.0]])


def test_without_memory_h_hat_is_a_projection_of_h():
    mtfg = MTFG(ModelConfig(slots=4, text_dim=6, memory=False), channels=3)
    h = tf.random.normal([2, 5, 6])
    assert mtfg.memory is None
    close(mtfg(h)["h_hat"], mtfg.without(h))


def test_eq_9_is_the_bare_dot_product_unless_affine():
    v_c, h_bar = tf.random.normal([2, 3, 3, 4]), tf.random.normal([2, 4])
    dots = np.einsum("bxyl,bl->bxy", v_c.numpy(), h_bar.numpy())[..., None]
    bare, affine = (TLU(4, Deviations(tlu_affine=affine)) for affine in (False, True))
    close(bare({"v_c": v_c, "h_bar": h_bar}), dots)
    close(affine({"v_c": v_c, "h_bar": h_bar}), dots / 2)
    assert not bare.trainable_variables and len(affine.trainable_variables) == 2


def make_icm(tlu_affine, word_gates=False):
    deviations = {"fuse": True, "tlu_affine": tlu_affine, "word_gates": word_gates, "warm_up": 0}
    model = ModelConfig(coarse_size=16, decoder_channels=4)
    return ICM(model, Deviations(**deviations), channels=4)


def test_eq_5_equals_one_projection_of_the_concatenation():
    icm = make_icm(tlu_affine=False)
    v_b, h_bar = tf.random.normal([2, 3, 3, 4]), tf.random.normal([2, 4])
    icm({"v_i": v_b, "v_b": v_b, "h_bar": h_bar})
    ours = icm.w_v(v_b) + icm.w_h(h_bar)[:, None, None, :]
    w_r = np.concatenate([np.array(icm.w_v.kernel)[0, 0], np.array(icm.w_h.kernel)])  # [2l, l]
    spread = np.broadcast_to(h_bar.numpy()[:, None, None, :], v_b.shape)
    close(ours, np.concatenate([v_b.numpy(), spread], axis=-1) @ w_r)


def test_eq_7_mixes_by_alpha_and_keeps_v_i_where_alpha_is_zero():
    icm = make_icm(tlu_affine=True)
    v_i, v_b = tf.random.normal([1, 16, 16, 4]), tf.random.normal([1, 16, 16, 4])
    inputs = {"v_i": v_i, "v_b": v_b, "h_bar": tf.random.normal([1, 4])}
    icm(inputs)
    icm.tlu.offset.assign(-50.0)
    close(icm(inputs)["v_u"], v_i)
    icm.tlu.offset.assign(50.0)
    v = icm.w_v(v_b) + icm.w_h(inputs["h_bar"])[:, None, None, :]
    close(icm(inputs)["v_u"], icm.f_r(v))  # Eq. 6


def test_word_gates_tell_each_place_the_words_that_speak_of_it():
    icm = make_icm(tlu_affine=True, word_gates=True)
    v_b, h_hat = tf.random.normal([1, 2, 2, 4]), tf.random.normal([1, 3, 4])
    mask = tf.constant([[1.0, 1.0, 0.0]])
    texture = icm.texture({"v_b": v_b, "h_hat": h_hat, "mask": mask})
    q = np.einsum("yxl,lm->yxm", v_b.numpy()[0], np.array(icm.gate.query.kernel)[0, 0])
    for y in range(2):
        for x in range(2):
            gates = [1 / (1 + np.exp(3 - q[y, x] @ h_hat.numpy()[0, k] / 2)) for k in range(2)]
            spoken = sum(g * h_hat.numpy()[0, k] for k, g in enumerate(gates))
            close(texture[0, y, x], spoken / (sum(gates) + 0.25))


def test_gates_of_all_pairs_hold_those_of_the_own_captions():
    gate = WordGate(4)
    v_b, h_hat = tf.random.normal([3, 2, 2, 4]), tf.random.normal([3, 5, 4])
    own = gate({"v_b": v_b, "h_hat": h_hat})
    every = gate.gates(gate.logits_of_all_pairs(v_b, h_hat))
    assert every.shape == (3, 4, 3, 5)
    for b in range(3):
        close(every[b, :, b], own[b])


def test_eq_10_sums_over_real_words():
    """FIR's h^f against a plain loop."""
    fir = FIR(ModelConfig(), Deviations(tlu_affine=False), channels=4)
    v_u, h_hat = tf.random.normal([1, 2, 2, 4]), tf.random.normal([1, 3, 4])
    mask = tf.constant([[1.0, 1.0, 0.0]])
    expected = np.zeros((2, 2, 4))
    for x in range(2):
        for y in range(2):
            for k in range(2):
                word = h_hat.numpy()[0, k]
                expected[x, y] += word / (1 + np.exp(-v_u.numpy()[0, x, y] @ word)) / 2
    close(fir.texture(v_u, h_hat, mask)[0], expected)


def picture(seed=0, size=32):
    return tf.random.stateless_uniform([1, size, size, 3], [seed, 1], -1.0, 1.0)


def test_padding_changes_no_pixel():
    generator = make_generator(tiny_config(), 9)
    short = generator({"picture": picture(), "tokens": tokens(SHORT)})
    padded = generator({"picture": picture(), "tokens": tokens(PADDED)})
    for stage in ("coarse", "fine"):
        close(short["images"][stage], padded["images"][stage])


def test_composition_leaves_the_input_where_alpha_is_zero():
    generator = make_generator(tiny_config(), 9)
    generator.icm.tlu.offset.assign(-100.0)
    out = generator({"picture": picture(), "tokens": tokens(SHORT)})
    close(out["images"]["fine"], picture())


def test_another_caption_gives_another_picture():
    generator = make_generator(tiny_config(), 9)
    out = [
        generator({"picture": picture(), "tokens": tokens([row])})["images"]["fine"].numpy()
        for row in ([3, 4, 5], [6, 7, 8])
    ]
    assert np.abs(out[0] - out[1]).max() > 1e-3


SWITCHES = [
    {"model": {"memory": False}},
    {"model": {"tlu": False}, "deviations": {"fuse": True}},
    {"model": {"fine": False}},
    {"deviations": {"compose": False, "fuse": True}},
    {"deviations": {"refine_alpha": False}},
    {"deviations": {"structure_skip": False}},
    {"deviations": {"word_gates": False, "warm_up": 0}},
    {"deviations": {"tlu_affine": False}},
    {"deviations": {"fuse": True}},
]


@pytest.mark.parametrize("switch", SWITCHES, ids=str)
def test_every_switch_builds_and_has_its_shapes(switch):
    generator = make_generator(tiny_config(**switch), 9)
    out = generator({"picture": picture(), "tokens": tokens(SHORT)})
    stages = {"coarse": 16} if switch == {"model": {"fine": False}} else {"coarse": 16, "fine": 32}
    assert set(out["images"]) == set(stages)
    for stage, size in stages.items():
        assert out["images"][stage].shape == (1, size, size, 3)
        assert out["alphas"][stage].shape == (1, size, size, 1)
        assert np.abs(out["images"][stage]).max() <= 1


def test_vgg_encoder_gives_l_channels_to_memory_and_features():
    config = tiny_config(model={"encoder": "vgg16", "encoder_weights": "none"})
    generator = make_generator(config, 9)
    assert generator.enc.channels == generator.mtfg.memory.shape[1] == 256
    assert generator.encode_picture(picture(), training=True)["v_i"].shape == (1, 8, 8, 256)
    vgg = generator.enc.vgg.features.weights
    assert not any(
        variable is weight for variable in generator.trainable_variables for weight in vgg
    )


def test_vgg_weights_that_cannot_be_had_are_one_clear_line(monkeypatch, tmp_path):
    def no_network(*args, **kwargs):
        raise OSError("no network")

    def error(**options):
        given = {"encoder": "vgg16", "encoder_weights": "none", **options}
        with pytest.raises(UserError) as caught:
            make_generator(tiny_config(model=given), 9)
        return str(caught.value)

    monkeypatch.setattr("keras.src.utils.file_utils.get_file", no_network)
    message = error(encoder_weights="imagenet")
    assert "cannot download vgg16" in message and "model.encoder_weights=none" in message
    assert "no file" in error(encoder_weights="absent.h5")
    broken = tmp_path / "vgg.weights.h5"
    broken.write_bytes(b"no weights")
    assert "does not fit vgg16" in error(encoder_weights=str(broken))
    assert "block3_conv3" in error(encoder_layer="block9_conv9")


@pytest.mark.parametrize("fuse", [False, True])
def test_an_edit_encodes_the_picture_only_where_eq_7_mixes_it_in(fuse):
    generator = make_generator(tiny_config(deviations={"fuse": fuse}), 9)
    inputs = {"picture": picture(), "tokens": tokens(SHORT)}
    before = generator(inputs)["drawn"]["fine"]
    for weight in generator.enc.of_picture.weights:
        weight.assign(tf.random.normal(weight.shape))
    same = np.array_equal(before, generator(inputs)["drawn"]["fine"])
    assert same != fuse and ("v_i" in generator.encode_picture(inputs["picture"])) == fuse


def test_word_mask_marks_words():
    close(word_mask(tokens(PADDED)), [[1, 1, 1, 0, 0, 0]])
