"""The stages of Sec. 3.5 on a batch: reconstruction, adversarial.

Each takes the state of training and a batch, moves the state's networks, and returns its losses
under the paper's names, means over this replica's samples, and the norm of each gradient.

Dimensions: B batch (of this replica), T words (padded), S a stage's size, F the fine size.
A batch holds ``picture`` [B, F, F, 3] in [-1, 1] and captions [B, T]: ``tokens`` (the picture's
own), ``mismatched`` (another picture's), ``swapped`` (its own made false: a hard negative) and
``false`` (either of the two). One whose true edits are known (:mod:`mim_tf.data.recolouring`)
holds besides ``before`` [B, F, F, 3], the picture to be edited into ``picture``.
"""

from __future__ import annotations

import tensorflow as tf

from mim_tf.models.layers import resize
from mim_tf.training import random_memories
from mim_tf.training.accumulation import Shared, minimise
from mim_tf.training.encoding import encode_pictures, encode_start, halves
from mim_tf.training.losses import L_I, L_T, L_D_reality, L_D_text, L_p, L_rec
from mim_tf.training.matching import add_match, gate_logits, of_all_replicas
from mim_tf.training.pairs import add_alpha, add_where
from mim_tf.training.replicas import rows_of
from mim_tf.training.state import TrainingState
from mim_tf.training.updates import Losses

# How much stronger than the model's own the change of colour is from which reconstruction starts:
# what the model draws is an average of guesses, and paler than any of them.
_EXAGGERATION = 2.0

# Reconstruction stage, Sec. 3.5.2: the only stage that updates the memory. ----------------------


def reconstruction_step(state: TrainingState, batch, *, random_memory: bool = True):
    """L_rec, L_p, L_m (Eq. 14 to 16, 20), L_match and the prior on alpha; updates the generator
    and its memory.

    Args:
        random_memory: with L_m, for which D_I must have learned something.
    """
    generator, weights = state.generator, state.config.loss
    deviations, memory = state.config.deviations, state.config.model.memory

    def whole(losses: Losses) -> Shared:
        both = tf.concat([batch["tokens"], batch["swapped"]], axis=0)
        own, negative = halves(generator.encode_text(both, training=True))
        features = encode_start(state, batch)
        if deviations.word_gates and deviations.match:
            captions = of_all_replicas(state, own)
            logits_of = gate_logits(state, features, captions, negative)
            weight = deviations.match
            add_match(state, losses, features, captions, negative, logits_of, weight=weight)
        if memory:
            losses.log("attention_entropy", _entropy(own["attention"], own["mask"]))
        shared = {"own": own, "negative": negative, "features": features, "batch": batch}
        if random_memory and memory and random_memories.wanted(state):
            shared["texture"] = random_memories.texture(state, own["mask"])
        return shared | {"recoloured": _chosen(state)}

    def part(losses: Losses, shared: Shared) -> None:
        own, features, rows = shared["own"], shared["features"], shared["batch"]
        out = generator.draw(features, own["h_hat"], own["mask"], training=True)
        start = _start(state, shared, out)
        if deviations.fuse and start is not rows["picture"]:
            # Eq. 7 would bring v^i of the original, which shows the colours to be found.
            features_in = generator.with_texture_of(features, start, training=True)
            out = generator.draw(features_in, own["h_hat"], own["mask"], training=True)
        out = generator.composed(out, start)
        _add_reconstruction(state, losses, out, rows["picture"], start)
        # L_p could also be lowered by smaller features: it must not train Enc.
        v_i = tf.stop_gradient(features["v_i"])
        losses.add("L_p", L_p(v_i, out["alpha"], out["h_bar"]), weights.p)
        add_where(state, losses, features, own, rows)
        add_alpha(state, losses, out, rows)
        prior = _composing(state) * _alpha_prior(state)
        losses.add("alpha", _mean_alpha(state, out), prior)
        if "texture" in shared:
            texture = shared["texture"]
            random_memories.add_L_m(state, losses, features, texture, own["mask"])

    variables = generator.trainable_variables
    return minimise(state, state.generator_optimizer, variables, whole, part, "gradient")


