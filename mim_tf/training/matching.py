"""L_match put together from the networks: the warm-up's loss, and one of reconstruction's.

Dimensions: B batch (of this replica), J the global batch's captions, T words (padded), N x M
feature map, l texture channels.
"""

from __future__ import annotations

from mim_tf.models.icm import WordGate
from mim_tf.training.losses import L_match
from mim_tf.training.replicas import gathered
from mim_tf.training.state import TrainingState
from mim_tf.training.updates import Losses


def of_all_replicas(state: TrainingState, text):
    """``h_hat`` [J, T, l] and ``mask`` [J, T] of the global batch's captions: the more captions
    L_match has to choose among, the more it teaches, so devices must not divide them."""
    return {name: gathered(text[name], state.replicas) for name in ("h_hat", "mask")}


def gate_logits(state: TrainingState, features, captions, negative):
    """Of the word gates: every picture with every caption [B, NM, J, T], and each picture with its
    hard negative [B, NM, T]."""
    gate, v_b = state.generator.icm.gate, features["v_b"]
    assert gate is not None  # checked by Deviations: L_match needs word gates
    return gate.logits_of_all_pairs(v_b, captions["h_hat"]), gate.logits(v_b, negative["h_hat"])


def add_match(
    state: TrainingState, losses: Losses, features, captions, negative, logits_of, *, weight
) -> None:
    """L_match of the batch.

    Args:
        captions: ``h_hat`` and ``mask`` of all replicas' pictures.
        negative: of this replica's captions made false.
        logits_of: the gates' logits, as :func:`gate_logits` gives them.
    """
    gates, hard = map(WordGate.gates, logits_of)
    loss, right = L_match(
        gates, features["v_i"], captions["h_hat"], captions["mask"],
        hard, negative["h_hat"], negative["mask"], state.replicas,
    )  # fmt: skip
    losses.add("L_match", loss, weight)
    losses.log("match_accuracy", right)
