"""The losses of Sec. 3.5, Eq. 14 to 19, in the paper's order: pure functions of tensors.

Each returns a value for each sample, ``[B]``; :class:`mim_tf.training.updates.Losses` takes the
mean over the batch and the weighted sums (Eq. 20 and 21). Deviation: norms are means over entries,
not sums, so that a weight means the same at every size.
D_I is given as a logit, D_T as ``log D_T``.
"""

from __future__ import annotations

import math

import tensorflow as tf
from keras import ops

from mim_tf.training.replicas import gathered, rows_of

_SHARPNESS = 5.0  # factor of L_match's scores
_MISSED = 15.0  # weight of L_alpha where alpha should be open
_GATE_FLOOR = 1e-2  # added to the sum of a word's gates, see _fit


def _mean_per_sample(x):
    return ops.mean(x, axis=tuple(range(1, len(x.shape))))


def L_rec(image, reconstruction, norm: str = "l2", where=None):  # noqa: N802
    """Eq. 14 for one stage: ``|| I - G(I, T) ||``.

    Args:
        image, reconstruction: [B, S, S, 3].
        norm: ``l2`` is the paper's, as a mean of squares; ``l1`` the mean absolute difference.
        where: [B, S, S, 1] weights of the pixels' mean; all alike unless given.
    """
    difference = image - reconstruction
    error = ops.square(difference) if norm == "l2" else ops.abs(difference)
    if where is None:
        return _mean_per_sample(error)
    return _mean_per_sample(error * where) / _mean_per_sample(where)


def L_p(v_i, alpha, h_bar):  # noqa: N802
    """Eq. 15: ``|| sum(v^i alpha) / sum(alpha) - h- ||_1``.

    Args:
        v_i: [B, N, M, l].
        alpha: [B, N, M, 1].
        h_bar: [B, l].
    """
    total = ops.maximum(ops.sum(alpha, axis=(1, 2)), 1e-6)  # [B, 1]
    pseudo = ops.sum(v_i * alpha, axis=(1, 2)) / total
    return _mean_per_sample(ops.abs(pseudo - h_bar))


def L_match(  # noqa: N802
    gates, v_i, h_hat, mask, hard_gates, hard_h_hat, hard_mask, replicas: int = 1
):
    """A contrastive Eq. 15, word by word: its pseudo textures should fit the picture's own caption
    better than all others.

    Each word's gate weights a mean of ``v^i`` over the places, as alpha does in Eq. 15. The dot
    product of that mean with the word's ``h^``, averaged over the words, is the caption's score.
    Cross-entropy over the captions of the batch and the picture's hard negative, and over the
    pictures of the batch. Deviation: the paper's L_p has no negatives, so the average texture of
    all pictures, the same for every word, already makes it small.

    Args:
        gates: [B, NM, J, T] in 0..1, every picture against every caption of the global batch.
        v_i: [B, N, M, l].
        h_hat, mask: [J, T, l] and [J, T], the own captions of all replicas' pictures, in the
            pictures' order.
        hard_gates, hard_h_hat, hard_mask: [B, NM, T], [B, T, l], [B, T]: a false caption of each.
        replicas: how many share the global batch, J = replicas x B.

    Returns:
        the loss [B] and whether the own caption beat the hard negative, 0 or 1 [B].
    """
    batch, _, _, channels = v_i.shape
    places = ops.reshape(v_i, (batch, -1, channels))  # [B, NM, l]
    scale = _SHARPNESS / math.sqrt(channels)
    every_word = ops.reshape(h_hat, (1, -1, channels))  # [1, JT, l]
    gates = ops.reshape(gates, (batch, places.shape[1], -1))  # [B, NM, JT]
    fit = ops.reshape(_fit(gates, places, every_word), (batch, *mask.shape))  # [B, J, T]
    scores = scale * _mean_of_words(fit, mask)  # [B, J]
    hard = scale * _mean_of_words(_fit(hard_gates, places, hard_h_hat), hard_mask)  # [B]
    own = ops.diagonal(rows_of(ops.transpose(scores), replicas))
    of_captions = ops.logsumexp(ops.concatenate([scores, hard[:, None]], axis=1), axis=1)
    of_pictures = rows_of(ops.logsumexp(gathered(scores, replicas), axis=0), replicas)
    return of_captions + of_pictures - 2 * own, ops.cast(own > hard, "float32")


def match_at_chance(batch: int) -> float:
    """:func:`L_match` of scores that say nothing, for a batch of so many pictures."""
    return math.log(batch) + math.log(batch + 1)


