"""One update by a batch, whole or part by part: ``train.accumulate``.

Losses that are means over pictures can be taken part by part, and their gradients added up. L_match
is none of them: it compares every picture with every caption. So text, Enc and L_match are computed
for the whole batch, once; what is drawn and judged from their results, by far the largest share of
what a step keeps for its gradients, is computed part by part. The gradients by those results then
go on through text and Enc, so the update is that of the whole batch but for rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from mim_tf.training.state import TrainingState
from mim_tf.training.updates import Losses, dense

Shared = dict[str, Any]  # tensors [B, ...], nested


def minimise(
    state: TrainingState,
    optimizer,
    variables: list,
    whole: Callable[[Losses], Shared],
    part: Callable[[Losses, Shared], None],
    name: str,
) -> dict[str, tf.Tensor]:
    """One step of an optimizer on this replica's share of a batch.

    Args:
        optimizer: None: the losses alone.
        whole: computes what needs the whole batch, and adds the losses that do.
        part: adds the losses of some rows of the batch, from these rows of what ``whole`` returned;
            each must be a mean over pictures.
        name: of the gradient's norm among the losses.

    Returns:
        The losses, means over this replica's samples, and the norm.
    """
    losses, count = Losses(), state.config.train.accumulate
    with tf.GradientTape() as tape:
        shared = whole(losses)
        if count == 1:
            part(losses, shared)
        total = losses.total(state.replicas)
    logs = losses.means()
    if count == 1:
        gradients = tape.gradient(total, variables, state.scale) if optimizer is not None else []
    else:
        of_parts, means, further, of_shared = _parts(state, variables, shared, part)
        learned = [tf.nest.flatten(shared)[place] for place in _learned(shared)]
        gradients = tape.gradient([total, *learned], variables, [state.scale, *of_shared])
        gradients = [a + b for a, b in zip(dense(gradients, variables), further, strict=True)]
        total, logs = total + of_parts, logs | means
    if optimizer is not None:
        logs[name] = state.update(optimizer, gradients, variables, total)
    return logs


def _learned(shared: Shared) -> list[int]:
    """The places, among all tensors of ``shared``, of those that come from variables; none of those
    in the batch does."""
    given = {id(value) for value in tf.nest.flatten(shared["batch"])}
    return [
        place
        for place, value in enumerate(tf.nest.flatten(shared))
        if value.dtype.is_floating and id(value) not in given
    ]


def _parts(state: TrainingState, variables: list, shared: Shared, part):
    """The losses of all parts of a batch, one after the other.

    Returns:
        Their sum, weighted; their means; the sum's gradients by ``variables``; and those by the
        learned tensors of ``shared``.
    """
    count, places = state.config.train.accumulate, _learned(shared)

    def take(number):
        def rows(x):
            return tf.reshape(x, [count, x.shape[0] // count, *x.shape[1:]])[number]

        own, losses = tf.nest.map_structure(rows, shared), Losses()
        learned = [tf.nest.flatten(own)[place] for place in places]
        with tf.GradientTape() as tape:
            tape.watch(learned)
            part(losses, own)
            total = losses.total(state.replicas) / count
        sources = [*variables, *learned]
        gradients = dense(tape.gradient(total, sources, state.scale), sources)
        means = {key: value / count for key, value in losses.means().items()}
        return (total, means, gradients[: len(variables)]), gradients[len(variables) :]

    def add(number, sums, pieces):
        further, of_learned = take(number)
        sums = tf.nest.map_structure(tf.add, sums, further)
        written = [a.write(number, b) for a, b in zip(pieces, of_learned, strict=True)]
        return number + 1, sums, written

    # The first shows what the loop adds up; one at a time, else they would share no memory.
    sums, first = take(0)
    pieces = [tf.TensorArray(x.dtype, count, element_shape=x.shape).write(0, x) for x in first]
    _, sums, pieces = tf.while_loop(
        lambda number, *_: number < count, add, (1, sums, pieces), parallel_iterations=1
    )
    # [count, B / count, ...] -> [B, ...]
    joined = [
        tf.reshape(piece.stack(), [-1, *x.shape[1:]])
        for piece, x in zip(pieces, first, strict=True)
    ]
    return (*sums, joined)
