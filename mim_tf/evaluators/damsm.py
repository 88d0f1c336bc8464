"""DAMSM, AttnGAN's Deep Attentional Multimodal Similarity Model (Xu et al. 2018, Sec. 3.2).

The reference model of Sim, MP and R-precision. It is no part of MIM-Net and shares no layer with
it, so that a change of MIM-Net cannot change what is measured.

Dimensions: B batch, T words (padded), R regions, D code. Pictures are in [-1, 1].
"""

from __future__ import annotations

import keras
import tensorflow as tf
from keras import ops

from mim_tf.evaluators.config import DamsmConfig
from mim_tf.evaluators.inception import inception_v3

_MASKED = -1e9  # a logit that softmax turns into 0


class SentenceEncoder(keras.Model):
    """Word embeddings and a Bi-LSTM of D / 2 units each way.

    Args:
        vocabulary_size: number of token ids; 0 pads.
        word_dim: width of the embedding (AttnGAN: 300).
        dim: D (AttnGAN: 256).
        dropout: of the embeddings, in training (AttnGAN: 0.5).
    """

    def __init__(self, vocabulary_size: int, word_dim: int, dim: int, dropout: float) -> None:
        super().__init__()
        self.embedding = keras.layers.Embedding(vocabulary_size, word_dim)
        self.dropout = keras.layers.Dropout(dropout)
        self.bi_lstm = keras.layers.Bidirectional(
            keras.layers.LSTM(dim // 2, return_sequences=True)
        )
        self.half = dim // 2

    def call(self, tokens, training=False):
        """``tokens`` [B, T] -> ``words`` [B, T, D] and ``sentence`` [B, D].

        The sentence is each direction's state after its last word.
        """
        mask = ops.not_equal(tokens, 0)
        embedded = self.dropout(self.embedding(tokens), training=training)
        words = self.bi_lstm(embedded, mask=mask, training=training)
        last = ops.sum(ops.cast(mask, "int32"), axis=1) - 1
        end = ops.take_along_axis(words, last[:, None, None], axis=1)[:, 0]
        sentence = ops.concatenate([end[:, : self.half], words[:, 0, self.half :]], axis=-1)
        return {"words": words, "sentence": sentence}


def small_trunk(size: int) -> keras.Model:
    """Our own image encoder: pictures [B, S, S, 3] -> local [B, S/8, S/8, 96], pooled [B, 512].

    The pooled features are the means of the picture's four quarters, side by side. A single mean
    would lose where in the picture a colour is, and so which part of a bird has it.
    """
    picture = keras.Input((size, size, 3))
    x = picture
    for filters, strides in ((24, 2), (48, 2), (64, 1), (96, 2)):
        x = _block(x, filters, strides)
    local = x
    for filters, strides in ((128, 1), (128, 2)):
        x = _block(x, filters, strides)
    side = x.shape[1] // 2
    x = keras.layers.AveragePooling2D(side, side)(x)
    return keras.Model(picture, [local, keras.layers.Flatten()(x)])


def _block(x, filters: int, strides: int):
    x = keras.layers.Conv2D(filters, 3, strides, padding="same", use_bias=False)(x)
    return keras.layers.ReLU()(keras.layers.BatchNormalization(momentum=0.9)(x))


class DAMSM(keras.Model):
    """Both encoders: codes of pictures, of their regions, of sentences and of words.

    Args:
        vocabulary_size: number of token ids.
        options: sizes and encoders; D is its ``dim``. AttnGAN's are ``encoder: inception``,
            299 pixels and D = 256. An Inception that starts from given weights is frozen, as
            AttnGAN's is.

    Attributes:
        size: H = W of the pictures.
    """

    def __init__(self, vocabulary_size: int, options: DamsmConfig) -> None:
        super().__init__()
        self.size = size = options.size
        dim, dropout = options.dim, options.dropout
        self.text = SentenceEncoder(vocabulary_size, options.word_dim, dim, dropout)
        if options.encoder == "inception":
            self.trunk = inception_v3(size, count_padding=True)
        else:
            self.trunk = small_trunk(size)
        self.frozen = options.encoder == "inception" and options.weights != "none"
        self.trunk.trainable = not self.frozen
        self.to_regions = keras.layers.Dense(dim, use_bias=False, name="emb_features")
        self.to_code = keras.layers.Dense(dim, name="emb_cnn_code")
        self({"picture": tf.zeros([1, size, size, 3]), "tokens": tf.ones([1, 2], tf.int32)})

    def see(self, picture, training=False):
        """``picture`` [B, S, S, 3] -> ``regions`` [B, R, D] and ``code`` [B, D]."""
        local, pooled = self.trunk(picture, training=training and not self.frozen)
        regions = self.to_regions(local)
        regions = ops.reshape(regions, (-1, regions.shape[1] * regions.shape[2], regions.shape[3]))
        return {"regions": regions, "code": self.to_code(pooled)}

    def call(self, inputs, training=False):
        """``picture`` [B, S, S, 3] and ``tokens`` [B, T] -> what :meth:`see` and
        :class:`SentenceEncoder` return."""
        return {
            **self.see(inputs["picture"], training=training),
            **self.text(inputs["tokens"], training=training),
        }


def word_similarity(words, mask, regions, gamma_1: float, gamma_2: float):
    """How well each picture's regions explain each caption's words (AttnGAN, Eq. 7 to 10).

    Args:
        words: [B, T, D].
        mask: [B, T], 1 for words.
        regions: [B, R, D].
        gamma_1: sharpness of a word's attention over regions.
        gamma_2: how much the best words count.

    Returns:
        [B, B], rows pictures, columns captions. Like AttnGAN's code, without the power of
        1 / gamma_2 in Eq. 10.
    """
    scores = ops.einsum("ctd,ird->icrt", words, regions)
    scores = scores + (1 - mask)[None, :, None, :] * _MASKED
    attention = ops.softmax(gamma_1 * ops.softmax(scores, axis=3), axis=2)
    context = ops.einsum("icrt,ird->ictd", attention, regions)
    relevance = ops.sum(_unit(words)[None] * _unit(context), axis=-1)  # [i, c, t]
    return ops.logsumexp(gamma_2 * relevance + (1 - mask)[None] * _MASKED, axis=-1)


def matching_loss(similarity, same_class):
    """Cross-entropy both ways: each picture should find its caption, each caption its picture.

    Args:
        similarity: [B, B] logits; pairs stand on the diagonal.
        same_class: bool [B, B]; pairs of one class off the diagonal are left out: the caption of
            another picture of the class may well describe this one.

    Returns:
        A scalar.
    """
    count = ops.shape(similarity)[0]
    others = ops.logical_and(same_class, ops.logical_not(ops.eye(count, dtype="bool")))
    logits = ops.where(others, _MASKED, similarity)
    targets = ops.arange(count)
    losses = [
        keras.losses.sparse_categorical_crossentropy(targets, rows, from_logits=True)
        for rows in (logits, ops.transpose(logits))
    ]
    return ops.mean(losses[0]) + ops.mean(losses[1])


def damsm_loss(out, tokens, classes, gamma_1: float, gamma_2: float, gamma_3: float):
    """The word and the sentence loss (AttnGAN, Eq. 11 to 13).

    Args:
        out: what :meth:`DAMSM.call` returned.
        tokens: [B, T].
        classes: [B] ints.
        gamma_1, gamma_2: see :func:`word_similarity`.
        gamma_3: sharpness of the matching.

    Returns:
        ``L_words`` and ``L_sentence``, scalars.
    """
    mask = ops.cast(ops.not_equal(tokens, 0), "float32")
    same = ops.equal(classes[:, None], classes[None, :])
    by_words = word_similarity(out["words"], mask, out["regions"], gamma_1, gamma_2)
    by_sentence = ops.matmul(_unit(out["code"]), ops.transpose(_unit(out["sentence"])))
    return {
        "L_words": matching_loss(gamma_3 * by_words, same),
        "L_sentence": matching_loss(gamma_3 * by_sentence, same),
    }


def _unit(x):
    """Vectors along the last axis, scaled to length 1."""
    return x * ops.rsqrt(ops.sum(ops.square(x), axis=-1, keepdims=True) + 1e-12)
