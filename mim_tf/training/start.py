"""Where training starts: the vocabulary, the word vectors, and the run's directory."""

from __future__ import annotations

import sys
from pathlib import Path

from mim_tf.config import Config
from mim_tf.data.source import Source
from mim_tf.errors import UserError
from mim_tf.places import PICTURES
from mim_tf.run import Run
from mim_tf.text import Vocabulary, WordVectors, word_vectors


def build_vocabulary(source: Source, config: Config) -> Vocabulary:
    """The words of the training captions."""
    captions = (caption for captions in source.captions for caption in captions)
    return Vocabulary.build(captions, config.data.min_word_count)


def read_word_vectors(config: Config, vocabulary: Vocabulary) -> WordVectors | None:
    """The vectors of the vocabulary's words from ``data.word_vectors``, if there is such a file."""
    data = config.data
    if data.word_vectors is None:
        return None
    return word_vectors(
        data.word_vectors, vocabulary, config.train.seed, trainable=data.train_word_vectors
    )


def fit_to_words(config: Config, source: Source) -> tuple[Config, Vocabulary, WordVectors | None]:
    """The configuration with the width of the word vectors, the vocabulary, and the vectors.

    Raises:
        UserError: the word vectors cannot be read.
    """
    vocabulary = build_vocabulary(source, config)
    vectors = read_word_vectors(config, vocabulary)
    if vectors is None:
        return config, vocabulary, None
    model = config.model.model_copy(update={"word_dim": vectors.table.shape[1]})
    return config.model_copy(update={"model": model}), vocabulary, vectors


def start_run(path: Path, config: Config, source: Source) -> Run:
    """Create the run directory: vocabulary from the captions, width of the word vectors, and the
    names of the training pictures in ``train.txt``.

    Raises:
        UserError: the directory already holds a run or cannot be written, or the word vectors
            cannot be read.
    """
    config, vocabulary, vectors = fit_to_words(config, source)
    if vectors is not None:
        print(
            f"word vectors cover {vectors.share:.1%} of {len(vocabulary.words)} words",
            file=sys.stderr,
        )
    return Run.create(path, config, vocabulary, source.ids)


def check_source(run: Run, source: Source) -> None:
    """Refuse to go on with a run on other pictures or captions than it was started with.

    Raises:
        UserError: there are other training pictures, or their captions have other words.
    """
    trained = run.training_pictures()
    if trained is not None and trained != list(source.ids):
        gone, new = (
            sorted(set(a) - set(b)) for a, b in ((trained, source.ids), (source.ids, trained))
        )
        first = (
            f"{gone[0]} is none now" if gone else f"{new[0]} is one now" if new else "their order"
        )
        raise UserError(
            f"{run.path} was trained with other pictures than the data set has now "
            f"({len(trained)} in {PICTURES}, {len(source)} now: {first}); restore its data, or "
            "start a new run"
        )
    found = build_vocabulary(source, run.config)
    if found.words != run.vocabulary.words:
        raise UserError(
            f"{run.path} was trained with another vocabulary ({len(run.vocabulary)} ids) than "
            f"these captions give ({len(found)}); restore its data, or start a new run"
        )


def open_or_start(path: Path, config: Config, source: Source) -> Run:
    """The run at ``path``, to be gone on with, or a new one. The machine's section may differ: it
    is the given one.

    Raises:
        UserError: the run there has another configuration, or was started with other pictures.
    """
    if not Run.is_at(path):
        return start_run(path, config, source)
    run = Run.open(path)
    # word_dim: fitted to the word vectors when the run began.
    fitted = {"model": config.model.model_copy(update={"word_dim": run.config.model.word_dim})}
    if run.config != config.model_copy(update={**fitted, "machine": run.config.machine}):
        raise UserError(
            f"{path} was started with another configuration; remove it, or choose another --output"
        )
    check_source(run, source)
    print(f"going on with {path}", file=sys.stderr)
    run.config = run.config.model_copy(update={"machine": config.machine})
    return run
