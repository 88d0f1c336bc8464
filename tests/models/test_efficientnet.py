"""EfficientNet-Lite0: its weights come from PyTorch with their normalisation folded in."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from mim_tf import import_encoder
from mim_tf.data.formats import efficientnet
from mim_tf.data.formats.efficientnet import fold
from mim_tf.errors import UserError
from mim_tf.models.efficientnet import STAGES, STEM, EfficientNetEncoder, EfficientNetLite0


def state_of_pytorch() -> dict[str, np.ndarray]:
    """Random arrays under the names and in the shapes of the published file."""
    rng = np.random.default_rng(0)
    state: dict[str, np.ndarray] = {}

    def add(conv: str, norm: str, shape: tuple[int, ...]) -> None:
        state[f"{conv}.weight"] = rng.normal(0, 0.3, shape).astype(np.float32)
        for name in ("weight", "bias", "running_mean"):
            state[f"{norm}.{name}"] = rng.normal(0, 0.3, shape[0]).astype(np.float32)
        state[f"{norm}.running_var"] = rng.uniform(0.5, 2, shape[0]).astype(np.float32)

    add("_conv_stem", "_bn0", (STEM, 3, 3, 3))
    inside, number = STEM, 0
    for expansion, kernel, _, filters, count in STAGES:
        for _ in range(count):
            wide, prefix = inside * expansion, f"_blocks.{number}."
            if expansion > 1:
                add(f"{prefix}_expand_conv", f"{prefix}_bn0", (wide, inside, 1, 1))
            add(f"{prefix}_depthwise_conv", f"{prefix}_bn1", (wide, 1, kernel, kernel))
            add(f"{prefix}_project_conv", f"{prefix}_bn2", (filters, wide, 1, 1))
            inside, number = filters, number + 1
    return state


@pytest.fixture(scope="module")
def folded():
    return fold(state_of_pytorch(), "test")


def test_a_folded_convolution_is_the_convolution_and_its_normalisation(folded):
    state = state_of_pytorch()
    x = np.random.default_rng(1).normal(size=(1, 8, 8, 3)).astype(np.float32)
    kernel = state["_conv_stem.weight"].transpose(2, 3, 1, 0)
    raw = keras.ops.conv(x, kernel, strides=2, padding="same")
    norm = {
        name: state[f"_bn0.{name}"] for name in ("weight", "bias", "running_mean", "running_var")
    }
    expected = norm["weight"] * (raw - norm["running_mean"])
    expected = expected / np.sqrt(norm["running_var"] + 1e-3) + norm["bias"]
    found = (
        keras.ops.conv(x, folded["stem/kernel"], strides=2, padding="same") + folded["stem/bias"]
    )
    assert np.allclose(found, expected, atol=1e-5)


def test_every_convolution_gets_its_weights(folded, tmp_path):
    np.savez(tmp_path / "lite0.npz", **folded)
    encoder = EfficientNetEncoder(8, 32, str(tmp_path / "lite0.npz"))
    assert encoder(np.zeros((1, 32, 32, 3), np.float32)).shape == (1, 16, 16, 8)
    for name, layer in encoder.backbone.convolutions.items():
        assert np.array_equal(layer.kernel, folded[f"{name}/kernel"])
        assert np.array_equal(layer.bias, folded[f"{name}/bias"])
    assert 2 * len(encoder.backbone.convolutions) == len(folded)


def test_features_of_the_backbone_halve_and_halve():
    sides = [x.shape[1] for x in EfficientNetLite0()(np.zeros((1, 64, 64, 3), np.float32))]
    assert sides == [32, 16, 8, 4, 2]


def test_wrong_files_are_named(folded, tmp_path):
    with pytest.raises(UserError, match=r"no file .*none\.npz; make it with"):
        EfficientNetEncoder(8, 32, str(tmp_path / "none.npz"))
    np.savez(tmp_path / "half.npz", **{"stem/kernel": folded["stem/kernel"]})
    with pytest.raises(UserError, match="does not hold EfficientNet-Lite0"):
        EfficientNetEncoder(8, 32, str(tmp_path / "half.npz"))
    with pytest.raises(UserError, match="test: no EfficientNet-Lite0, it lacks _conv_stem"):
        fold({}, "test")


def test_the_command_writes_what_the_encoder_reads(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(efficientnet, "read_state", lambda path: state_of_pytorch())
    output = tmp_path / "encoders" / "lite0.npz"
    assert import_encoder.main(["lite0.pth", "--output", str(output)]) == 0
    with np.load(output) as arrays:
        assert f"{len(arrays.files) // 2} convolutions" in capsys.readouterr().out
    EfficientNetEncoder(8, 32, str(output))
    assert import_encoder.main(["lite0.pth", "--output", str(output)]) == 1
    assert "exists; choose another name" in capsys.readouterr().err
    assert import_encoder.main(["lite0.pth", "--output", str(tmp_path / "lite0")]) == 1
    assert "ends in .npz" in capsys.readouterr().err


@pytest.mark.parametrize("size", [32, 40, 48, 64])
def test_features_have_half_the_size_whatever_it_is(size):
    encoder = EfficientNetEncoder(8, size, "none")
    assert encoder(np.zeros((1, size, size, 3), np.float32)).shape == (1, size // 2, size // 2, 8)
