"""Metrics: arrays in, numbers out. No model is known here."""

from __future__ import annotations

import numpy as np


def psnr(picture: np.ndarray, truth: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB of two uint8 pictures; infinite when equal."""
    error = np.mean((picture.astype(np.float64) - truth.astype(np.float64)) ** 2)
    return float("inf") if error == 0 else float(10 * np.log10(255**2 / error))


def masked_difference(picture: np.ndarray, original: np.ndarray, mask: np.ndarray) -> float:
    """Mean absolute difference in [0, 1] over the pixels of ``mask``.

    Args:
        picture, original: uint8 [H, W, 3].
        mask: bool [H, W]; an empty one gives 0.
    """
    if not mask.any():
        return 0.0
    difference = np.abs(picture.astype(np.float64) - original.astype(np.float64))
    return float(difference[mask].mean() / 255)


def iou(prediction: np.ndarray, truth: np.ndarray) -> float:
    """Intersection over union of two bool masks; 1 when both are empty."""
    union = np.count_nonzero(prediction | truth)
    return 1.0 if union == 0 else np.count_nonzero(prediction & truth) / union
