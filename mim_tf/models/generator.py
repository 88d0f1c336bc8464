"""The generator, Fig. 3: text encoder and MTFG, Enc, ICM, FIR, and the picture they make.

Dimensions: B batch, T words (padded), n memories, d text features, l texture channels,
N x M feature map, C coarse size, F fine size. Pictures are in [-1, 1], alpha in [0, 1].
"""

from __future__ import annotations

from keras import ops

from mim_tf.config import Config, Deviations, ModelConfig
from mim_tf.models.boundary import boundary_image
from mim_tf.models.encoders import ImageEncoder, TextEncoder, word_mask
from mim_tf.models.fir import FIR
from mim_tf.models.icm import ICM
from mim_tf.models.layers import Network, computing_in, masked_mean, resize
from mim_tf.models.mtfg import MTFG
from mim_tf.models.shading import with_detail
from mim_tf.text import WordVectors


class Generator(Network):
    """Fig. 3: a picture and a caption in, the edited picture out, coarse and fine.

    Three steps that other code may take by themselves: :meth:`encode_text`,
    :meth:`encode_picture`, :meth:`paint`.

    Args:
        model: sizes and widths; with ``fine`` off there is no FIR.
        deviations: ``compose``: ``I = alpha drawn + (1 - alpha) I_in`` at each stage's own size.
            Deviation: Eq. 7 alone mixes features, and a decoder can undo a constant mixture.
            ``keep_detail``: what is drawn keeps the fine detail of the picture it is laid over.
            Others: see :class:`ICM` and :class:`FIR`.
        vocabulary_size: number of token ids.
        vectors: pretrained word embeddings, if there are any.
        precision: of Enc, ICM and FIR, which do almost all of the work, see
            :func:`mim_tf.models.layers.computing_in`. Text, the memory and all that leaves the
            networks are float32 in every one.
    """

    def __init__(
        self,
        model: ModelConfig,
        deviations: Deviations,
        vocabulary_size: int,
        vectors: WordVectors | None = None,
        precision: str = "float32",
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        self.boundary = model.boundary
        self.coarse_size, self.fine_size = model.coarse_size, model.fine_size
        self.compose = deviations.compose and model.tlu
        self.keep_detail = deviations.keep_detail
        self.text_encoder = TextEncoder(model, vocabulary_size, vectors)
        with computing_in(precision):
            self.enc = ImageEncoder(model)
        channels = self.enc.channels
        self.mtfg = MTFG(model, channels)
        with computing_in(precision):
            self.icm = ICM(model, deviations, channels)
            self.fir = FIR(model, deviations, channels) if model.fine else None

    def encode_text(self, tokens, training=False):
        """``tokens`` [B, T] -> ``h_hat`` [B, T, l], ``attention`` [B, T, n], ``mask`` [B, T]."""
        h = self.text_encoder(tokens, training=training)
        return {**self.mtfg(h, training=training), "mask": word_mask(tokens)}

    def encode_picture(self, picture, texture_of=None, training=False):
        """Encode a picture [B, F, F, 3].

        Args:
            texture_of: [B, F, F, 3], whose texture ``v_i`` is wanted; itself unless given.

        Returns:
            ``picture``, ``structure`` (its boundary) [B, F, F, 1], ``v_b`` [B, N, M, l] and, in
            training or where Eq. 7 mixes it in, ``v_i`` [B, N, M, l].
        """
        features = {"picture": picture, "structure": boundary_image(picture, self.boundary)}
        if training or self.icm.fuse:
            inputs = {**features, "texture_of": picture if texture_of is None else texture_of}
            return {**features, **self.enc(inputs, training=training)}
        # Only L_p and L_match would use v^i: an edit does without half of Enc.
        return {**features, "v_b": self.enc.structure(features)}

    def with_texture_of(self, features, picture, training=False):
        """The features of a picture, but with ``v_i`` of another [B, F, F, 3] that has the same
        structure."""
        return {**features, "picture": picture, "v_i": self.enc.texture(picture, training=training)}

    def draw(self, features, h_hat, mask, training=False):
        """Draw the texture ``h_hat`` [B, T, l] on a picture's structure, before composition.

        Returns:
            ``drawn`` and ``alphas``: dictionaries with ``coarse`` and (unless FIR is off) ``fine``:
            [B, C, C, 3], or 1 for alpha, and [B, F, F, 3]; ``h_bar`` [B, l]; ``alpha``
            [B, N, M, 1] of Eq. 9.
        """
        h_bar = masked_mean(h_hat, mask)  # Eq. 4, averaged as the text says
        text = {"h_bar": h_bar, "h_hat": h_hat, "mask": mask}
        coarse = self.icm({**features, **text}, training=training)
        logit = coarse["logit"]
        drawn = {"coarse": coarse["drawn"]}
        logits = {"coarse": None if logit is None else resize(logit, self.coarse_size)}
        if self.fir is not None:
            fine = self.fir(
                {"v_u": coarse["v_u"], "h_hat": h_hat, "mask": mask, "logit": logit,
                 "structure": features["structure"]},
                training=training,
            )  # fmt: skip
            drawn["fine"], logits["fine"] = fine["drawn"], fine["logit"]
        alphas = {stage: _alpha(logits[stage], picture) for stage, picture in drawn.items()}
        alpha = _alpha(logit, features["v_b"])
        return {"drawn": drawn, "alphas": alphas, "alpha": alpha, "h_bar": h_bar}

    def composed(self, out, picture):
        """What :meth:`draw` returned, with ``images`` besides: the drawn pictures, laid by alpha
        over ``picture`` [B, F, F, 3] where the model composes, which they may take their fine
        detail from."""
        images, drawings = {}, {}
        for stage, drawn in out["drawn"].items():
            under = resize(picture, drawn.shape[1])
            if self.keep_detail:
                drawn = with_detail(drawn, under)
            drawings[stage] = images[stage] = drawn
            if self.compose:
                alpha = out["alphas"][stage]
                images[stage] = alpha * drawn + (1 - alpha) * under
        return {**out, "drawn": drawings, "images": images}

    def paint(self, features, h_hat, mask, training=False):
        """:meth:`draw`, then :meth:`composed` with the picture that was encoded."""
        out = self.draw(features, h_hat, mask, training=training)
        return self.composed(out, features["picture"])

    def call(self, inputs, training=False):
        """``picture`` [B, F, F, 3] and ``tokens`` [B, T] -> what :meth:`paint` returns, and
        the ``attention`` [B, T, n]."""
        text = self.encode_text(inputs["tokens"], training=training)
        features = self.encode_picture(inputs["picture"], training=training)
        painted = self.paint(features, text["h_hat"], text["mask"], training=training)
        return {**painted, "attention": text["attention"]}


def make_generator(
    config: Config,
    vocabulary_size: int,
    vectors: WordVectors | None = None,
    precision: str = "float32",
) -> Generator:
    """A built generator, all of whose weights exist, as the configuration asks for; only training
    asks for another precision."""
    generator = Generator(config.model, config.deviations, vocabulary_size, vectors, precision)
    size = config.model.fine_size
    generator(
        {
            "picture": ops.zeros([1, size, size, 3]),
            "tokens": ops.ones([1, config.data.max_words], "int32"),
        },
        training=True,  # an edit alone may not build all of Enc
    )
    return generator


def _alpha(logit, like):
    """alpha from its logit; without TLU (no logit) 1 everywhere, with the batch and the size of
    ``like``."""
    return ops.ones_like(like[..., :1]) if logit is None else ops.sigmoid(logit)