def _start(state: TrainingState, shared: Shared, out):
    """The pictures that reconstruction starts from, [B, F, F, 3].

    Deviation: the paper starts from the picture itself, which copying reconstructs. Here it starts
    from ``before`` where the batch has it, and else from the picture recoloured by the model.
    """
    batch = shared["batch"]
    if "before" in batch:
        return batch["before"]
    if not state.config.deviations.perturb:
        return batch["picture"]
    return _recoloured(state, shared["features"], out, shared["negative"], shared["recoloured"])


def _chosen(state: TrainingState):
    """Which pictures are recoloured, [B]: the first ``perturb`` share of the global batch."""
    batch = state.config.train.batch_size
    count = round(state.config.deviations.perturb * batch)
    return rows_of(tf.range(batch) < count, state.replicas)


def _recoloured(state: TrainingState, features, out, negative, chosen):
    """The pictures of a batch, those that are ``chosen`` [B] recoloured by the model,
    [B, F, F, 3].

    They get the difference between the model's own drawings of a false caption (``negative``) and
    of the true one (``out``): only what the words decide is recoloured, and only the true caption
    can undo it.
    """
    picture, stage = features["picture"], state.stages[-1]
    drawn = state.generator.draw(features, negative["h_hat"], negative["mask"])["drawn"][stage]
    change = _EXAGGERATION * resize(drawn - out["drawn"][stage], picture.shape[1])
    recoloured = tf.clip_by_value(picture + change, -1.0, 1.0)
    return tf.stop_gradient(tf.where(chosen[:, None, None, None], recoloured, picture))


def _add_reconstruction(state: TrainingState, losses: Losses, out, picture, start) -> None:
    """L_rec (Eq. 14) of each stage, between ``picture`` and the edit of ``start``.

    Deviation: also between ``picture`` and what was drawn, before composition; there the places
    that were recoloured count most.
    """
    weights, deviations = state.config.loss.rec, state.config.deviations
    composing = _composing(state)
    where = {
        stage: _recoloured_places(resize(start - picture, size))
        for stage, size in state.sizes.items()
    }
    for stage in state.stages:
        image = out["images"][stage]
        target = resize(picture, image.shape[1])
        loss = L_rec(target, image, deviations.rec_norm)
        losses.add(f"L_rec_{stage}", loss, composing * weights[stage])
        if _draws(state):
            drawn = out["drawn"][stage]
            loss = L_rec(target, drawn, deviations.rec_norm, where[stage])
            losses.add(f"L_rec_drawn_{stage}", loss, deviations.rec_drawn * weights[stage])


def _recoloured_places(change):
    """[B, S, S, 1] in [0.02, 1.02], the weights of pixels: how much each was recoloured, and a
    little for all others."""
    return tf.minimum(2 * tf.reduce_max(tf.abs(change), axis=-1, keepdims=True), 1.0) + 0.02


def _draws(state: TrainingState) -> bool:
    """Whether L_rec also looks at what is drawn, before composition."""
    return state.generator.compose and state.config.deviations.rec_drawn > 0


def _composing(state: TrainingState):
    """0 while ``draw_first`` lasts and 1 later: the weight of what depends on alpha.

    As long as the drawn pictures are poor, L_rec would close alpha for good.
    """
    deviations = state.config.deviations
    first = deviations.draw_first if _draws(state) else 0
    return tf.cast(state.steps_after_warm_up() >= first, tf.float32)


def _alpha_prior(state: TrainingState):
    """The weight of mean(alpha) at this step."""
    deviations = state.config.deviations
    started = tf.cast(state.steps_after_warm_up() >= deviations.alpha_prior_start, tf.float32)
    return deviations.alpha_prior * started


def _mean_alpha(state: TrainingState, out):
    """[B], of the last stage."""
    return tf.reduce_mean(out["alphas"][state.stages[-1]], axis=[1, 2, 3])


