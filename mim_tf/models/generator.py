"""The generator: MTFG, TLU, ICM and FIR, one class a box of Fig. 3 and 4, in their order.

Dimensions: B batch, T words (padded), n memories, d text features, l texture channels,
N x M feature map, C = coarse size, F = fine size. Pictures are in [-1, 1], alpha in [0, 1].
"""

from __future__ import annotations

import keras
from keras import ops

from mim_tf.config import Config
from mim_tf.models.boundary import boundary_image
from mim_tf.models.encoders import ImageEncoder, TextEncoder, word_mask
from mim_tf.models.layers import Residual, activate, conv, masked_mean, resize


def _loud():
    """Initialiser of the projections of texture features.

    h^ and h- are averages of many memories, and differ little from caption to caption at first;
    at the usual scale the structure would drown them and the words be learned far later.
    """
    return keras.initializers.VarianceScaling(30.0)


def _quiet():
    """Initialiser of the last layers: a tanh that starts saturated never leaves its corner."""
    return keras.initializers.VarianceScaling(0.01)


_FEW_PLACES = 3.0  # offset of the word gates: closed to a twentieth where nothing is known
_UNSPOKEN = 0.25  # of the gates' sum: what weighs against the words where none speaks of a place


class MTFG(keras.Model):
    """Memory-based Texture Feature Generation, Sec. 3.1, Eq. 1 to 3.

    Args:
        slots: n.
        channels: l; Eq. 7 mixes memories with image features, so it must be theirs.
        text_dim: d.
        temperature: divides the logits of Eq. 2. Deviation: the paper has none (1.0).
        memory: False gives the paper's baseline, ``h^_i = W h_i`` with no memory at all.
    """

    def __init__(
        self, slots: int, channels: int, text_dim: int, temperature: float, memory: bool, **kwargs
    ) -> None:
        super().__init__(**kwargs)
        self.slots, self.channels, self.text_dim = slots, channels, text_dim
        self.temperature = temperature
        if memory:
            self.without = None
            self.key = keras.layers.Dense(text_dim, use_bias=False, name="W")
            self.memory = self.add_weight(
                shape=(slots, channels),
                initializer=keras.initializers.RandomNormal(stddev=1.0),
                name="memory",
            )  # Eq. 1
        else:
            self.without = keras.layers.Dense(channels, name="baseline")
            self.memory = None

    def attend(self, h):
        """Eq. 2: ``h`` [B, T, d] -> ``a`` [B, T, n], each row summing to 1."""
        keys = self.key(self.memory)  # [n, d]
        return ops.softmax(ops.matmul(h, ops.transpose(keys)) / self.temperature, axis=-1)

    def read(self, a):
        """Eq. 3: ``a`` [B, T, n] -> ``h^`` [B, T, l]."""
        return ops.matmul(a, self.memory)

    def call(self, h, training=False):
        """``h`` [B, T, d] -> ``h_hat`` [B, T, l] and ``attention`` [B, T, n] (n = 1 without)."""
        if self.without is not None:
            return {"h_hat": self.without(h), "attention": ops.ones_like(h[..., :1])}
        a = self.attend(h)
        return {"h_hat": self.read(a), "attention": a}


class TLU(keras.Model):
    """Target Localization Unit, Sec. 3.3, Eq. 9.

    Args:
        channels: l.
        affine: learn a slope and an offset for the logit, from 1 / sqrt(l) and 0. Deviation: the
            bare ``sigmoid(v^c . h-)`` starts saturated, and closed for good where it starts below
            zero; later it rests at 1/2 wherever the two are unrelated.
    """

    def __init__(self, channels: int, affine: bool, **kwargs) -> None:
        super().__init__(**kwargs)
        start = keras.initializers.Constant(channels**-0.5 if affine else 1.0)
        self.slope = self.add_weight(shape=(), initializer=start, trainable=affine, name="slope")
        self.offset = self.add_weight(
            shape=(), initializer="zeros", trainable=affine, name="offset"
        )

    def call(self, inputs, training=False):
        """``v_c`` [B, N, M, l] and ``h_bar`` [B, l] -> the logit of alpha [B, N, M, 1]."""
        h_bar = inputs["h_bar"][:, None, None, :]
        return self.slope * ops.sum(inputs["v_c"] * h_bar, axis=-1, keepdims=True) + self.offset


