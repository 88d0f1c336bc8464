"""The run directory: the contract between training and every later command.

``runs/<name>/{config.yaml, vocabulary.json, train.txt, checkpoints/, generator.weights.h5,
SHA256SUMS, log.jsonl, samples/, tensorboard/}``. A preset under ``presets/`` has the configuration,
the vocabulary, the weights and their checksums.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mim_tf import checksums, json_text, logs
from mim_tf.config import Config
from mim_tf.errors import UserError
from mim_tf.locks import locked
from mim_tf.models.generator import Generator, make_generator
from mim_tf.models.weights import load_weights, save_weights
from mim_tf.places import CONFIG, LOG, PICTURES, VOCABULARY, WEIGHTS, find_model
from mim_tf.storage import check_text, read_plain, replace_text
from mim_tf.stored_config import dump_config, load_sealed, seal
from mim_tf.text import Vocabulary

MAY_CHANGE = (
    "train.steps", "train.epochs", "machine.", "data.root", "data.records", "data.backgrounds",
    "data.word_vectors", "data.person_model", "data.teacher", "model.encoder_weights",
)  # fmt: skip
"""Keys of a run's configuration that may be edited by hand after its start: the length, what suits
the machine, and where the data and the files of pretrained parts lie."""


class Run:
    """One run directory.

    Attributes:
        path: the directory.
        config, vocabulary: as saved in it.
    """

    def __init__(self, path: Path, config: Config, vocabulary: Vocabulary) -> None:
        self.path, self.config, self.vocabulary = path, config, vocabulary

    @staticmethod
    def is_at(path: Path) -> bool:
        """Whether a directory holds a run that has been trained at all, or a preset."""
        return (path / WEIGHTS).exists() or any((path / "checkpoints").glob("*.index"))

    def training_pictures(self) -> list[str] | None:
        """Names of the pictures that trained it; None where nobody wrote them down, as in presets.

        Raises:
            OSError: the list is there and cannot be read.
        """
        listing = self.path / PICTURES
        if not listing.is_file():
            return None
        return read_plain(listing, json_text.MOST_BYTES).decode("utf-8", "replace").split("\n")[:-1]

    def was_trained(self) -> bool:
        """Whether training has left what is worth keeping here: weights, checkpoints, or a log
        that goes beyond the step of the first checkpoint."""
        return self.is_at(self.path) or _went_beyond_checkpoint(self.path, self.config)

    @classmethod
    def create(
        cls, path: Path, config: Config, vocabulary: Vocabulary, pictures: Sequence[str] = ()
    ) -> Run:
        """Start a run in a new directory, or in one whose run never came to its first checkpoint.

        Args:
            path: the directory.
            config, vocabulary: what it is trained with.
            pictures: names of the training pictures, for ``train.txt``: a split may be random, its
                lists never published, and this says which pictures trained.

        Raises:
            UserError: the directory already holds a run, is in use, or cannot be written.
        """
        if cls.is_at(path) or _went_beyond_checkpoint(path, config):
            raise UserError(
                f"{path} already holds a run; continue it with --resume, "
                "or choose another directory with --run"
            )
        check_text(path)
        try:
            path.mkdir(parents=True, exist_ok=True)
            with locked(path):
                (path / LOG).unlink(missing_ok=True)
                (path / checksums.NAME).unlink(missing_ok=True)
                vocabulary.save(path / VOCABULARY)
                replace_text(path / PICTURES, "".join(f"{name}\n" for name in pictures))
                replace_text(path / CONFIG, dump_config(config))
                run = cls(path, config, vocabulary)
                run.seal(PICTURES)
        except OSError as error:
            raise UserError(f"cannot write the run directory {path}: {error.strerror}") from None
        return run

    @classmethod
    def open(cls, path: Path) -> Run:
        """Open an existing run or preset.

        Raises:
            UserError: not a run directory, one of its files is broken or was changed, or the
                configuration was edited in more than :data:`MAY_CHANGE`.
        """
        file = path / CONFIG
        if not file.is_file():
            raise UserError(f"{path} is no run directory: it has no {CONFIG}")
        checksums.check_sums(path, [VOCABULARY])
        return cls(path, load_sealed(Config, path, MAY_CHANGE), Vocabulary.load(path / VOCABULARY))

    def seal(self, *others: str) -> None:
        """Note the checksums of the configuration, the vocabulary and other files as they are."""
        seal(self.path, self.config, [VOCABULARY, *others])

    @classmethod
    def chosen(cls, path: Path | None, preset: str | None) -> Run:
        """What ``--run`` or ``--preset`` names."""
        if preset is not None:
            return cls.named(preset)
        assert path is not None  # one of the two is required
        return cls.open(path)

    @classmethod
    def named(cls, name: str) -> Run:
        """Open a preset by its name, or a run or preset by its folder.

        Raises:
            UserError: there is none; the message lists the presets that ship.
        """
        return cls.open(find_model(name))

    # The averaged generator, all that inference needs.

    def save_generator(self, generator: Generator) -> None:
        """Write the generator's weights, rounded to half precision, whole or not at all."""
        save_weights(generator, self.path / WEIGHTS, rounded=True)
        checksums.write_sums(self.path, [WEIGHTS])

    def load_generator(self) -> Generator:
        """The averaged generator with its trained weights.

        Raises:
            UserError: training has not written them yet, they are damaged, or they do not fit the
                configuration or the vocabulary.
        """
        file = self.path / WEIGHTS
        if not file.is_file():
            raise UserError(
                f"{self.path} has no {WEIGHTS} yet; training writes it with its first checkpoint"
            )
        checksums.check_sums(self.path, [WEIGHTS])
        # Whatever Enc's weights came from, they are in the file.
        model = self.config.model.model_copy(update={"encoder_weights": "none"})
        config = self.config.model_copy(update={"model": model})
        generator = make_generator(config, len(self.vocabulary))
        load_weights(generator, file)
        return generator


def _went_beyond_checkpoint(path: Path, config: Config) -> bool:
    """Whether the log in a directory goes beyond the first checkpoint of the run there: so there
    were checkpoints, which are lost.

    Args:
        config: where the directory does not say with which its run began, which
            ``machine.checkpoint_every`` that was.
    """
    sealed = checksums.note_of(path, CONFIG) if (path / checksums.NAME).is_file() else None
    try:
        first = int((sealed or {})["machine"]["checkpoint_every"])
    except (KeyError, TypeError, ValueError):
        first = config.machine.checkpoint_every
    return logs.last_step(path / LOG) > first
