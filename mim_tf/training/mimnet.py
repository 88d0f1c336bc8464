"""MIMNet: the generator, four discriminators, and the two training stages of Sec. 3.5.

Dimensions: B batch (of this replica), T words (padded), S a stage's size. Pictures in [-1, 1].
"""

from __future__ import annotations

import keras
import tensorflow as tf

from mim_tf.config import Config
from mim_tf.models.discriminators import D_I, D_T
from mim_tf.models.encoders import word_mask
from mim_tf.models.generator import make_generator
from mim_tf.models.layers import resize
from mim_tf.training import losses
from mim_tf.training.memory_start import memorise

_EXAGGERATION = 2.0  # of recoloured pictures: an average of guesses is paler than any of them


class MIMNet(keras.Model):
    """Everything that learns, with both optimizers and the averaged generator.

    Args:
        config: loss weights, schedule, sizes.
        vocabulary_size: number of token ids.
        replicas: how many copies share the global batch; losses are divided by it because
            gradients are summed over replicas.
        vectors: pretrained word embeddings (:class:`mim_tf.text.WordVectors`) or None.
    """

    def __init__(self, config: Config, vocabulary_size: int, replicas: int = 1, vectors=None):
        super().__init__()
        self.config = config
        self.replicas = replicas
        self.generator = make_generator(config, vocabulary_size, vectors)
        self.averaged = make_generator(config, vocabulary_size)
        self.averaged.set_weights(self.generator.get_weights())
        self.averaged.trainable = False
        model = config.model
        sizes = {"coarse": model.coarse_size, "fine": model.fine_size}
        self.stages = ("coarse", "fine") if model.fine else ("coarse",)
        self.sizes = {stage: sizes[stage] for stage in self.stages}
        self.d_i = {stage: D_I(sizes[stage], model.discriminator_channels) for stage in self.stages}
        self.d_t = {
            stage: D_T(
                sizes[stage], model.discriminator_channels, vocabulary_size,
                model.word_dim, model.text_dim, vectors,
            )
            for stage in self.stages
        }  # fmt: skip
        tokens = tf.ones([1, config.data.max_words], tf.int32)
        for stage in self.stages:
            picture = tf.zeros([1, sizes[stage], sizes[stage], 3])
            self.d_i[stage](picture)
            self.d_t[stage]({"picture": picture, "tokens": tokens})
        # Both optimizers are built now, so that a checkpoint is complete from step 0.
        options = config.optimizer
        self.generator_optimizer = self._adam(options.learning_rate)
        self.discriminator_optimizer = self._adam(options.discriminator_learning_rate)
        self.generator_optimizer.build(self.generator.trainable_variables)
        self.discriminator_optimizer.build(self.discriminator_variables)
        # The warm-up's own: textures without a memory, and an optimizer of its few networks.
        self.forerunner = keras.layers.Dense(self.generator.enc.channels, name="forerunner")
        self.forerunner.build((None, None, model.text_dim))
        self.matches = model.word_gates and config.loss.match > 0
        self.warm_up_optimizer = self._adam(options.warm_up_learning_rate)
        self.warm_up_optimizer.build(self.warm_up_variables)
        self.step = tf.Variable(0, dtype=tf.int64, trainable=False, name="step")

    def checkpoint(self) -> tf.train.Checkpoint:
        """All state of training: networks, average, optimizers, step.

        Variables are listed one by one: TensorFlow's own walk through Keras models passes over
        layers that are kept in lists, without a word.
        """
        parts = {
            "generator": self.generator.weights,
            "averaged": self.averaged.weights,
            "generator_optimizer": self.generator_optimizer.variables,
            "discriminator_optimizer": self.discriminator_optimizer.variables,
        }
        for stage in self.stages:
            parts[f"d_i_{stage}"] = self.d_i[stage].weights
            parts[f"d_t_{stage}"] = self.d_t[stage].weights
        if self.config.train.warm_up:
            parts["forerunner"] = self.forerunner.weights
            parts["warm_up_optimizer"] = self.warm_up_optimizer.variables
        variables = {name: [one.value for one in part] for name, part in parts.items()}
        return tf.train.Checkpoint(step=self.step, **variables)

    def optimizer_of(self, step: int) -> keras.optimizers.Optimizer:
        """The optimizer of the generator at a step: the warm-up has its own."""
        warm = step < self.config.train.warm_up
        return self.warm_up_optimizer if warm else self.generator_optimizer

    def _adam(self, learning_rate: float) -> keras.optimizers.Adam:
        options = self.config.optimizer
        return keras.optimizers.Adam(learning_rate, options.beta_1, options.beta_2)

    @property
    def discriminator_variables(self) -> list:
        networks: list[keras.Model] = [*self.d_i.values(), *self.d_t.values()]
        return [variable for network in networks for variable in network.trainable_variables]

    @property
    def warm_up_variables(self) -> list:
        """What L_match reaches before there is a memory."""
        generator = self.generator
        networks = [generator.enc, generator.text_encoder, self.forerunner]
        if generator.icm.gate is not None:
            networks.append(generator.icm.gate)
        return [variable for network in networks for variable in network.trainable_variables]

    @property
    def adversarial_variables(self) -> list:
        """What the adversarial stage may move: the generator without its memory (Sec. 3.5.2)."""
        memory = self.generator.mtfg.memory
        return [one for one in self.generator.trainable_variables if one is not memory]

    def call(self, inputs, training=False):
        """The averaged generator's edit; see :meth:`Generator.call`."""
        return self.averaged(inputs, training=False)

    def train_step(self, batch, discriminate: bool = True, adversary: bool = True):
        """Both stages of Sec. 3.5 on one batch.

        Args:
            batch: ``picture`` [B, F, F, 3], ``tokens`` (the picture's own caption), ``mismatched``
                (another picture's), ``swapped`` (its own made false) and ``false`` (either of the
                two), each [B, T].
            discriminate: the discriminators learn.
            adversary: the generator hears them (L_I, L_T, L_m).

        Returns:
            The losses under the paper's names, scalars of this replica.
        """
        batch = self._static(batch)
        logs = self.reconstruction_step(batch, random_memory=adversary)
        if discriminate:
            logs |= self.adversarial_step(batch, update_generator=adversary)
        return logs

    # Reconstruction stage, Sec. 3.5.2: the only one that updates the memory.

    def reconstruction_step(self, batch, random_memory: bool = True):
        """L_rec, L_p, L_m, L_match and the prior on alpha; updates the generator and its memory."""
        weights, generator = self.config.loss, self.generator
        picture, tokens = batch["picture"], batch["tokens"]
        random_memory = (
            random_memory
            and generator.mtfg.memory is not None
            and any(getattr(weights.m, stage) for stage in self.stages)
        )
        train, draws = self.config.train, generator.compose and weights.drawn > 0
        # alpha would close for good while there is nothing worth showing yet.
        first = train.warm_up + (train.draw_first if draws else 0)
        composing = tf.cast(self.step >= first, tf.float32)
        terms: dict[str, tf.Tensor] = {}
        logs: dict[str, tf.Tensor] = {}
        with tf.GradientTape() as tape:
            words = generator.read(tokens, training=True)
            seen = generator.see(picture, training=True)
            out = generator.draw(seen, words["h_hat"], words["mask"], training=True)
            false = generator.read(batch["swapped"], training=True)
            with tape.stop_recording():
                picture_in = self._recolour(seen, out, false)
            if generator.icm.fuse and train.perturb:
                seen_in = generator.see_other_texture(seen, picture_in, training=True)
                out = generator.draw(seen_in, words["h_hat"], words["mask"], training=True)
            out = generator.composed(out, picture_in)
            where = {
                stage: _told(resize(picture_in - picture, size))
                for stage, size in self.sizes.items()
            }
            for stage in self.stages:
                image = out["images"][stage]
                target = resize(picture, image.shape[1])
                loss = losses.L_rec(target, image, weights.rec_norm)
                logs[f"L_rec_{stage}"] = loss
                terms[f"L_rec_{stage}"] = composing * getattr(weights.rec, stage) * loss
                if draws:
                    loss = losses.L_rec(target, out["drawn"][stage], weights.rec_norm, where[stage])
                    logs[f"L_rec_drawn_{stage}"] = loss
                    terms[f"L_rec_drawn_{stage}"] = (
                        weights.drawn * getattr(weights.rec, stage) * loss
                    )
            # A trained Enc must not answer L_p by shrinking its features.
            logs["L_p"] = losses.L_p(tf.stop_gradient(seen["v_i"]), out["alpha"], out["h_bar"])
            terms["L_p"] = weights.p * logs["L_p"]
            if self.matches:
                logs["L_match"], logs["match_accuracy"] = self._match(seen, words, false)
                terms["L_match"] = weights.match * logs["L_match"]
            logs["alpha"] = tf.reduce_mean(out["alphas"][self.stages[-1]], axis=[1, 2, 3])
            terms["alpha"] = composing * self._prior() * logs["alpha"]
            if random_memory:
                random = self._random_texture(words["mask"])
                fake = generator.paint(seen, random, words["mask"], training=True)
                for stage in self.stages:
                    logit = self.d_i[stage](fake["images"][stage], training=True)
                    loss = losses.L_m(logit, weights.reality)
                    logs[f"L_m_{stage}"] = loss
                    terms[f"L_m_{stage}"] = getattr(weights.m, stage) * loss
            total = self._total(terms)
        self._update(self.generator_optimizer, tape, total, generator.trainable_variables)
        if self.config.model.memory:
            attention = tf.maximum(words["attention"], 1e-9)
            entropy = -tf.reduce_sum(attention * tf.math.log(attention), axis=-1)
            logs["attention_entropy"] = tf.reduce_sum(entropy * words["mask"], 1) / tf.reduce_sum(
                words["mask"], 1
            )
        return self._means(logs)

    def _prior(self):
        """The weight of mean(alpha) at this step."""
        started = tf.cast(self.step >= self.config.train.alpha_start, tf.float32)
        return self.config.loss.alpha * started

    def _recolour(self, seen, out, false):
        """The pictures that reconstruction starts from, [B, F, F, 3].

        Deviation: the paper starts from the picture itself, which copying reconstructs. Here the
        first ``perturb`` share get the difference between the model's own drawings of a false
        caption and of the true one (``out``): what the words decide is recoloured, and nothing
        else. Only the true caption can undo it.
        """
        picture, stage = seen["picture"], self.stages[-1]
        count = round(self.config.train.perturb * picture.shape[0])
        if not count:
            return picture
        drawn = self.generator.draw(seen, false["h_hat"], false["mask"])["drawn"][stage]
        change = _EXAGGERATION * resize(drawn - out["drawn"][stage], picture.shape[1])
        recoloured = tf.clip_by_value(picture + change, -1.0, 1.0)
        return tf.stop_gradient(tf.concat([recoloured[:count], picture[count:]], axis=0))

    def _match(self, seen, words, false):
        """L_match of the batch; ``words`` are the own captions', ``false`` their hard negatives."""
        gate, v_b = self.generator.icm.gate, seen["v_b"]
        assert gate is not None  # checked by Config: L_match needs word gates
        gates = gate.all_pairs(v_b, words["h_hat"])
        hard = gate({"v_b": v_b, "h_hat": false["h_hat"]}, training=True)
        return losses.L_match(
            gates, seen["v_i"], words["h_hat"], words["mask"], hard, false["h_hat"], false["mask"]
        )

    def _random_texture(self, mask):
        """Eq. 16's ``a~``: a uniformly random point of the simplex for each word."""
        shape = [mask.shape[0], mask.shape[1], self.config.model.slots]
        exponential = -tf.math.log(
            tf.random.stateless_uniform(shape, self._seed(2), minval=1e-7, maxval=1.0)
        )
        attention = exponential / tf.reduce_sum(exponential, axis=-1, keepdims=True)
        return self.generator.mtfg.read(attention)

    def _seed(self, stream: int):
        """A fresh random seed for each step, use and replica: resuming repeats nothing."""
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        base = tf.stack([tf.constant(self.config.train.seed, tf.int64), self.step])
        base = tf.random.experimental.stateless_fold_in(base, stream)
        return tf.random.experimental.stateless_fold_in(base, replica)

    # Adversarial stage, Sec. 3.5.3: the memory is frozen.

    def adversarial_step(self, batch, update_generator: bool = True):
        """First the discriminators (Eq. 17, 21), then the generator without its memory
        (Eq. 18 to 20)."""
        weights = self.config.loss
        logs: dict[str, tf.Tensor] = {}
        with tf.GradientTape() as tape:
            words = self.generator.read(batch["mismatched"], training=True)
            seen = self.generator.see(batch["picture"], training=True)
            out = self.generator.paint(seen, words["h_hat"], words["mask"], training=True)
            fakes = out["images"]
            with tape.stop_recording():
                logs |= self._discriminator_step(batch, fakes)
            terms = {}
            for stage in self.stages:
                logit = self.d_i[stage](fakes[stage], training=True)
                log_match = self.d_t[stage](
                    {"picture": fakes[stage], "tokens": batch["mismatched"]}, training=True
                )
                logs[f"L_I_{stage}"] = losses.L_I(logit, weights.reality)
                logs[f"L_T_{stage}"] = losses.L_T(log_match)
                terms[f"L_I_{stage}"] = getattr(weights.I, stage) * logs[f"L_I_{stage}"]
                terms[f"L_T_{stage}"] = getattr(weights.T, stage) * logs[f"L_T_{stage}"]
            alpha = tf.reduce_mean(out["alphas"][self.stages[-1]], axis=[1, 2, 3])
            terms["alpha"] = self._prior() * alpha
            total = self._total(terms)
        if update_generator:
            self._update(self.generator_optimizer, tape, total, self.adversarial_variables)
        return self._means(logs)

    def _discriminator_step(self, batch, fakes):
        weights = self.config.loss
        logs: dict[str, tf.Tensor] = {}
        terms: dict[str, tf.Tensor] = {}
        with tf.GradientTape() as tape:
            for stage in self.stages:
                fake = tf.stop_gradient(fakes[stage])
                real = resize(batch["picture"], fake.shape[1])
                d_i = self.d_i[stage]
                reality = losses.L_D_reality(
                    d_i(real, training=True), d_i(fake, training=True), weights.reality
                )
                text = self._text_loss(stage, batch, real, logs, fake)
                logs[f"L_D_{stage}"] = reality + text
                terms[f"L_D_{stage}"] = getattr(weights.beta, stage) * (reality + text)
            total = self._total(terms)
        self._update(self.discriminator_optimizer, tape, total, self.discriminator_variables)
        return logs

    def _text_loss(self, stage: str, batch, real, logs, fake):
        """The text terms of Eq. 17 for one stage."""
        weights, d_t = self.config.loss, self.d_t[stage]
        feature = d_t.f(real, training=True)
        log_real = d_t.judge(feature, batch["tokens"], training=True)
        log_false = d_t.judge(feature, batch["false"], training=True)
        logs[f"D_T_accuracy_{stage}"] = tf.cast(log_real > log_false, tf.float32)
        log_fake = None
        if weights.D_T_fake:
            log_fake = d_t({"picture": fake, "tokens": batch["mismatched"]}, training=True)
        return losses.L_D_text(
            log_real, log_fake, log_false, weights.D_T_fake, weights.D_T_mismatched
        )

    # Warm-up, before both stages. Deviation: the paper has none.

    def warm_up_step(self, batch):
        """L_match alone, on textures that need no memory yet (``h^ = W h``): Enc, the Bi-LSTM and
        the word gates learn which places words speak of, and what is seen there."""
        batch = self._static(batch)
        generator = self.generator
        logs: dict[str, tf.Tensor] = {}
        with tf.GradientTape() as tape:
            seen = generator.see(batch["picture"], training=True)
            words, false = (
                {
                    "h_hat": self.forerunner(generator.text_encoder(batch[name], training=True)),
                    "mask": word_mask(batch[name]),
                }
                for name in ("tokens", "swapped")
            )
            logs["L_match"], logs["match_accuracy"] = self._match(seen, words, false)
            total = self._total({"L_match": logs["L_match"]})
        self._update(self.warm_up_optimizer, tape, total, self.warm_up_variables)
        return self._means(logs)

    def end_warm_up(self, tokens) -> float:
        """Start the memory from the textures that the warm-up found for the words of some captions.

        Args:
            tokens: [K, T], of training captions.

        Returns:
            The share of the textures' variance that the memory misses.
        """
        generator, model = self.generator, self.config.model
        h = generator.text_encoder(tokens)
        textures = self.forerunner(h).numpy()
        words = word_mask(tokens).numpy() > 0
        if generator.mtfg.without is not None:
            generator.mtfg.without.set_weights(self.forerunner.get_weights())
            missed = 0.0
        else:
            memory, kernel, missed = memorise(
                h.numpy()[words], textures[words], model.slots, model.temperature,
                self.config.train.seed,
            )  # fmt: skip
            generator.mtfg.memory.assign(memory)
            generator.mtfg.key.kernel.assign(kernel)
        self.averaged.set_weights(generator.get_weights())
        for d_t in self.d_t.values():
            d_t.text_encoder.set_weights(generator.text_encoder.get_weights())
        return missed

    def _static(self, batch):
        """A batch whose size, this replica's share, is known to the graph."""
        size = self.config.train.batch_size // self.replicas
        return {name: tf.ensure_shape(x, [size, *x.shape[1:]]) for name, x in batch.items()}

    def _total(self, terms):
        """Eq. 20 or 21: the weighted terms' mean over the global batch, checked to be finite."""
        means = [
            tf.debugging.check_numerics(tf.reduce_mean(term), name) for name, term in terms.items()
        ]
        return tf.add_n(means) / self.replicas

    def _update(self, optimizer, tape, total, variables) -> None:
        """One step of an optimizer, by the clipped gradient of the whole global batch."""
        # A switch may leave a network out of the loss; its gradient is zero then, not missing.
        gradients = [
            tf.zeros_like(variable.value) if gradient is None else gradient
            for gradient, variable in zip(tape.gradient(total, variables), variables, strict=True)
        ]
        if self.replicas > 1:
            context = tf.distribute.get_replica_context()
            gradients = [tf.convert_to_tensor(gradient) for gradient in gradients]
            gradients = context.all_reduce(tf.distribute.ReduceOp.SUM, gradients)
        # A finite loss may have a gradient that is not, at a root or a logarithm's end.
        norm = tf.debugging.check_numerics(tf.linalg.global_norm(gradients), "gradient")
        if self.config.optimizer.clip_norm is not None:
            clip = self.config.optimizer.clip_norm
            gradients, _ = tf.clip_by_global_norm(gradients, clip, use_norm=norm)
        else:  # the variables wait for the check
            with tf.control_dependencies([norm]):
                gradients = [tf.identity(gradient) for gradient in gradients]
        if self.replicas > 1:  # the optimizer is about to sum them over the replicas
            gradients = [gradient / self.replicas for gradient in gradients]
        optimizer.apply(gradients, variables)

    @staticmethod
    def _means(logs):
        return {name: tf.reduce_mean(value) for name, value in logs.items()}

    def after_step(self) -> None:
        """Count the step and average the generator (EMA); outside the replicas."""
        self.step.assign_add(1)
        step = tf.cast(self.step, tf.float32)
        # Early on the average follows quickly, so that it does not remember the initial weights.
        decay = tf.minimum(self.config.train.ema, (1 + step) / (10 + step))
        for mean, current in zip(self.averaged.weights, self.generator.weights, strict=True):
            mean.assign(mean.value + (1 - decay) * (current.value - mean.value))

    def set_progress(self, step: int, last: int) -> None:
        """Set the learning rates for a step of ``last``; the warm-up has a schedule of its own."""
        options, warm_up = self.config.optimizer, self.config.train.warm_up
        if step < warm_up:
            rate = options.warm_up_learning_rate * self._decay(step / warm_up)
            self.warm_up_optimizer.learning_rate.assign(rate)
        factor = self._decay(max(0, step - warm_up) / max(1, last - warm_up))
        self.generator_optimizer.learning_rate.assign(options.learning_rate * factor)
        self.discriminator_optimizer.learning_rate.assign(
            options.discriminator_learning_rate * factor
        )

    def _decay(self, progress: float) -> float:
        return min(1.0, 2 * (1 - progress)) if self.config.optimizer.decay else 1.0


def _told(change):
    """[B, S, S, 1] in [0.02, 1.02]: where words decide the colour; a little of everywhere."""
    return tf.minimum(2 * tf.reduce_max(tf.abs(change), axis=-1, keepdims=True), 1.0) + 0.02