def L_where(logits, target, spoken):  # noqa: N802
    """Word gates should be open on the part that their word speaks of and closed elsewhere (no part
    of the paper; it needs parts that are marked).

    Cross-entropy of each gate at each place; the places of a part count as much, taken together, as
    all others. Gates of words that speak of no part should be closed everywhere.

    Args:
        logits: [B, NM, T], of gates as they are, their offset taken off.
        target: [B, NM, T] in 0..1, how much of a place is covered by the word's part.
        spoken: [B, T], 1 for words that speak of a part, 0 for others, -1 for padding.

    Returns:
        The mean over a caption's words, [B].
    """
    inside = ops.sum(target * ops.softplus(-logits), axis=1)
    outside = ops.sum((1 - target) * ops.softplus(logits), axis=1)
    covered = ops.sum(target, axis=1)
    of_part = inside / (covered + 1e-3) + outside / (ops.sum(1 - target, axis=1) + 1e-3)
    of_none = ops.mean(ops.softplus(logits), axis=1)
    loss = ops.where(spoken > 0, of_part, of_none)
    real = ops.cast(spoken >= 0, "float32")
    return ops.sum(loss * real, axis=-1) / ops.maximum(ops.sum(real, axis=-1), 1.0)


def L_alpha(alpha, target):  # noqa: N802
    """Alpha should be open on the parts that a caption speaks of and closed elsewhere (no part of
    the paper; it needs parts that are marked).

    Cross-entropy, in which a place that should be open counts ``_MISSED`` times: a half-open alpha
    shows no colour.

    Args:
        alpha, target: [B, S, S, 1] in 0..1.

    Returns:
        The mean over the places, [B].
    """
    log_open, log_closed = ops.log(alpha + 1e-6), ops.log(1 - alpha + 1e-6)
    return -_mean_per_sample(_MISSED * target * log_open + (1 - target) * log_closed)


def L_level(levels, mask):  # noqa: N802
    """Keep the word gates where they can tell places apart (no part of the paper).

    L_match compares places with each other, so it does not depend on what the logits of a word have
    in common at all places. Nothing else holds that level during the warm-up: left alone, it drifts
    until the gates are open, or closed, everywhere, and no gradient is left.

    Args:
        levels: [B, J, T], the mean over a picture's places of the logits of each caption's words.
        mask: [J, T].

    Returns:
        The mean square of the words' levels, [B].
    """
    return ops.sum(ops.square(levels) * mask, axis=(1, 2)) / ops.sum(mask)


def _fit(gates, places, h_hat):
    """How well each word fits: gates [B, NM, K], places [B, NM, l], h_hat [B or 1, K, l] ->
    [B, K]."""
    # The sum of the gates is one more channel of the weighted sum of places. Keras's matmul would
    # want a transposed copy of the gates, the largest array of all.
    ones = ops.ones_like(places[..., :1])
    sums = tf.matmul(gates, ops.concatenate([places, ones], axis=-1), transpose_a=True)
    # A word whose gates are all closed (such as "a") gets about 0 for every picture, thanks to the
    # floor: so it has no part in which caption fits best. Without it, the ratio of two tiny sums
    # would decide.
    return ops.sum(sums[..., :-1] * h_hat, axis=-1) / (sums[..., -1] + _GATE_FLOOR)


def _mean_of_words(fit, mask):
    """[..., T] and the mask [..., T] of real words -> [...]."""
    return ops.sum(fit * mask, axis=-1) / ops.sum(mask, axis=-1)


def L_m(logit, form: str = "log"):  # noqa: N802
    """Eq. 16 for one stage: D_I should call a picture painted with random memories real."""
    return L_I(logit, form)


def L_D_reality(real_logit, fake_logit, form: str = "log"):  # noqa: N802
    """The first two terms of Eq. 17: ``-log D_I(I) - log(1 - D_I(G))``.

    Args:
        real_logit, fake_logit: [B].
        form: ``log`` is the paper's; ``hinge`` puts margins in place of the logarithms.
    """
    if form == "hinge":
        return ops.relu(1 - real_logit) + ops.relu(1 + fake_logit)
    return ops.softplus(-real_logit) + ops.softplus(fake_logit)


def L_D_text(  # noqa: N802
    log_real, log_fake, log_mismatched, fake_weight: float, mismatched_weight: float
):
    """The last two terms of Eq. 17, with a choice of negatives.

    ``-log D_T(I, T) - w_fake log(1 - D_T(G, T^)) - w_mismatched log(1 - D_T(I, T^))``: the
    paper's negative is the fake with its own caption, TAGAN's the real picture with a false one.
    """
    loss = -log_real
    if fake_weight:
        loss = loss - fake_weight * log1mexp(log_fake)
    if mismatched_weight:
        loss = loss - mismatched_weight * log1mexp(log_mismatched)
    return loss


def L_I(logit, form: str = "log"):  # noqa: N802
    """Eq. 18 for one stage: ``-log D_I(G(I, T^))``, or its hinge form ``-logit``."""
    return -logit if form == "hinge" else ops.softplus(-logit)


def L_T(log_fake):  # noqa: N802
    """Eq. 19 for one stage: ``-log D_T(G(I, T^), T^)``."""
    return -log_fake


def log1mexp(x):
    """``log(1 - exp(x))`` for ``x <= 0``, exact near both ends, finite at 0."""
    x = ops.minimum(x, -1e-6)
    near = x > -math.log(2.0)
    # Each branch sees only arguments that are safe for it, so that no gradient is NaN.
    near_x = ops.where(near, x, -1.0)
    far_x = ops.where(near, -1.0, x)
    return ops.where(near, ops.log(-ops.expm1(near_x)), ops.log1p(-ops.exp(far_x)))
