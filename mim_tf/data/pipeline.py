"""Training batches from a source, by ``tf.data``.

Every sample is a pure function of (seed, position): its picture, as :mod:`mim_tf.data.order` says,
and its captions, crop and flip, drawn from (seed, position). So a resumed run goes on at its
position and sees exactly what an unbroken one would have seen, however many threads read and
however many devices share a batch. Where a source consists of several parts, false captions come
from the picture's own part: else its words, not their truth, would give them away.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence

import cv2
import numpy as np
import tensorflow as tf

from mim_tf.config import Config
from mim_tf.data.order import Order
from mim_tf.data.recolouring import draw_pair, encode
from mim_tf.data.regions import Regions
from mim_tf.data.source import Source
from mim_tf.data.unknown_words import damage
from mim_tf.errors import UserError
from mim_tf.text import UNKNOWN, Vocabulary

# The picture's own caption; one of another picture; its own with swapped words (made false); and
# either of the latter two, the hard and the easy negative of D_T.
CAPTIONS = ("tokens", "mismatched", "swapped", "false")

# What a sample has besides where its source is recoloured (mim_tf.data.recolouring): the picture to
# edit, the parts' labels, and of each word which labels it speaks of.
PAIRS = ("before", "labels", "spoken")

# Columns of a sample's random draws: its own caption; the picture and caption of up to three
# mismatched ones; crop and flip; whether the false caption is a swapped or a mismatched one; then
# a draw for each word, which says what replaces it in the swapped caption.
_OTHERS = 3
_PAIRED, _OTHER, _Y, _X, _FLIP, _FALSE = 0, 1, 7, 8, 9, 10
_SWAP = 11
# Streams of random numbers for what becomes unknown in a sample's own and its mismatched caption.
_UNKNOWN_PAIRED, _UNKNOWN_MISMATCHED = 3, 4


class Sampler:
    """Draws training samples.

    Attributes:
        problem: the UserError of a picture that could not be read. TensorFlow replaces an error
            inside its pipeline by one of its own, so whoever trains reports this one instead.

    Raises:
        UserError: fewer pictures than a batch needs, or one class alone where mismatched captions
            shall come from another.
    """

    def __init__(self, source: Source, vocabulary: Vocabulary, config: Config) -> None:
        if len(source) < config.train.batch_size:
            raise UserError(
                f"{source.name}: {len(source)} training pictures are fewer than "
                f"train.batch_size={config.train.batch_size}"
            )
        self.source, self.config = source, config
        self.problem: UserError | None = None
        self.order = Order(source, config.train.seed, config.train.batch_size)
        self.stored_sizes = np.array(
            [part.stored_size(config.model.fine_size) for part in source.parts]
        )

        words = config.data.max_words
        self.counts = np.array([len(captions) for captions in source.captions])
        self.starts = np.concatenate([[0], np.cumsum(self.counts)[:-1]])
        self.tokens = np.array(
            [
                vocabulary.encode(caption, words)
                for captions in source.captions
                for caption in captions
            ],
            np.int32,
        )
        swap = [vocabulary.id(word) for word in config.data.swap_words]
        self.swap_ids = self._by_part([number for number in swap if number > UNKNOWN])
        self._swap_counts = np.array([len(ids) for ids in self.swap_ids])
        self._swap_table = np.zeros((len(self.swap_ids), len(swap) + 1), np.int32)
        self._swap_place = np.full((len(self.swap_ids), len(vocabulary)), -1, np.int32)
        for part, ids in enumerate(self.swap_ids):
            self._swap_table[part, : len(ids)] = ids
            self._swap_place[part, ids] = np.arange(len(ids))

        self._group()
        self._draws = -(-(_SWAP + words) // 4) * 4  # Philox counts in fours
        self._vocabulary = vocabulary
        self._regions: dict[int, Regions] = {}
        self._cache: dict[int, np.ndarray] = {}
        self._cache_room = config.machine.cache_gb * 1e9  # bytes that are left

    @property
    def names(self) -> tuple[str, ...]:
        """What the arrays of a call are, in their order."""
        return ("picture", *CAPTIONS, *(PAIRS if self.source.recoloured else ()))

    def __call__(self, first: int, count: int) -> tuple[np.ndarray, ...]:
        """The samples at positions ``first`` to ``first + count - 1``.

        Returns:
            Pictures uint8 [count, F, F, 3] and four captions' tokens int32 [count, T], named in
            CAPTIONS; where the source is recoloured, also those of PAIRS: uint8 [count, F, F, 3],
            uint8 [count, F, F] and int32 [count, T].
        """
        u = self._uniform(first, count)
        indices = self.order(first, count)
        pairs: tuple[np.ndarray, ...] = ()
        if self.source.recoloured:
            pictures, known, paired, *pairs_of = self._pairs(first, indices, u)
            pairs = tuple(pairs_of)
        else:
            known = self._caption(indices, u[:, _PAIRED])
            paired = self._with_unknown_words(known, first, _UNKNOWN_PAIRED)
            pictures = self._cut([self._picture(int(index)) for index in indices], indices, u)
        # Unknown words in all of them alike: D_T could tell by one which captions are false.
        mismatched = self._mismatched(indices, known, u)
        mismatched = self._with_unknown_words(mismatched, first, _UNKNOWN_MISMATCHED)
        parts = self.order.part[indices]
        swapped, changed = self._swap(paired, parts, u[:, _SWAP : _SWAP + paired.shape[1]])
        swapped = np.where(changed[:, None], swapped, mismatched)
        # D_T's false captions: half are hard (the same parts in other colours).
        false = np.where(u[:, _FALSE, None] < 0.5, swapped, mismatched)
        return pictures, paired, mismatched, swapped, false, *pairs

    def first_captions(self, count: int) -> np.ndarray:
        """First captions, as many of each part, at most [count, T]: sets are sorted by class."""
        each = count // len(self.source.parts)
        begins, ends = self.order.starts[:-1], self.order.starts[1:]
        chosen = [
            self.starts[np.linspace(begin, end, min(each, end - begin), endpoint=False, dtype=int)]
            for begin, end in zip(begins, ends, strict=True)
        ]
        return self.tokens[np.concatenate(chosen)]

    def _uniform(self, first: int, count: int) -> np.ndarray:
        """Draws in [0, 1), [count, draws]: a counter's, so any position is reached at once."""
        counter = np.random.Philox(key=[self.config.train.seed, 1])
        counter.advance(int(first) * self._draws // 4)
        return np.random.Generator(counter).random((count, self._draws))

    # Captions ------------------------------------------------------------------------------------

    def _caption(self, indices: np.ndarray, u: np.ndarray) -> np.ndarray:
        """One caption of each picture, [count, T]."""
        return self.tokens[self.starts[indices] + (u * self.counts[indices]).astype(np.int64)]

    def _with_unknown_words(self, tokens: np.ndarray, first: int, stream: int) -> np.ndarray:
        """Captions [count, T] with a share of their words unknown; in the swapped caption, whose
        drawing reconstruction starts from, they stay so: an unknown word changes nothing."""
        share, seeds = self.config.data.word_dropout, [self.config.train.seed, stream]
        return damage(tokens, share, seeds, first, put_in=self.source.recoloured)

    def _by_part(self, swap: list[int]) -> list[np.ndarray]:
        """For each part, the swappable words that its captions have: another part's would be told
        by where they are said."""
        if len(self.source.parts) == 1:
            return [np.array(swap, np.int32)]
        found = []
        for start, end in zip(self.order.starts, self.order.starts[1:], strict=False):
            last = self.starts[end] if end < len(self.starts) else len(self.tokens)
            said = np.unique(self.tokens[self.starts[start] : last])
            found.append(np.array([number for number in swap if number in said], np.int32))
        return found

    def _group(self) -> None:
        """Sort the pictures by part and group, and note where the part and the group of each
        picture begin and end. Mismatched captions come from outside of a picture's group, which is
        itself, or its class."""
        source, part = self.source, self.order.part
        groups = source.classes if self.config.data.other_class else range(len(source))
        _, group = np.unique(np.asarray(groups), return_inverse=True)
        for number, own in enumerate(source.parts):
            if len(np.unique(group[part == number])) < 2:
                raise UserError(
                    f"{own.name}: all pictures are of one class; "
                    "mismatched captions of another need data.other_class=false"
                )
        self._sorted = np.lexsort((group, part))
        _, group = np.unique(part * len(source) + group, return_inverse=True)
        sizes = np.bincount(group)
        self._group_size = sizes[group]
        self._group_start = (np.cumsum(sizes) - sizes)[group]

    def _mismatched(self, indices: np.ndarray, own: np.ndarray, u: np.ndarray) -> np.ndarray:
        """A caption from outside of each picture's group, within its part; another text where a few
        draws find one.

        Data sets whose captions are templates give many pictures the same words.
        """
        size = self._group_size[indices]
        begin, end = (self.order.starts[self.order.part[indices] + k] for k in (0, 1))
        chosen = None
        for draw in reversed(range(_OTHERS)):
            u_picture, u_caption = u[:, _OTHER + 2 * draw], u[:, _OTHER + 2 * draw + 1]
            place = begin + (u_picture * (end - begin - size)).astype(np.int64)
            place += np.where(place >= self._group_start[indices], size, 0)
            caption = self._caption(self._sorted[place], u_caption)
            if chosen is None:
                chosen = caption
            else:
                differs = (caption != own).any(axis=1, keepdims=True)
                chosen = np.where(differs, caption, chosen)
        assert chosen is not None
        return chosen

    def _swap(
        self, tokens: np.ndarray, parts: np.ndarray, u: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Each swappable word replaced by another, [count, T], and which captions had one."""
        part = parts[:, None]
        count = self._swap_counts[part]
        place = self._swap_place[part, tokens]
        other = (place + 1 + (u * (count - 1)).astype(np.int32)) % np.maximum(count, 1)
        where = (place >= 0) & (count > 1)
        return np.where(where, self._swap_table[part, other], tokens), where.any(axis=1)

    # Pictures ------------------------------------------------------------------------------------

    def _pairs(self, first: int, indices: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, ...]:
        """Pictures after the edit, its caption before and after words became unknown, then those of
        PAIRS."""
        drawn, labels, known, tokens, spoken = [], [], [], [], []
        for k, index in enumerate(map(int, indices)):
            rng = np.random.default_rng([self.config.train.seed, 2, first + k])
            picture = self._picture(index)
            regions = self._regions_of(index, picture)
            dropout = self.config.data.word_dropout
            pair = draw_pair(*self._of_part(index), (picture, regions), rng, dropout)
            most = self.config.data.max_words
            ids = encode(pair.words, regions, self._vocabulary, most)
            drawn.append(pair)
            labels.append(regions.labels)
            known.append(encode(pair.known, regions, self._vocabulary, most)[0])
            tokens.append(ids[0])
            spoken.append(ids[1])
        after, before = ([getattr(pair, name) for pair in drawn] for name in ("picture", "before"))
        return (
            self._cut(after, indices, u), np.stack(known), np.stack(tokens),
            self._cut(before, indices, u), self._cut(labels, indices, u), np.stack(spoken),
        )  # fmt: skip

    def _cut(self, stored: Sequence[np.ndarray], indices: np.ndarray, u: np.ndarray) -> np.ndarray:
        """A random crop of each picture or map [S, S, ...], flipped or not, [count, F, F, ...]."""
        size = self.config.model.fine_size
        room = self.stored_sizes[self.order.part[indices]] - size
        y, x = ((u[:, draw] * (room + 1)).astype(np.int64) for draw in (_Y, _X))
        cut = []
        for k, picture in enumerate(stored):
            picture = picture[y[k] : y[k] + size, x[k] : x[k] + size]
            cut.append(picture[:, ::-1] if room[k] and u[k, _FLIP] < 0.5 else picture)
        return np.stack(cut)

    def _of_part(self, index: int) -> tuple[Source, int]:
        """The part that holds a picture, and its index there."""
        number = self.order.part[index]
        return self.source.parts[number], index - int(self.order.starts[number])

    def _regions_of(self, index: int, picture: np.ndarray) -> Regions:
        regions = self._regions.get(index)
        if regions is None:
            part, own = self._of_part(index)
            with self._noting_problem():
                regions = part.regions(own, picture)
            if self._has_room(regions.labels.nbytes):
                self._regions[index] = regions
        return regions

    def _picture(self, index: int) -> np.ndarray:
        picture = self._cache.get(index)
        if picture is None:
            part, own = self._of_part(index)
            with self._noting_problem():
                picture = part.picture(own, int(self.stored_sizes[self.order.part[index]]))
            # Records need no cache of ours: the system keeps their pages.
            if part.options.records is None and self._has_room(picture.nbytes):
                self._cache[index] = picture
        return picture

    @contextlib.contextmanager
    def _noting_problem(self) -> Iterator[None]:
        """What the body raises of a picture is kept for who asks through TensorFlow."""
        try:
            yield
        except UserError as error:
            self.problem = error
            raise

    def _has_room(self, size: int) -> bool:
        """Whether so many bytes may still be cached; they count as cached then."""
        if size > self._cache_room:
            return False
        self._cache_room -= size
        return True


def training_batches(
    sampler: Sampler,
    first_step: int,
    last_step: int,
    context: tf.distribute.InputContext | None = None,
) -> tf.data.Dataset:
    """Batches for the steps ``first_step`` to ``last_step - 1``.

    Each is a dictionary: ``picture`` uint8 [B, F, F, 3], a quarter of the floats that a step makes
    of it on its own device, and int32 [B, T] of each of CAPTIONS; where the source is recoloured,
    also ``before`` uint8 [B, F, F, 3], ``labels`` uint8 [B, F, F] and ``spoken`` int32 [B, T].

    Args:
        context: which part of each batch to make, from
            ``strategy.distribute_datasets_from_function``: then B is one replica's share, replica
            after replica. Together they are the batches that one device would see.
    """
    config = sampler.config
    context = context or tf.distribute.InputContext()
    batch, size, words = config.train.batch_size, config.model.fine_size, config.data.max_words
    share = context.get_per_replica_batch_size(batch)
    replicas = context.num_replicas_in_sync // context.num_input_pipelines
    offset = context.input_pipeline_id * replicas * share
    workers = config.machine.workers or os.cpu_count() or 1
    pixels, tokens = (tf.uint8, [size, size, 3]), (tf.int32, [words])
    kinds = {name: tokens for name in sampler.names}
    kinds |= {name: pixels for name in ("picture", "before") if name in kinds}
    if "labels" in kinds:
        kinds["labels"] = (tf.uint8, [size, size])
    # Every worker reads whole pictures: OpenCV's own threads would only get in their way.
    cv2.setNumThreads(1)

    def sample(part):
        step, replica = part // replicas, part % replicas
        first = step * batch + offset + replica * share
        arrays = tf.numpy_function(
            sampler, [first, share], [kind for kind, _ in kinds.values()], stateful=False
        )
        for array, (_, shape) in zip(arrays, kinds.values(), strict=True):
            array.set_shape([share, *shape])
        return dict(zip(kinds, arrays, strict=True))

    parts = tf.data.Dataset.range(first_step * replicas, last_step * replicas)
    batches = parts.map(sample, num_parallel_calls=workers, deterministic=True)
    options = tf.data.Options()
    options.threading.private_threadpool_size = workers + 1
    return batches.with_options(options).prefetch(2)
