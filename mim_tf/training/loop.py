"""The training loop: one path for one device and for many.

``strategy.run`` around ``MIMNet.train_step``, because ``Model.fit`` does not work under every
strategy in Keras 3.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from mim_tf.config import Config
from mim_tf.data.birds import captions as bird_captions
from mim_tf.data.birds import scenes
from mim_tf.data.pipeline import Sampler, training_batches
from mim_tf.data.sources import Source, bird_seed, load_source
from mim_tf.errors import UserError
from mim_tf.models.boundary import boundary_image
from mim_tf.pictures import files, pixels, sheets, tensor_pixels
from mim_tf.run import CONFIG, Run
from mim_tf.storage import replace_text
from mim_tf.text import Vocabulary, word_vectors
from mim_tf.training.mimnet import MIMNet

_SAMPLES = 6  # rows of the sample grid
_MEMORISED = 2000  # captions whose textures the memory starts from


def build_vocabulary(source: Source, config: Config) -> Vocabulary:
    """The words of the training captions."""
    captions = (caption for captions in source.captions for caption in captions)
    return Vocabulary.build(captions, config.data.min_word_count)


def total_steps(config: Config, pictures: int) -> int:
    """Steps of the whole training, warm-up included."""
    if config.train.steps is not None:
        return config.train.steps
    assert config.train.epochs is not None  # checked by Config
    return max(1, config.train.epochs * pictures // config.train.batch_size)


def start_run(path, config: Config, source: Source) -> Run:
    """Create the run directory: vocabulary from the captions, width of the word vectors, and the
    names of the training pictures in ``train.txt``."""
    vocabulary = build_vocabulary(source, config)
    if config.data.word_vectors is not None:
        vectors = word_vectors(config.data.word_vectors, vocabulary, config.train.seed)
        print(
            f"word vectors cover {vectors.share:.1%} of {len(vocabulary.words)} words",
            file=sys.stderr,
        )
        model = config.model.model_copy(update={"word_dim": vectors.table.shape[1]})
        config = config.model_copy(update={"model": model})
    run = Run.create(path, config, vocabulary)
    if config.data.source != "birds":  # which pictures a split without published lists gave
        replace_text(run.path / "train.txt", "".join(f"{name}\n" for name in source.ids))
    return run


def open_or_start(path, config: Config, source: Source) -> Run:
    """The run at ``path``, to be gone on with, or a new one.

    Raises:
        UserError: the run there has another configuration.
    """
    if not Run.is_at(path):
        return start_run(path, config, source)
    run = Run.open(path)
    exclude = {"model": {"word_dim"}}  # fitted to the word vectors when the run began
    if run.config.model_dump(exclude=exclude) != config.model_dump(exclude=exclude):
        raise UserError(
            f"{path} was started with another configuration; remove it, or choose another --output"
        )
    print(f"going on with {path}", file=sys.stderr)
    return run


def train(run: Run, source: Source, strategy: tf.distribute.Strategy | None = None) -> None:
    """Train a run from its newest checkpoint, or from the start, to its end.

    Progress goes to stderr, the losses to ``log.jsonl`` and TensorBoard, sample grids to
    ``samples/``. Interrupted, it leaves a checkpoint of the last whole step.

    Raises:
        UserError: a loss that is not finite, a batch that the devices cannot share, a checkpoint
            that does not fit.
    """
    config = run.config
    strategy = strategy or _strategy()
    replicas = strategy.num_replicas_in_sync
    if config.train.batch_size % replicas:
        raise UserError(
            f"train.batch_size={config.train.batch_size} cannot be shared by {replicas} devices"
        )
    tf.keras.utils.set_random_seed(config.train.seed)
    # Resumed must equal unbroken, to the last bit.
    tf.config.experimental.enable_op_determinism()
    vectors = None
    data = config.data
    if data.word_vectors is not None:
        vectors = word_vectors(
            data.word_vectors, run.vocabulary, config.train.seed, data.train_word_vectors
        )
    with strategy.scope():
        model = MIMNet(config, len(run.vocabulary), replicas, vectors)
    sampler = Sampler(source, run.vocabulary, config)
    manager = run.checkpoints(model)
    run.restore(manager)
    first, last = int(model.step.numpy()), total_steps(config, len(source))
    if last <= config.train.warm_up:
        raise UserError(
            f"train.epochs={config.train.epochs} are {last} steps of this data, which end within "
            f"train.warm_up={config.train.warm_up}, before anything is drawn"
        )
    run.trim_log(first)
    if first >= last:
        run.save_generator(model.averaged)  # it may have been stopped between the two files
        print(f"{run.path}: all {last} steps are done", file=sys.stderr)
        return
    batches = strategy.distribute_datasets_from_function(
        lambda context: training_batches(sampler, first, last, context)
    )
    tokens = sampler.tokens[sampler.starts[:_MEMORISED]]
    device = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
    print(f"{run.path}: steps {first + 1} to {last} on {replicas} x {device}", file=sys.stderr)
    loop = _Loop(run, model, strategy, manager, _sample_inputs(run, source), tokens)
    try:
        loop.run(batches, first, last, len(source))
    except tf.errors.OpError:
        if sampler.problem is None:
            raise
        raise sampler.problem from None


def _strategy() -> tf.distribute.Strategy:
    gpus = tf.config.list_logical_devices("GPU")
    return tf.distribute.MirroredStrategy() if len(gpus) > 1 else tf.distribute.get_strategy()


class _Loop:
    def __init__(self, run: Run, model: MIMNet, strategy, manager, samples, captions) -> None:
        self.run_directory, self.model, self.manager = run, model, manager
        self.config, self.strategy, self.samples = run.config, strategy, samples
        self.captions = captions
        self.writer = tf.summary.create_file_writer(str(run.path / "tensorboard"))
        self._steps: dict[tuple[str | bool, ...], Callable] = {}
        self._edit = tf.function(model.call)
        self._means: dict[str, list[float]] = {}

    def run(self, batches, first: int, last: int, pictures: int) -> None:
        train = self.config.train
        bar = tqdm(total=last, initial=first, unit="step", dynamic_ncols=True, file=sys.stderr)
        step = first
        try:
            for batch in batches:
                self.model.set_progress(step, last)
                self._collect(self._step(batch, step))
                step += 1
                bar.update()
                if step % train.log_every == 0 or step == last:
                    self._log(step, step * train.batch_size / pictures, bar)
                if step % train.sample_every == 0 or step == last:
                    self._draw_samples(step)
                if step % train.checkpoint_every == 0 or step == last:
                    self._save(step)
        except tf.errors.InvalidArgumentError as error:
            raise self._not_finite(error, step + 1) from None
        except KeyboardInterrupt:
            self._save(int(self.model.step.numpy()))
            raise
        finally:
            bar.close()
            self.writer.close()

    def _step(self, batch, step: int) -> dict[str, tf.Tensor]:
        train = self.config.train
        if step < train.warm_up:
            return self._function("warm_up_step")(batch)
        if step == train.warm_up > 0:
            missed = self.model.end_warm_up(self.captions)
            print(f"the memory misses {missed:.1%} of the warm-up's textures", file=sys.stderr)
        discriminate = step >= train.discriminator_start and step % train.adversarial_every == 0
        adversary = discriminate and step >= train.adversarial_start
        return self._function("train_step", discriminate, adversary)(batch)

    def _function(self, method: str, *flags: bool) -> Callable:
        """The graph of one kind of step, traced once."""
        if (method, *flags) not in self._steps:
            model, strategy = self.model, self.strategy

            def replica(batch):
                signed = tensor_pixels.to_signed(batch["picture"])
                return getattr(model, method)({**batch, "picture": signed}, *flags)

            @tf.function
            def step(batch):
                logs = strategy.run(replica, args=(batch,))
                model.after_step()
                mean = tf.distribute.ReduceOp.MEAN
                return {key: strategy.reduce(mean, value, axis=None) for key, value in logs.items()}

            self._steps[method, *flags] = step
        return self._steps[method, *flags]

    def _collect(self, logs: dict[str, tf.Tensor]) -> None:
        for name, value in logs.items():
            self._means.setdefault(name, []).append(float(value))

    def _log(self, step: int, epoch: float, bar: tqdm) -> None:
        """Means since the last row; adversarial losses are absent from steps without them."""
        means = {name: float(np.mean(values)) for name, values in self._means.items()}
        self._means.clear()
        rate = float(self.model.optimizer_of(step - 1).learning_rate.numpy())
        row: dict[str, Any] = {"step": step, "epoch": round(epoch, 4), "learning_rate": rate}
        self.run_directory.log(row | means)
        shown = (
            "L_rec_fine",
            "L_rec_coarse",
            "L_p",
            "L_match",
            "L_m_fine",
            "L_D_fine",
            "L_I_fine",
            "L_T_fine",
        )
        bar.set_postfix({key: f"{means[key]:.3f}" for key in shown if key in means})
        with self.writer.as_default(step):
            for name, value in means.items():
                tf.summary.scalar(name, value)

    def _draw_samples(self, step: int) -> None:
        pictures, captions, tokens = self.samples
        out = self._edit({"picture": pictures, "tokens": tokens})
        size = self.config.model.fine_size
        columns = {
            "input": pixels.to_uint8(pictures),
            "boundary": boundary_image(pictures, self.config.model.boundary).numpy(),
            "alpha": tensor_pixels.resample(out["alphas"][self.model.stages[-1]], size).numpy(),
        }
        for stage, painted in out["images"].items():
            columns[stage] = pixels.to_uint8(tensor_pixels.resample(painted, size))
        rows = [[column[index] for column in columns.values()] for index in range(len(captions))]
        sheet = sheets.labelled_grid(rows, list(columns), captions)
        files.write(self.run_directory.path / "samples" / f"step-{step:07d}.png", sheet)
        with self.writer.as_default(step):
            tf.summary.image("samples", sheet[None])

    def _save(self, step: int) -> None:
        self.manager.save(checkpoint_number=step)
        self.run_directory.save_generator(self.model.averaged)

    def _not_finite(self, error: tf.errors.InvalidArgumentError, step: int) -> Exception:
        found = re.search(r"(\w+) : Tensor had (NaN|Inf)", str(error))
        if found is None:
            return error
        return UserError(
            f"{found[1]} is not finite at step {step}; nothing of that step was saved. "
            f"Lower optimizer.learning_rate or that loss's weight in {self.run_directory.path}/"
            f"{CONFIG} and go on with --resume"
        )


def _sample_inputs(run: Run, source: Source):
    """Pictures [K, F, F, 3], captions and tokens for the sample grid, the same all run long.

    Procedural birds show unseen birds and true edits. Other sources show pictures of their own
    test split with each other's captions, or of the training split where there is no other.
    """
    config, size = run.config, run.config.model.fine_size
    chosen: list[tuple[np.ndarray, str]] = []
    if config.data.source == "birds":
        for index in range(_SAMPLES):
            scene = scenes.scene(bird_seed(config, "test"), index, size)
            rng = np.random.default_rng(index)
            chosen.append((scene.render(), bird_captions.draw_edit(rng, scene.colours)[0]))
    else:
        try:
            source = load_source(config, "test")
        except UserError as error:
            print(f"sample grids use training pictures: {error}", file=sys.stderr)
        count = len(source)
        for place in range(min(_SAMPLES, count)):
            index = place * count // _SAMPLES
            other = (index + count // 2) % count
            chosen.append((source.picture(index, size), source.captions[other][0]))
    captions = [caption for _, caption in chosen]
    tokens = np.stack([run.vocabulary.encode(one, config.data.max_words) for one in captions])
    pictures = pixels.to_signed(np.stack([picture for picture, _ in chosen]))
    return tf.constant(pictures), captions, tf.constant(tokens)
