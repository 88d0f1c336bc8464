"""Metrics against closed forms and against SciPy on the same arrays."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
import scipy.special
import scipy.stats

from mim_tf import metrics


def test_IS_of_uniform_predictions_is_1():  # noqa: N802
    assert metrics.inception_score(np.full((40, 5), 0.2)) == pytest.approx((1, 0))


def test_IS_of_balanced_one_hot_predictions_is_K():  # noqa: N802
    probabilities = np.tile(np.eye(4), (10, 1))
    assert metrics.inception_score(probabilities) == pytest.approx((4, 0))


def test_IS_agrees_with_scipy_split_by_split():  # noqa: N802
    probabilities = np.random.default_rng(0).dirichlet(np.ones(7) / 3, 103)
    scores = []
    for part in np.array_split(probabilities, 10):
        divergences = scipy.stats.entropy(part.T, part.mean(axis=0)[:, None])
        scores.append(np.exp(divergences.mean()))
    mean, std = metrics.inception_score(probabilities)
    assert mean == pytest.approx(np.mean(scores), abs=1e-6)
    assert std == pytest.approx(np.std(scores), abs=1e-6)


def test_IS_refuses_fewer_pictures_than_splits():  # noqa: N802
    with pytest.raises(ValueError, match="3 pictures cannot make 10 splits"):
        metrics.inception_score(np.ones((3, 2)) / 2)


def test_FID_of_a_set_with_itself_is_0():  # noqa: N802
    features = np.random.default_rng(0).normal(size=(50, 8))
    fit = metrics.gaussian(features)
    assert metrics.frechet_distance(fit, fit) == pytest.approx(0, abs=1e-9)


def test_FID_of_two_gaussians_is_the_formula():  # noqa: N802
    # Commuting covariances: |m|^2 + sum (s1 - s2)^2 over the standard deviations.
    first = (np.zeros(3), np.diag([1.0, 4.0, 9.0]))
    second = (np.array([1.0, 2.0, 2.0]), np.diag([4.0, 4.0, 1.0]))
    assert metrics.frechet_distance(first, second) == pytest.approx(9 + 1 + 0 + 4)


@pytest.mark.parametrize("count", [200, 6])  # 6 pictures of 12 features: singular covariances
def test_FID_agrees_with_scipy_on_the_same_features(count):  # noqa: N802
    rng = np.random.default_rng(1)
    features = [rng.normal(size=(count, 12)) @ rng.normal(size=(12, 12)) for _ in range(2)]
    (m1, s1), (m2, s2) = map(metrics.gaussian, features)
    # SciPy's Schur-based root needs a regular matrix; other implementations add an offset, too.
    offset = 1e-10 * np.eye(12) if count < 12 else 0
    root = scipy.linalg.sqrtm((s1 + offset) @ (s2 + offset)).real
    expected = ((m1 - m2) ** 2).sum() + np.trace(s1 + s2 - 2 * root)
    tolerance = 1e-6 if count > 12 else 1e-2
    assert metrics.frechet_distance((m1, s1), (m2, s2)) == pytest.approx(expected, rel=tolerance)


# In a process of its own: torchvision and TensorFlow abort when they are loaded into the same.
_TORCH_FIDELITY = """
import sys, json, numpy as np, torch
sys.path.insert(0, sys.argv[2])
import load_torchvision
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_isc import isc_features_to_metric
given = {name: torch.tensor(value) for name, value in np.load(sys.argv[1]).items()}
found = isc_features_to_metric(given["logits"], 10, False)
fits = [fid_features_to_statistics(given[name]) for name in ("first", "second")]
found |= fid_statistics_to_metric(*fits, False)
print(json.dumps({name: float(value) for name, value in found.items()}))
"""


def test_IS_and_FID_agree_with_torch_fidelity(tmp_path):  # noqa: N802
    if importlib.util.find_spec("torch_fidelity") is None:
        pytest.skip("torch-fidelity is not installed (requirements-import.txt)")
    rng = np.random.default_rng(2)
    logits = rng.normal(size=(100, 9))
    first, second = (rng.normal(size=(300, 16)) @ rng.normal(size=(16, 16)) for _ in range(2))
    file = tmp_path / "given.npz"
    np.savez(file, logits=logits, first=first, second=second)
    loader = Path(__file__).parent / "evaluators"
    printed = subprocess.run(
        [sys.executable, "-c", _TORCH_FIDELITY, str(file), str(loader)],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    theirs = json.loads(printed.splitlines()[-1])
    mean, std = metrics.inception_score(scipy.special.softmax(logits, axis=1))
    assert mean == pytest.approx(theirs["inception_score_mean"], abs=1e-6)
    assert std == pytest.approx(theirs["inception_score_std"], abs=1e-6)
    distance = metrics.frechet_distance(metrics.gaussian(first), metrics.gaussian(second))
    assert distance == pytest.approx(theirs["frechet_inception_distance"], rel=1e-6)


def test_Sim_of_identical_codes_is_1():  # noqa: N802
    codes = np.random.default_rng(3).normal(size=(5, 6))
    assert metrics.cosine(codes, 3 * codes) == pytest.approx(np.ones(5))
    assert metrics.cosine(codes, -codes) == pytest.approx(-np.ones(5))
    assert metrics.cosine(np.eye(2), np.eye(2)[::-1]) == pytest.approx([0, 0])


def test_Diff_of_a_known_change():  # noqa: N802
    before = np.zeros((2, 4, 4, 3), np.uint8)
    after = before.copy()
    after[1, :2] = 51  # half of the second picture changes by a fifth
    assert metrics.difference(after, before) == pytest.approx([0, 0.1])
    assert metrics.squared_error(after, before) == pytest.approx([0, 0.02])


def test_MP_is_equation_22():  # noqa: N802
    diff, sim = np.array([0.0, 0.5]), np.array([0.2, 0.4])
    products, means = metrics.manipulative_precision(diff, sim)
    assert products == pytest.approx((0.2 + 0.2) / 2)
    assert means == pytest.approx(0.75 * 0.3)


def test_R_precision_of_a_constructed_case():  # noqa: N802
    images = np.array([[1.0, 0], [0, 1], [1, 1]])
    captions = np.array(
        [
            [[2.0, 0.1], [0, 1], [-1, 0]],  # its own caption is the nearest
            [[1, 0], [0.1, 1], [-1, 0]],  # another caption is the nearest
            [[1, 1], [2, 2], [0, 1]],  # a tie counts as a miss
        ]
    )
    assert metrics.r_precision(images, captions).tolist() == [True, False, False]


def test_SSIM_is_1_for_equal_pictures_and_falls_with_noise():  # noqa: N802
    rng = np.random.default_rng(4)
    picture = rng.integers(0, 255, (16, 16, 3), dtype=np.uint8)
    noise = rng.integers(0, 255, (16, 16, 3), dtype=np.uint8)
    assert metrics.ssim(picture, picture) == pytest.approx(1)
    assert metrics.ssim(picture, noise) < 0.5


def test_detail_is_what_is_left_without_the_mean_around():
    rng = np.random.default_rng(0)
    everywhere = np.ones((64, 64), bool)
    light = np.linspace(60, 120, 64)[None, :, None]
    texture = rng.normal(0, 15, (64, 64, 1))
    before = (light + texture + [40, 20, 0]).clip(0, 255).astype(np.uint8)
    detail = metrics.detail_kept
    assert detail(before, before, everywhere) == pytest.approx(1)
    recoloured = (light + texture + [0, 0, 90]).clip(0, 255).astype(np.uint8)
    assert detail(before, recoloured, everywhere) > 0.98
    smooth = (light + [0, 0, 90] + 0 * texture).astype(np.uint8)
    assert abs(detail(before, smooth, everywhere)) < 0.1  # light alone is no detail
    assert detail(before, np.full_like(before, 90), everywhere) == 0
    assert detail(before, 255 - before, everywhere) == pytest.approx(-1)
    half = everywhere.copy()
    half[:, 32:] = False
    mixed = np.where(half[..., None], before, smooth)
    assert detail(before, mixed, half) > 0.95 > 0.6 > detail(before, mixed, ~half)


def test_detail_that_was_not_there_or_hardly_any_pixel_says_nothing():
    flat, mask = np.full((32, 32, 3), 90, np.uint8), np.ones((32, 32), bool)
    assert np.isnan(metrics.detail_kept(flat, flat, mask))
    mask[1:] = False
    textured = np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)
    assert metrics.detail_kept(textured, textured, mask) == pytest.approx(1)
    mask[0, 15:] = False
    assert np.isnan(metrics.detail_kept(textured, textured, mask))
