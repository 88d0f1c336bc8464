"""A directory of evaluators: its files, and the metrics' inputs that its networks give.

``runs/evaluators-<name>/{config.yaml, vocabulary.json, classes.json, damsm.weights.h5,
classifier.weights.h5, scores.json, SHA256SUMS, checkpoints/, log.jsonl}``. Either evaluator may be
missing; what it measures is then left out. Made by ``python -m mim_tf.pretrain`` or
``mim_tf.import_evaluators``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from mim_tf import json_text, metrics
from mim_tf.checksums import check_sums
from mim_tf.errors import UserError
from mim_tf.evaluators.classifier import Classifier
from mim_tf.evaluators.config import PretrainConfig
from mim_tf.evaluators.damsm import DAMSM
from mim_tf.models.weights import load_weights
from mim_tf.pictures import pixels, tensor_pixels
from mim_tf.places import PRESETS
from mim_tf.progress import Progress
from mim_tf.stored_config import load_sealed
from mim_tf.text import UNKNOWN, Vocabulary, tokenize

CONFIG, VOCABULARY, CLASSES, SCORES = (
    "config.yaml",
    "vocabulary.json",
    "classes.json",
    "scores.json",
)
DAMSM_WEIGHTS, CLASSIFIER_WEIGHTS = "damsm.weights.h5", "classifier.weights.h5"


def holds_evaluators(path: Path) -> bool:
    """Whether a folder has evaluators that were trained or imported, whole or in part."""
    return any((path / name).exists() for name in (SCORES, DAMSM_WEIGHTS, CLASSIFIER_WEIGHTS))


MAY_CHANGE = ("damsm.steps", "classifier.steps", "machine.", "data.root", "data.records")
"""Keys of their configuration that may be edited by hand after the start of training."""
HAS = 0.5  # probability above which an attribute is read as present
_BATCH, _TEXT_BATCH = 32, 256  # pictures and captions encoded at once


class Evaluators:
    """The evaluators: fixed reference models that metrics are measured with.

    IS, FID, Sim, MP and R-precision compare what networks see in pictures and captions, not pixels.
    These networks are trained apart from MIM-Net, on real pictures, and then never change; numbers
    compare only where they were measured with the same weights, which is why :meth:`describe` goes
    into every result.

    - DAMSM (AttnGAN's) gives pictures and sentences codes that are near where they fit: Sim, MP and
      R-precision.
    - The classifier gives pictures class probabilities and features: IS and FID. One of attributes
      reads what a picture has, each attribute by itself.

    Attributes:
        path: their directory.
        config, vocabulary: as saved in it.
        damsm, classifier: None where the directory has none.
        attributes: what the classifier reads, in the order of its logits; empty where it tells
            classes apart.
    """

    attributes: tuple[str, ...] = ()

    def __init__(
        self,
        path: Path,
        config: PretrainConfig,
        vocabulary: Vocabulary,
        damsm: DAMSM | None,
        classifier: Classifier | None,
    ) -> None:
        self.path, self.config, self.vocabulary = path, config, vocabulary
        self.damsm, self.classifier = damsm, classifier
        self._text_codes: dict[str, np.ndarray] = {}
        if damsm is not None:
            see, read = damsm.see, damsm.text
            self._image_code = tf.function(lambda x: see(x)["code"], reduce_retracing=True)
            self._text_code = tf.function(lambda x: read(x)["sentence"], reduce_retracing=True)
        if classifier is not None:
            self._classify = tf.function(classifier.call, reduce_retracing=True)
            if config.classifier.attributes:
                self.attributes = tuple(read_classes(path))

    @classmethod
    def open(cls, path: Path) -> Evaluators:
        """Open a directory of evaluators.

        Raises:
            UserError: none there, or files that do not belong together.
        """
        config = read_config(path)
        names = (VOCABULARY, CLASSES, DAMSM_WEIGHTS, CLASSIFIER_WEIGHTS)
        check_sums(path, [name for name in names if (path / name).is_file()])
        vocabulary = Vocabulary.load(path / VOCABULARY)
        damsm = classifier = None
        if (path / DAMSM_WEIGHTS).is_file():
            damsm = make_damsm(config, len(vocabulary))
            load_weights(damsm, path / DAMSM_WEIGHTS)
        if (path / CLASSIFIER_WEIGHTS).is_file():
            classifier = make_classifier(config, len(read_classes(path)))
            load_weights(classifier, path / CLASSIFIER_WEIGHTS)
        if damsm is None and classifier is None:
            raise UserError(
                f"{path} holds no finished evaluator yet; go on with "
                f"python -m mim_tf.pretrain --run {path} --resume"
            )
        return cls(path, config, vocabulary, damsm, classifier)

    @classmethod
    def chosen(cls, given: str | None, kind: str, needed: bool = True) -> Evaluators | None:
        """What ``--evaluators`` names: a directory, ``none``, or the evaluators of a kind of data.

        Args:
            given: as in the flag; None where it was left out.
            kind: ``config.data.kind``.
            needed: whether a kind without evaluators must do with ``none`` by name.

        Raises:
            UserError: there are none; the message says how to make them.
        """
        if given == "none":
            return None
        if given is not None:
            return cls.open(Path(given))
        for folder in (PRESETS / "evaluators" / kind, Path(f"runs/evaluators-{kind}")):
            if folder.is_dir():
                return cls.open(folder)
        if not needed:
            return None
        raise UserError(
            f"no evaluators for {kind}: make them with python -m mim_tf.pretrain "
            "(configurations: configs/evaluators) and give --evaluators DIR, or leave out IS, Sim, "
            "MP, FID and R-precision with --evaluators none"
        )

    def image_codes(self, pictures: np.ndarray) -> np.ndarray:
        """DAMSM's codes, float [N, D], of uint8 pictures [N, H, W, 3]; needs ``damsm``."""
        assert self.damsm is not None
        return self._batched(pictures, self.damsm.size, self._image_code)

    def text_codes(self, captions: Sequence[str]) -> np.ndarray:
        """DAMSM's sentence codes, float [N, D]; a caption that comes again is not encoded again."""
        new = [caption for caption in dict.fromkeys(captions) if caption not in self._text_codes]
        for start in Progress(range(0, len(new), _TEXT_BATCH), "reading captions", "batch"):
            chunk = new[start : start + _TEXT_BATCH]
            tokens = encode(self.vocabulary, chunk, self.config.data.max_words)
            codes = self._text_code(tf.constant(tokens)).numpy()
            self._text_codes |= dict(zip(chunk, codes, strict=True))
        return np.stack([self._text_codes[caption] for caption in captions])

    def r_precision(self, codes: np.ndarray, candidates: Sequence[Sequence[str]]) -> np.ndarray:
        """Whether each picture's own caption is the nearest of its candidates.

        Args:
            codes: of N pictures, float [N, D], from :meth:`image_codes`.
            candidates: for each picture equally many captions, its own first.

        Returns:
            bool [N].
        """
        # Encoding all captions at once fills large batches; below they are only looked up.
        self.text_codes([caption for captions in candidates for caption in captions])
        texts = np.stack([self.text_codes(captions) for captions in candidates])
        return metrics.r_precision(codes, texts)

    def classify(self, pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Class probabilities [N, K] and features [N, D] of uint8 pictures [N, H, W, 3]; needs
        ``classifier``."""
        assert self.classifier is not None

        def both(batch):
            out = self._classify(batch)
            return tf.concat([tf.nn.softmax(out["logits"]), out["features"]], axis=1)

        found = self._batched(pictures, self.classifier.size, both)
        classes = self.classifier.head.units
        return found[:, :classes], found[:, classes:]

    def read_attributes(self, pictures: np.ndarray) -> np.ndarray:
        """Probability [N, K] of each of ``attributes``, of uint8 pictures [N, H, W, 3]."""
        assert self.classifier is not None and self.attributes
        return self._batched(
            pictures,
            self.classifier.size,
            lambda batch: tf.sigmoid(self._classify(batch)["logits"]),
        )

    def describe(self) -> dict[str, Any]:
        """Name and hash of each evaluator, for the manifest and beside every number."""
        about: dict[str, Any] = {}
        data = self.config.data.source
        if self.damsm is not None:
            about["damsm"] = {
                "name": f"DAMSM {self.config.damsm.encoder} {self.damsm.size} px ({data})",
                "sha256": fingerprint(self.damsm),
                "vocabulary_sha256": vocabulary_hash(self.vocabulary),
            }
        if self.classifier is not None:
            kind = self.config.classifier.encoder
            about["classifier"] = {
                "name": f"classifier {kind} {self.classifier.size} px, "
                f"{self.classifier.head.units} {'attributes' if self.attributes else 'classes'} "
                f"({data})",
                "sha256": fingerprint(self.classifier),
                **({"attributes": list(self.attributes)} if self.attributes else {}),
            }
        return about

    def _batched(self, pictures: np.ndarray, size: int, function: Callable) -> np.ndarray:
        """``function`` over batches of the uint8 pictures, at ``size`` pixels in [-1, 1]."""
        parts = []
        for start in Progress(range(0, len(pictures), _BATCH), "judging pictures", "batch"):
            signed = pixels.to_signed(pictures[start : start + _BATCH])
            parts.append(function(tensor_pixels.resample(signed, size)).numpy())
        return np.concatenate(parts)


def read_config(path: Path) -> PretrainConfig:
    """The configuration of a directory of evaluators.

    Raises:
        UserError: it is none.
    """
    file = path / CONFIG
    if not file.is_file():
        raise UserError(
            f"{path} holds no evaluators: it has no {CONFIG}; make them with "
            "python -m mim_tf.pretrain --config evaluators/birds.yaml"
        )
    return load_sealed(PretrainConfig, path, MAY_CHANGE)


def read_classes(path: Path) -> list[str]:
    """The classifier's classes, in the order of its logits."""
    try:
        return list(json_text.read(path / CLASSES))
    except (OSError, ValueError):
        raise UserError(
            f"{path / CLASSES} is missing or broken; train the classifier again"
        ) from None


def make_damsm(config: PretrainConfig, vocabulary_size: int) -> DAMSM:
    """A DAMSM with random weights."""
    return DAMSM(vocabulary_size, config.damsm)


def make_classifier(config: PretrainConfig, classes: int) -> Classifier:
    """A classifier with random weights."""
    return Classifier(config.classifier.encoder, config.classifier.size, classes)


def encode(vocabulary: Vocabulary, captions: Sequence[str], max_words: int) -> np.ndarray:
    """Token ids int32 [N, T]; words unknown to the evaluator are left out, as AttnGAN does."""
    known = [
        " ".join(word for word in tokenize(caption) if vocabulary.id(word) != UNKNOWN) or "?"
        for caption in captions
    ]
    tokens = np.stack([vocabulary.encode(caption, max_words) for caption in known])
    tokens[tokens[:, 0] == 0, 0] = UNKNOWN  # an LSTM needs at least a word
    return tokens


def fingerprint(network: keras.Model) -> str:
    """SHA-256 of a network's weights, in their order. Not of their file, whose bytes also hold the
    date of writing."""
    digest = hashlib.sha256()
    for weight in network.get_weights():
        digest.update(str((weight.dtype, weight.shape)).encode())
        digest.update(np.ascontiguousarray(weight).tobytes())
    return digest.hexdigest()


def vocabulary_hash(vocabulary: Vocabulary) -> str:
    """SHA-256 of the words, in the order of their ids."""
    return hashlib.sha256("\n".join(vocabulary.words).encode()).hexdigest()