class WordGate(keras.Model):
    """Which places each word speaks of: Eq. 10's gate, one stage early and on ``v^b``.

    Deviation: the paper's ICM hears the average ``h-`` alone, in which nothing says which colour
    belongs to which part. A word speaks of few places, hence the offset: where the gate is small,
    normalising it over the picture makes a softmax of it.

    Args:
        channels: l.
    """

    def __init__(self, channels: int, **kwargs) -> None:
        super().__init__(**kwargs)
        self.query = conv(channels, 1, use_bias=False, name="W_q")
        self.scale = channels**-0.5

    def call(self, inputs, training=False):
        """``v_b`` [B, N, M, l] and ``h_hat`` [B, T, l] -> gates in 0..1, [B, NM, T]."""
        words = ops.transpose(inputs["h_hat"], (0, 2, 1))
        return ops.sigmoid(ops.matmul(self._places(inputs["v_b"]), words) - _FEW_PLACES)

    def all_pairs(self, v_b, h_hat):
        """Every picture against every caption: [B, N, M, l] and [J, T, l] -> [B, NM, J, T]."""
        captions, words, channels = h_hat.shape
        logits = ops.matmul(
            self._places(v_b), ops.transpose(ops.reshape(h_hat, (captions * words, channels)))
        )
        places = logits.shape[1]
        return ops.sigmoid(ops.reshape(logits, (-1, places, captions, words)) - _FEW_PLACES)

    def _places(self, v_b):
        _, height, width, channels = v_b.shape
        return ops.reshape(self.query(v_b), (-1, height * width, channels)) * self.scale


