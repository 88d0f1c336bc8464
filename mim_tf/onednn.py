"""oneDNN's kernels for training on processors where TensorFlow does not take them by itself.

TensorFlow for x86 takes them where a processor has instructions for neural networks (AVX512-VNNI,
AMX). On others, most laptops among them, its own kernel for the gradient of a convolution's weights
takes several times as long (docs/results.md, "What a training step costs"). Edits gain nothing.
"""

from __future__ import annotations

import os
import platform


def prefer_onednn() -> None:
    """Have TensorFlow take oneDNN's kernels, unless ``TF_ENABLE_ONEDNN_OPTS`` is set already.

    To be called before TensorFlow is imported, which reads the variable once.
    """
    if platform.machine() in ("x86_64", "AMD64"):
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
