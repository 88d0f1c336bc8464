"""The memory's start: the textures that the warm-up found, as few as there are slots.

Deviation: the paper does not say how its memory starts. From random slots Eq. 2 stays almost
uniform for very long: a slot gets a useful texture only once words read it, and words learn to
read it only once its texture is useful.
"""

from __future__ import annotations

import warnings

import keras
import numpy as np
import tensorflow as tf
from scipy.cluster.vq import kmeans2

_STEPS = 1000
_BATCH = 256  # words


def memorise(
    h: np.ndarray, textures: np.ndarray, slots: int, seed: int
) -> tuple[np.ndarray, np.ndarray, float]:
    """A memory and its key projection with which Eq. 2 and 3 read the textures back.

    Slots start as k-means centres of the textures; then both are fitted by gradient.

    Args:
        h: [K, d], the Bi-LSTM's output for K words.
        textures: [K, l], the ``h^`` that each should get from the memory.
        slots: n, at most K.
        seed: for k-means, the projection and the batches.

    Returns:
        memory [n, l], kernel of W [l, d], and the share of the textures' variance left unexplained.
    """
    rng = np.random.default_rng(seed)
    # Where fewer textures differ than there are slots (a handful of pictures), SciPy warns of empty
    # clusters. Several slots then start alike, which Eq. 2 reads as one.
    with warnings.catch_warnings(action="ignore"):
        centres, _ = kmeans2(textures.astype(np.float64), slots, minit="++", rng=rng)
    memory = tf.Variable(centres.astype(np.float32))
    kernel = tf.Variable(
        rng.normal(0, textures.shape[1] ** -0.5, (textures.shape[1], h.shape[1])).astype(np.float32)
    )
    variables = [memory, kernel]
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(1e-2, _STEPS))
    optimizer.build(variables)

    def read(words):
        logits = tf.matmul(words, tf.matmul(memory, kernel), transpose_b=True)
        return tf.matmul(tf.nn.softmax(logits), memory)

    @tf.function
    def fit(words, wanted, batches):
        for chosen in batches:
            with tf.GradientTape() as tape:
                error = read(tf.gather(words, chosen)) - tf.gather(wanted, chosen)
                loss = tf.reduce_mean(tf.square(error))
            optimizer.apply(tape.gradient(loss, variables), variables)

    batches = rng.integers(len(h), size=(_STEPS, min(_BATCH, len(h))))
    fit(tf.constant(h), tf.constant(textures), tf.constant(batches))
    left = np.mean((read(tf.constant(h)).numpy() - textures) ** 2)
    return memory.numpy(), kernel.numpy(), float(left / np.var(textures, axis=0).mean())
