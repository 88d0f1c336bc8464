"""Metrics of Sec. 4.2 and of the comparison with true edits: arrays in, numbers out.

Dimensions: N pictures, K classes, D features, H x W picture. Pictures are uint8. All are pure
functions: nothing here depends on a model, and random choices of an evaluation (captions,
candidates of R-precision) are made by the caller.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import tensorflow as tf

_LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)  # of ITU-R BT.709
_DETAIL = 1 / 64  # of a picture's longer side: sigma of what is taken away from its luminance
_LEAST_PIXELS = 16  # fewer say nothing about a correlation


def psnr(picture: np.ndarray, truth: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB of two uint8 pictures; infinite for equal pictures."""
    error = np.mean((picture.astype(np.float64) - truth.astype(np.float64)) ** 2)
    return float("inf") if error == 0 else float(10 * np.log10(255**2 / error))


def ssim(picture: np.ndarray, truth: np.ndarray) -> float:
    """Structural similarity (Wang et al. 2004, Gaussian window of 11) of two uint8 pictures.

    Args:
        picture, truth: uint8 [H, W, 3], H and W at least 11.
    """
    return float(tf.image.ssim(tf.constant(picture), tf.constant(truth), max_val=255))


def masked_difference(
    picture: np.ndarray, original: np.ndarray, mask: np.ndarray, empty: float = 0.0
) -> float:
    """Mean absolute difference in [0, 1] over the pixels of ``mask``.

    Args:
        picture, original: uint8 [H, W, 3].
        mask: bool [H, W].
        empty: the result where no pixel is in it.
    """
    if picture.shape != original.shape:
        raise ValueError(f"pictures of {picture.shape} and {original.shape} cannot be compared")
    if not picture.dtype == original.dtype == np.uint8:
        raise ValueError(f"expected uint8 pictures, got {picture.dtype} and {original.dtype}")
    if not mask.any():
        return empty
    difference = np.abs(picture.astype(np.float64) - original.astype(np.float64))
    return float(difference[mask].mean() / 255)


def detail_kept(before: np.ndarray, after: np.ndarray, mask: np.ndarray) -> float:
    """How much of the fine detail of the luminance an edit keeps: texture, folds, shading's edges.

    Pearson's correlation, over the pixels of ``mask``, of what is left of the luminance (BT.709's
    weights on sRGB levels) once a Gaussian mean with a sigma of 1/64 of the longer side is taken
    away.

    Args:
        before, after: uint8 [H, W, 3].
        mask: bool [H, W], where the picture was newly drawn.

    Returns:
        1 for a copy, 0 for a flat area or for other detail; NaN where the mask has fewer than 16
        pixels or there was no detail before.
    """
    if np.count_nonzero(mask) < _LEAST_PIXELS:
        return float("nan")
    first, second = (_fine(picture)[mask] for picture in (before, after))
    first, second = first - first.mean(), second - second.mean()
    norms = np.linalg.norm(first), np.linalg.norm(second)
    if norms[0] < 1e-3:
        return float("nan")
    return 0.0 if norms[1] < 1e-3 else float(first @ second / (norms[0] * norms[1]))


def _fine(picture: np.ndarray) -> np.ndarray:
    luminance = picture.astype(np.float32) @ _LUMA
    mean = cv2.GaussianBlur(luminance, (0, 0), _DETAIL * max(luminance.shape))
    return np.asarray(luminance - mean, np.float64)


def iou(prediction: np.ndarray, truth: np.ndarray) -> float:
    """Intersection over union of two bool masks; 1 when both are empty."""
    union = np.count_nonzero(prediction | truth)
    return 1.0 if union == 0 else np.count_nonzero(prediction & truth) / union


def inception_score(probabilities: np.ndarray, splits: int = 10) -> tuple[float, float]:
    """Inception score (Salimans et al. 2016): ``exp(E KL(p(y|x) || p(y)))`` of each split.

    p(y) is the mean over the split's own pictures. The score is biased: fewer pictures score
    lower, so N must be reported with every value.

    Args:
        probabilities: [N, K], rows that sum to 1, in the order of the pictures.
        splits: number of consecutive parts, whose sizes differ by at most one picture.

    Returns:
        Mean and population standard deviation over the splits.

    Raises:
        ValueError: fewer pictures than splits.
    """
    if len(probabilities) < splits:
        raise ValueError(f"{len(probabilities)} pictures cannot make {splits} splits")
    scores = []
    for part in np.array_split(np.asarray(probabilities, np.float64), splits):
        marginal = np.broadcast_to(part.mean(axis=0), part.shape)
        positive = part > 0  # 0 log 0 = 0
        terms = part[positive] * np.log(part[positive] / marginal[positive])
        scores.append(np.exp(terms.sum() / len(part)))
    return float(np.mean(scores)), float(np.std(scores))


