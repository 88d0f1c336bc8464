"""Training batches from a source, by ``tf.data``.

Every sample is a pure function of (seed, position): position p lies in epoch p // N, whose order is
a permutation drawn from (seed, epoch), and its caption, crop and flip are drawn from (seed, p). So
a resumed run goes on at its position and sees exactly what an unbroken one would have seen.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from mim_tf.config import Config
from mim_tf.data.sources import Source
from mim_tf.errors import UserError
from mim_tf.images import to_signed
from mim_tf.text import UNKNOWN, Vocabulary

# The picture's own caption; another picture's; its own made false; either of the latter two.
CAPTIONS = ("tokens", "mismatched", "swapped", "false")

# Random crops are taken from pictures this much larger: AttnGAN's 304 for 256.
_MARGIN = 304 / 256


class Sampler:
    """Draws training samples; calling it with a position gives that sample's arrays."""

    def __init__(self, source: Source, vocabulary: Vocabulary, config: Config) -> None:
        if len(source) < config.train.batch_size:
            raise UserError(
                f"{source.name}: {len(source)} training pictures are fewer than "
                f"train.batch_size={config.train.batch_size}"
            )
        self.source, self.config = source, config
        self.tokens = [
            np.stack([vocabulary.encode(caption, config.data.max_words) for caption in captions])
            for captions in source.captions
        ]
        swap = [vocabulary.id(word) for word in config.data.swap_words]
        self.swap_ids = np.array([one for one in swap if one > UNKNOWN], np.int32)
        size = config.model.fine_size
        # Procedural birds are already placed, turned and flipped at random: nothing to augment.
        self.augment = config.data.augment and source.name != "birds"
        self.stored_size = round(size * _MARGIN) if self.augment else size
        self._pictures: dict[int, np.ndarray] = {}
        self._order: tuple[int, np.ndarray] = (-1, np.empty(0, np.int64))

    def __call__(self, position: int) -> tuple[np.ndarray, ...]:
        """Picture uint8 [F, F, 3] and four captions' tokens int32 [T], named in CAPTIONS."""
        rng = np.random.default_rng([self.config.train.seed, 1, position])
        index = self._index(position)
        captions = self.tokens[index]
        paired = captions[rng.integers(len(captions))]
        others = self.tokens[self._other(index, rng)]
        mismatched = others[rng.integers(len(others))]
        swapped = self._swap(paired, rng)
        picture = self._crop(self._picture(index), rng)
        if swapped is None:
            swapped = mismatched
        # D_T's false captions: half are hard (the same parts in other colours).
        false = swapped if rng.random() < 0.5 else mismatched
        return picture, paired, mismatched, swapped, false

    def _index(self, position: int) -> int:
        epoch, place = divmod(position, len(self.source))
        known, order = self._order
        if known != epoch:
            rng = np.random.default_rng([self.config.train.seed, 0, epoch])
            order = rng.permutation(len(self.source))
            self._order = (epoch, order)
        return int(order[place])

    def _other(self, index: int, rng: np.random.Generator) -> int:
        other = int(rng.integers(len(self.source) - 1))
        return other + (other >= index)

    def _swap(self, tokens: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
        """The caption with each swappable word replaced by another; None if it has none."""
        where = np.flatnonzero(np.isin(tokens, self.swap_ids))
        if not len(where) or len(self.swap_ids) < 2:
            return None
        swapped = tokens.copy()
        for place in where:
            swapped[place] = rng.choice(self.swap_ids[self.swap_ids != tokens[place]])
        return swapped

    def _picture(self, index: int) -> np.ndarray:
        if index not in self._pictures:
            self._pictures[index] = self.source.picture(index, self.stored_size)
        return self._pictures[index]

    def _crop(self, picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        if not self.augment:
            return picture
        size = self.config.model.fine_size
        y, x = rng.integers(0, self.stored_size - size + 1, 2)
        cropped = picture[y : y + size, x : x + size]
        return cropped[:, ::-1] if rng.random() < 0.5 else cropped


def training_batches(sampler: Sampler, first_step: int, last_step: int) -> tf.data.Dataset:
    """Batches for the steps ``first_step`` to ``last_step - 1``.

    Each is a dictionary: ``picture`` float32 [B, F, F, 3] in [-1, 1] and int32 [B, T] of each of
    CAPTIONS.
    """
    config = sampler.config
    batch, size, words = config.train.batch_size, config.model.fine_size, config.data.max_words

    def sample(position):
        picture, *captions = tf.numpy_function(
            sampler, [position], [tf.uint8] + [tf.int32] * len(CAPTIONS)
        )
        picture.set_shape([size, size, 3])
        for tokens in captions:
            tokens.set_shape([words])
        return {"picture": to_signed(picture), **dict(zip(CAPTIONS, captions, strict=True))}

    positions = tf.data.Dataset.range(first_step * batch, last_step * batch)
    # One caller at a time: the sampler keeps a cache, and Python runs one thread anyway.
    samples = positions.map(sample, num_parallel_calls=1)
    return samples.batch(batch, drop_remainder=True).prefetch(4)