def _entropy(attention, mask):
    """[B], of Eq. 2's weights in nats, mean over a caption's words."""
    attention = tf.maximum(attention, 1e-9)
    entropy = -tf.reduce_sum(attention * tf.math.log(attention), axis=-1)
    return tf.reduce_sum(entropy * mask, 1) / tf.reduce_sum(mask, 1)


# Adversarial stage, Sec. 3.5.3: the memory is frozen. -------------------------------------------


def adversarial_step(state: TrainingState, batch, *, update_generator: bool = True):
    """First the discriminators (Eq. 17, 21), then the generator without its memory
    (Eq. 18 to 20)."""
    generator, weights = state.generator, state.config.loss
    reality, judged = state.config.deviations.reality, {}

    def paint(shared: Shared):
        text = shared["text"]
        return generator.paint(shared["features"], text["h_hat"], text["mask"], training=True)

    def whole(losses: Losses) -> Shared:
        text = generator.encode_text(batch["mismatched"], training=True)
        shared = {"text": text, "features": encode_pictures(state, batch), "batch": batch}
        if state.config.train.accumulate > 1:
            # All parts must meet the discriminators of the whole batch: each is drawn twice.
            judged.update(discriminator_step(state, shared, lambda rows: paint(rows)["images"]))
        return shared

    def part(losses: Losses, shared: Shared) -> None:
        out = paint(shared)
        fakes, tokens = out["images"], shared["batch"]["mismatched"]
        if state.config.train.accumulate == 1:
            judged.update(discriminator_step(state, shared, lambda _: fakes))
        for stage in state.stages:
            logit = state.d_i[stage](fakes[stage], training=True)
            log_match = state.d_t[stage]({"picture": fakes[stage], "tokens": tokens}, training=True)
            losses.add(f"L_I_{stage}", L_I(logit, reality), weights.I[stage])
            losses.add(f"L_T_{stage}", L_T(log_match), weights.T[stage])
        losses.add("alpha_edited", _mean_alpha(state, out), _alpha_prior(state))

    optimizer = state.generator_optimizer if update_generator else None
    variables = state.adversarial_variables
    logs = minimise(state, optimizer, variables, whole, part, "gradient_edited")
    return judged | logs


def discriminator_step(state: TrainingState, shared: Shared, fakes_of):
    """L_D (Eq. 17, 21); updates D_I and D_T.

    Args:
        shared: ``batch``, and what ``fakes_of`` needs.
        fakes_of: from rows of ``shared`` the edits of each stage by the mismatched captions.
    """
    weights = state.config.loss.beta

    def part(losses: Losses, shared: Shared) -> None:
        batch, fakes = shared["batch"], fakes_of(shared)
        for stage in state.stages:
            fake = tf.stop_gradient(fakes[stage])
            real = resize(batch["picture"], fake.shape[1])
            logits = state.d_i[stage](tf.concat([real, fake], axis=0), training=True)
            real_logit, fake_logit = tf.split(logits, 2)
            reality = L_D_reality(real_logit, fake_logit, state.config.deviations.reality)
            text = _text_loss(state, losses, stage, batch, real, fake)
            losses.add(f"L_D_{stage}", reality + text, weights[stage])

    optimizer, variables = state.discriminator_optimizer, state.discriminator_variables
    return minimise(state, optimizer, variables, lambda _: shared, part, "gradient_D")


def _text_loss(state: TrainingState, losses: Losses, stage: str, batch, real, fake):
    """The text terms of Eq. 17 for one stage; logs how often D_T prefers the true caption."""
    deviations, d_t = state.config.deviations, state.d_t[stage]
    feature = d_t.f(real, training=True)
    both = tf.concat([batch["tokens"], batch["false"]], axis=0)
    judged = d_t.judge(tf.tile(feature, [2, 1]), both, training=True)
    log_real, log_false = tf.split(judged, 2)
    losses.log(f"D_T_accuracy_{stage}", tf.cast(log_real > log_false, tf.float32))
    log_fake = None
    if deviations.D_T_fake:
        log_fake = d_t({"picture": fake, "tokens": batch["mismatched"]}, training=True)
    return L_D_text(log_real, log_fake, log_false, deviations.D_T_fake, deviations.D_T_mismatched)