def gaussian(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean [D] and unbiased covariance [D, D] of features [N, D], with N at least 2."""
    features = np.asarray(features, np.float64)
    return features.mean(axis=0), np.atleast_2d(np.cov(features, rowvar=False))


def frechet_distance(
    first: tuple[np.ndarray, np.ndarray], second: tuple[np.ndarray, np.ndarray]
) -> float:
    """Squared Frechet distance of two Gaussians; of Gaussians fitted to features it is the FID.

    ``|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2))``. The trace of the root is computed from the
    symmetric ``S1^(1/2) S2 S1^(1/2)``, which has the same eigenvalues as ``S1 S2`` and gives no
    imaginary parts by rounding.

    Args:
        first, second: mean [D] and covariance [D, D], as :func:`gaussian` returns them.
    """
    (mean_1, covariance_1), (mean_2, covariance_2) = first, second
    values, vectors = np.linalg.eigh(covariance_1)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    product = np.linalg.eigvalsh(root @ covariance_2 @ root)
    cross = np.sqrt(np.maximum(product, 0)).sum()
    traces = np.trace(covariance_1) + np.trace(covariance_2)
    return max(0.0, float(((mean_1 - mean_2) ** 2).sum() + traces - 2 * cross))


def cosine(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Cosine similarity of the rows of two [N, D]: Sim (Sec. 4.2) of each pair, [N]."""
    return (_unit(first) * _unit(second)).sum(axis=1)


def r_precision(images: np.ndarray, captions: np.ndarray) -> np.ndarray:
    """Whether each picture's own caption is its nearest candidate by cosine similarity; bool [N].

    A tie with another candidate counts as a miss.

    Args:
        images: codes of the pictures, [N, D].
        captions: codes of each picture's R candidates, [N, R, D]; the first is its own caption.
    """
    scores = np.einsum("nd,nrd->nr", _unit(images), _unit(captions))
    return scores[:, 0] > scores[:, 1:].max(axis=1)


def difference(pictures: np.ndarray, originals: np.ndarray) -> np.ndarray:
    """Diff of each pair (Sec. 4.2): the mean absolute pixel difference.

    Args:
        pictures, originals: uint8 [N, H, W, 3].

    Returns:
        [N] in [0, 1], for pixels scaled to [0, 1]; scaled to [-1, 1] it would be twice as much.
    """
    return _per_picture(lambda a, b: np.abs(a - b), pictures, originals)


def squared_error(pictures: np.ndarray, originals: np.ndarray) -> np.ndarray:
    """Mean squared pixel difference of each pair, for pixels scaled to [0, 1]; [N].

    For a picture that was edited with its own caption it is the L2 reconstruction error.
    """
    return _per_picture(lambda a, b: (a - b) ** 2, pictures, originals)


def manipulative_precision(diff: np.ndarray, sim: np.ndarray) -> tuple[float, float]:
    """Manipulative precision, Eq. 22: ``MP = (1 - Diff) Sim``.

    The paper does not say whether the mean over the pairs is taken before or after the product, so
    both are returned.

    Args:
        diff: [N] in [0, 1].
        sim: [N].

    Returns:
        The mean of the products, and the product of the means.
    """
    return float(((1 - diff) * sim).mean()), float((1 - diff.mean()) * sim.mean())


def _unit(codes: np.ndarray) -> np.ndarray:
    """Codes [..., D] scaled to length 1."""
    codes = np.asarray(codes, np.float64)
    return codes / np.maximum(np.linalg.norm(codes, axis=-1, keepdims=True), 1e-12)


def _per_picture(
    error: Callable[[np.ndarray, np.ndarray], np.ndarray], first: np.ndarray, second: np.ndarray
) -> np.ndarray:
    """The mean error of each pair of pictures, scaled to [0, 1]: [N].

    The pairs are taken one after the other, so that only one pair is in memory as floats.
    """
    pairs = zip(first, second, strict=True)
    scaled = ((a.astype(np.float32) / 255, b.astype(np.float32) / 255) for a, b in pairs)
    return np.array([error(a, b).mean(dtype=np.float64) for a, b in scaled])
