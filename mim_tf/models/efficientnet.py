"""EfficientNet-Lite0, cut in its sixth stage, as the part of Enc that says where things are.

It is the variant for phones (Tan and Le, 2019; "Lite", 2020): no squeeze-and-excitation, ReLU6 for
swish. Its batch normalisation is folded into the convolutions when its weights are imported, so
training and inference are alike.

Dimensions: B batch, H x W picture, l texture channels.
"""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
from keras import ops

from mim_tf.errors import UserError
from mim_tf.models.layers import Network, Norm, Residual, activate, conv, resize

STEM = 32
STAGES = (  # expansion, kernel, strides, filters, blocks
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 2),
)
"""The stages that are used, the last with half of its blocks."""

_PASSED_ON = (0, 1, 2, 4, 5)  # the last stages at 1/2, 1/4, ... 1/32 of the picture's side
_ENLARGED = 2  # times: ImageNet's objects are larger than the birds of a small picture
_LEAST_SIDE = 128  # which a picture has at least, then


class _Block(keras.layers.Layer):
    """Inverted residual: expand 1x1, depthwise, project 1x1."""

    def __init__(
        self, inside: int, expansion: int, kernel: int, strides: int, filters: int
    ) -> None:
        super().__init__()
        self.expand = conv(inside * expansion, 1) if expansion > 1 else None
        self.depthwise = keras.layers.DepthwiseConv2D(kernel, strides, padding="same")
        self.project = conv(filters, 1)
        self.residual = strides == 1 and inside == filters

    def call(self, x):
        y = x if self.expand is None else ops.relu6(self.expand(x))
        y = self.project(ops.relu6(self.depthwise(y)))
        return x + y if self.residual else y


class EfficientNetLite0(Network):
    """The features of the stages that are used.

    Attributes:
        convolutions: its layers with weights by the names that :func:`load_backbone` expects.
    """

    def __init__(self, **kwargs) -> None:
        super().__init__(**kwargs)
        self.stem = conv(STEM, 3, strides=2)
        self.blocks: list[_Block] = []
        self._ends: list[int] = []  # number of the last block of each stage
        inside = STEM
        for expansion, kernel, strides, filters, count in STAGES:
            for number in range(count):
                strides_of = strides if number == 0 else 1
                self.blocks.append(_Block(inside, expansion, kernel, strides_of, filters))
                inside = filters
            self._ends.append(len(self.blocks) - 1)

    def call(self, picture, training=False):
        """``picture`` [B, H, W, 3] in [-1, 1] -> features at 1/2, 1/4, ... 1/32 of its
        side."""
        x = ops.relu6(self.stem(picture))
        outputs = []
        for block in self.blocks:
            x = block(x)
            outputs.append(x)
        return [outputs[self._ends[stage]] for stage in _PASSED_ON]

    @property
    def convolutions(self) -> dict[str, keras.layers.Layer]:
        named: dict[str, keras.layers.Layer] = {"stem": self.stem}
        for number, block in enumerate(self.blocks):
            if block.expand is not None:
                named[f"block{number}_expand"] = block.expand
            named[f"block{number}_depthwise"] = block.depthwise
            named[f"block{number}_project"] = block.project
        return named


class EfficientNetEncoder(Network):
    """EfficientNet-Lite0 and a way up to half the picture's size, as :class:`SmallEncoder` has it.

    Args:
        channels: l.
        size: F, the side of the pictures.
        weights: the file that ``python -m mim_tf.import_encoder`` writes, which stays as it is;
            ``none``: random weights, to be replaced or trained.

    Raises:
        UserError: no such file, or it does not fit.
    """

    def __init__(self, channels: int, size: int, weights: str, **kwargs) -> None:
        super().__init__(**kwargs)
        # Twice the size whatever the size: weights of one size are then a start for another's.
        self.side = max(_ENLARGED * size, _LEAST_SIDE)
        self.half = size // 2
        self.backbone = EfficientNetLite0()
        # Features at half the picture's side and less.
        sides = [self.side >> (1 + k) for k in range(len(_PASSED_ON))]
        self.first = next(k for k, side in enumerate(sides) if side <= self.half)
        count = len(sides) - self.first
        self.lateral = [conv(channels, 1) for _ in range(count)]
        self.up_blocks = [Residual(channels) for _ in range(count - 1)]
        self.norm = Norm()
        if weights != "none":
            load_backbone(self.backbone, Path(weights))
            self.backbone.trainable = False

    def call(self, picture, training=False):
        """``picture`` [B, F, F, 3] in [-1, 1] -> [B, F/2, F/2, l]."""
        passed = self.backbone(resize(picture, self.side), training=training)[self.first :]
        sides = [project(x) for project, x in zip(self.lateral, passed, strict=True)]
        x = sides[-1]
        for side, block in zip(reversed(sides[:-1]), self.up_blocks, strict=True):
            x = block(activate(resize(x, side.shape[1])) + side)
        return self.norm(resize(x, self.half))


def load_backbone(backbone: EfficientNetLite0, path: Path) -> None:
    """Fill the backbone from a file of :mod:`mim_tf.import_encoder`.

    Raises:
        UserError: no such file, or it does not fit.
    """
    backbone(np.zeros((1, 64, 64, 3), np.float32))  # creates the weights
    try:
        with np.load(path) as arrays:
            for name, layer in backbone.convolutions.items():
                layer.set_weights([arrays[f"{name}/kernel"], arrays[f"{name}/bias"]])
    except FileNotFoundError:
        raise UserError(
            f"model.encoder_weights: no file {path}; make it with python -m mim_tf.import_encoder"
        ) from None
    except (OSError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"model.encoder_weights: {path} does not hold EfficientNet-Lite0 ({reason}); make it "
            "again with python -m mim_tf.import_encoder"
        ) from None