class ICM(keras.Model):
    """Initial Coarse Manipulation, Sec. 3.2, Eq. 5 to 8.

    Args:
        channels: l.
        size: C, of the coarse picture.
        decoder_channels: width of Dec_c.
        tlu: False fuses ``v^c`` and ``v^i`` half and half and calls alpha 1 (the ablation).
        tlu_affine: see :class:`TLU`.
        fuse: False leaves ``v^i`` out of Eq. 7. Deviation: with it, decoding the old colours is
            learned long before the words; composition brings the background back as well.
        word_gates: Eq. 5 hears at each place the words that speak of it, see :class:`WordGate`.
    """

    def __init__(
        self,
        channels: int,
        size: int,
        decoder_channels: int,
        tlu: bool,
        tlu_affine: bool,
        fuse: bool,
        word_gates: bool,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        self.size, self.fuse = size, fuse
        self.gate = WordGate(channels) if word_gates else None
        self.w_v = conv(channels, 1, name="W_v")
        self.w_h = keras.layers.Dense(
            channels, use_bias=False, kernel_initializer=_loud(), name="W_h"
        )
        self.f_r = Residual(channels, name="f_r")
        self.tlu = TLU(channels, tlu_affine) if tlu else None
        self.decode_in = conv(decoder_channels, name="Dec_c_in")
        self.decode_mid = Residual(decoder_channels, name="Dec_c_mid")
        self.decode_out = conv(3, kernel_initializer=_quiet(), name="Dec_c_out")

    def call(self, inputs, training=False):
        """One coarse edit.

        Args:
            inputs: ``v_b`` [B, N, M, l], ``h_bar`` [B, l], ``h_hat`` [B, T, l], ``mask`` [B, T]
                and, with ``fuse`` or without TLU, ``v_i`` [B, N, M, l].

        Returns:
            ``v_u`` [B, C, C, l], ``logit`` of alpha [B, N, M, 1] (None without TLU) and the drawn
            picture ``drawn`` [B, C, C, 3].
        """
        h_bar = inputs["h_bar"]
        # Eq. 5 as two projections: W_r [v^b, h-] = W_v v^b + W_h h-.
        v = self.w_v(inputs["v_b"]) + self.w_h(self._texture(inputs))
        v_c = self.f_r(v)  # Eq. 6
        if self.tlu is None:
            logit, fused = None, (v_c + inputs["v_i"]) / 2
        else:
            logit = self.tlu({"v_c": v_c, "h_bar": h_bar}, training=training)  # Eq. 9
            alpha = ops.sigmoid(logit)
            fused = alpha * v_c + (1 - alpha) * inputs["v_i"] if self.fuse else v_c
        v_u = resize(fused, self.size)  # Eq. 7
        x = self.decode_mid(self.decode_in(activate(v_u)))
        drawn = ops.tanh(self.decode_out(activate(x)))  # Eq. 8
        return {"v_u": v_u, "logit": logit, "drawn": drawn}

    def _texture(self, inputs):
        """The texture of each place: [B, N, M, l] of the words that speak of it, or ``h-``."""
        if self.gate is None:
            return inputs["h_bar"][:, None, None, :]
        v_b, h_hat = inputs["v_b"], inputs["h_hat"]
        gate = self.gate({"v_b": v_b, "h_hat": h_hat}) * inputs["mask"][:, None, :]
        total = ops.sum(gate, axis=-1, keepdims=True) + _UNSPOKEN
        spoken = ops.matmul(gate / total, h_hat)  # [B, NM, l]
        return ops.reshape(spoken, (-1, v_b.shape[1], v_b.shape[2], h_hat.shape[-1]))


class FIR(keras.Model):
    """Fine-grain Image Refinement, Sec. 3.4, Eq. 10 and 11.

    Args:
        size: F, of the fine picture.
        decoder_channels: width of Dec_f.
        structure_skip: Dec_f also gets the structure at full size. Deviation: the paper's
            gets ``v^u`` and ``h^f`` alone.
        refine_alpha: Dec_f adds to the logit of alpha. Deviation: the paper has one alpha.
        slope: factor inside Eq. 10's sigmoid, as in :class:`TLU`; 1 is the paper's.
    """

    def __init__(
        self,
        size: int,
        decoder_channels: int,
        structure_skip: bool,
        refine_alpha: bool,
        slope: float,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        self.size, self.slope = size, slope
        # A 1x1 convolution commutes with U: project [v^u, h^f] first, enlarge after.
        self.project_v = conv(decoder_channels, 1, name="Dec_f_v")
        self.project_h = conv(
            decoder_channels, 1, use_bias=False, kernel_initializer=_loud(), name="Dec_f_h"
        )
        self.skip = conv(decoder_channels, 3, name="Dec_f_skip") if structure_skip else None
        self.decode_mid = Residual(decoder_channels, name="Dec_f_mid")
        self.decode_out = conv(3, kernel_initializer=_quiet(), name="Dec_f_out")
        self.refine = (
            conv(1, kernel_initializer="zeros", name="Dec_f_alpha") if refine_alpha else None
        )

    def call(self, inputs, training=False):
        """One refinement.

        Args:
            inputs: ``v_u`` [B, C, C, l], ``h_hat`` [B, T, l], ``mask`` [B, T], ``structure``
                [B, F, F, 1] and ``logit`` [B, N, M, 1] or None.

        Returns:
            ``logit`` of alpha [B, F, F, 1] (None without TLU) and ``drawn`` [B, F, F, 3].
        """
        v_u, h_hat, mask, logit = (inputs[key] for key in ("v_u", "h_hat", "mask", "logit"))
        size, channels = v_u.shape[1], v_u.shape[-1]
        flat = ops.reshape(v_u, (-1, size * size, channels))  # [B, CC, l]
        gate = ops.matmul(flat, ops.transpose(h_hat, (0, 2, 1))) * self.slope
        gate = ops.sigmoid(gate)  # [B, CC, T]
        gate = gate * (mask / ops.sum(mask, axis=1, keepdims=True))[:, None, :]
        h_f = ops.reshape(ops.matmul(gate, h_hat), (-1, size, size, channels))  # Eq. 10
        x = resize(self.project_v(activate(v_u)) + self.project_h(h_f), self.size)
        if self.skip is not None:
            x = x + self.skip(inputs["structure"])
        x = activate(self.decode_mid(x))
        drawn = ops.tanh(self.decode_out(x))  # Eq. 11
        if logit is not None:
            logit = resize(logit, self.size)
            if self.refine is not None:
                logit = logit + self.refine(x)
        return {"logit": logit, "drawn": drawn}


class Generator(keras.Model):
    """Fig. 3: a picture and a caption in, the edited picture out, coarse and fine.

    Three steps that other code may take one by one: :meth:`read` the caption, :meth:`see` the
    picture, :meth:`paint`.

    Args:
        vocabulary_size: number of token ids.
        vectors: pretrained word embeddings (:class:`mim_tf.text.WordVectors`) or None.
        compose: ``I = alpha drawn + (1 - alpha) I_in`` at each stage's own size. Deviation: Eq. 7
            alone mixes features, and a decoder can undo a constant mixture.
        fine: False leaves out FIR.
        Others: as in :class:`mim_tf.config.ModelConfig`.
    """

    def __init__(
        self,
        *,
        vocabulary_size: int,
        vectors=None,
        coarse_size: int,
        fine_size: int,
        boundary: str,
        encoder: str,
        encoder_layer: str,
        encoder_weights: str,
        channels: int,
        word_dim: int,
        text_dim: int,
        memory: bool,
        slots: int,
        temperature: float,
        tlu: bool,
        tlu_affine: bool,
        fuse: bool,
        word_gates: bool,
        fine: bool,
        compose: bool,
        refine_alpha: bool,
        structure_skip: bool,
        decoder_channels: int,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        self.boundary = boundary
        self.coarse_size, self.fine_size, self.compose = coarse_size, fine_size, compose and tlu
        self.text_encoder = TextEncoder(vocabulary_size, word_dim, text_dim, vectors)
        self.enc = ImageEncoder(encoder, channels, encoder_layer, encoder_weights, fine_size)
        channels = self.enc.channels
        self.mtfg = MTFG(slots, channels, text_dim, temperature, memory)
        self.icm = ICM(channels, coarse_size, decoder_channels, tlu, tlu_affine, fuse, word_gates)
        slope = channels**-0.5 if tlu_affine else 1.0
        self.fir = (
            FIR(fine_size, decoder_channels, structure_skip, refine_alpha, slope) if fine else None
        )

    def read(self, tokens, training=False):
        """``tokens`` [B, T] -> ``h_hat`` [B, T, l], ``attention`` [B, T, n], ``mask`` [B, T]."""
        h = self.text_encoder(tokens, training=training)
        return {**self.mtfg(h, training=training), "mask": word_mask(tokens)}

    def see(self, picture, training=False):
        """Encode a picture [B, F, F, 3].

        Returns:
            ``picture``, ``structure`` (its boundary) [B, F, F, 1], ``v_b`` [B, N, M, l] and, in
            training or where Eq. 7 mixes it in, ``v_i`` [B, N, M, l].
        """
        structure = boundary_image(picture, self.boundary)
        seen = {"picture": picture, "structure": structure}
        if training or self.icm.fuse:
            return {**seen, **self.enc(seen, training=training)}
        # L_p and L_match alone would hear v^i: an edit is spared half of Enc.
        return {**seen, "v_b": self.enc.structure(structure)}

    def see_other_texture(self, seen, picture, training=False):
        """What was seen, with the texture of another picture [B, F, F, 3] of the same structure."""
        return {**seen, "picture": picture, "v_i": self.enc.texture(picture, training=training)}

    def draw(self, seen, h_hat, mask, training=False):
        """Draw the texture ``h_hat`` [B, T, l] on what was seen, before composition.

        Returns:
            ``drawn`` and ``alphas``: dictionaries with ``coarse`` and (unless FIR is off) ``fine``:
            [B, C, C, 3], or 1 for alpha, and [B, F, F, 3]; ``h_bar`` [B, l]; ``alpha``
            [B, N, M, 1] of Eq. 9.
        """
        h_bar = masked_mean(h_hat, mask)  # Eq. 4, averaged as the text says
        told = {"h_bar": h_bar, "h_hat": h_hat, "mask": mask}
        coarse = self.icm({**seen, **told}, training=training)
        logit = coarse["logit"]
        drawn = {"coarse": coarse["drawn"]}
        logits = {"coarse": _resized(logit, self.coarse_size)}
        if self.fir is not None:
            fine = self.fir(
                {"v_u": coarse["v_u"], "h_hat": h_hat, "mask": mask, "logit": logit,
                 "structure": seen["structure"]},
                training=training,
            )  # fmt: skip
            drawn["fine"], logits["fine"] = fine["drawn"], fine["logit"]
        alphas = {stage: _opened(logits[stage], picture) for stage, picture in drawn.items()}
        alpha = _opened(logit, seen["v_b"])
        return {"drawn": drawn, "alphas": alphas, "alpha": alpha, "h_bar": h_bar}

    def composed(self, out, picture):
        """What :meth:`draw` returned, with ``images`` besides: the drawn pictures, laid by alpha
        over ``picture`` [B, F, F, 3] where the model composes."""
        images = {}
        for stage, drawn in out["drawn"].items():
            if self.compose:
                alpha = out["alphas"][stage]
                drawn = alpha * drawn + (1 - alpha) * resize(picture, drawn.shape[1])
            images[stage] = drawn
        return {**out, "images": images}

    def paint(self, seen, h_hat, mask, training=False):
        """:meth:`draw`, then :meth:`composed` with the picture that was seen."""
        return self.composed(self.draw(seen, h_hat, mask, training=training), seen["picture"])

    def call(self, inputs, training=False):
        """``picture`` [B, F, F, 3] and ``tokens`` [B, T] -> what :meth:`paint` returns, and
        the ``attention`` [B, T, n]."""
        words = self.read(inputs["tokens"], training=training)
        seen = self.see(inputs["picture"], training=training)
        painted = self.paint(seen, words["h_hat"], words["mask"], training=training)
        return {**painted, "attention": words["attention"]}


def make_generator(config: Config, vocabulary_size: int, vectors=None) -> Generator:
    """A built generator as the configuration asks for."""
    options = config.model.model_dump(exclude={"discriminator_channels"})
    generator = Generator(vocabulary_size=vocabulary_size, vectors=vectors, **options)
    size = config.model.fine_size
    generator(
        {
            "picture": ops.zeros([1, size, size, 3]),
            "tokens": ops.ones([1, config.data.max_words], "int32"),
        },
        training=True,  # an edit alone may not build all of Enc
    )
    return generator


def _opened(logit, like):
    """alpha from its logit; 1 everywhere without TLU."""
    return ops.ones_like(like[..., :1]) if logit is None else ops.sigmoid(logit)


def _resized(logit, size: int):
    return None if logit is None else resize(logit, size)
