"""TextEncoder (Bi-LSTM) and ImageEncoder (Enc in Fig. 3 and 4).

Dimensions: B batch, T words (padded), d text features, l texture channels, N x M feature map,
H x W picture.
"""

from __future__ import annotations

from pathlib import Path

import keras
from keras import ops

from mim_tf.config import ModelConfig
from mim_tf.errors import UserError
from mim_tf.models.efficientnet import EfficientNetEncoder
from mim_tf.models.layers import Network, Norm, Residual, activate, conv, resize
from mim_tf.pictures.tensor_pixels import from_signed
from mim_tf.text import WordVectors

# Means of ImageNet's channels (BGR) that keras.applications' VGG weights expect subtracted.
_VGG_MEANS = (103.939, 116.779, 123.68)


def word_mask(tokens):
    """``[B, T]`` ids -> ``[B, T]`` float 1 for words, 0 for padding (id 0)."""
    return ops.cast(ops.not_equal(tokens, 0), "float32")


class TextEncoder(Network):
    """Sec. 3.1: word embeddings and a Bi-LSTM.

    Args:
        model: ``word_dim``, the width of an embedding learned from scratch, and d (``text_dim``);
            each direction of the Bi-LSTM has d / 2 units.
        vocabulary_size: number of token ids.
        vectors: pretrained embeddings; they are trained further unless ``vectors.trainable`` is
            off.
    """

    def __init__(
        self,
        model: ModelConfig,
        vocabulary_size: int,
        vectors: WordVectors | None = None,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        word_dim = model.word_dim
        # Unit variance, as pretrained vectors have; Keras's default, a twentieth of it, would give
        # the Bi-LSTM almost the same input for every word.
        initializer: object = keras.initializers.RandomNormal(stddev=1.0)
        self.fixed = None
        if vectors is not None:
            word_dim = vectors.table.shape[1]
            initializer = keras.initializers.Constant(vectors.table)
            if not vectors.trainable:
                self.fixed = vectors.known[:, None].astype("float32")
        self.embedding = keras.layers.Embedding(
            vocabulary_size, word_dim, embeddings_initializer=initializer
        )
        self.bi_lstm = keras.layers.Bidirectional(
            keras.layers.LSTM(model.text_dim // 2, return_sequences=True)
        )

    def call(self, tokens, training=False):
        """``tokens`` [B, T] int32, padded with 0 -> ``h`` [B, T, d]; padded rows are zero."""
        mask = ops.not_equal(tokens, 0)
        words = self.embedding(tokens)
        if self.fixed is not None:
            fixed = ops.take(self.fixed, tokens, axis=0)  # [B, T, 1]
            words = fixed * ops.stop_gradient(words) + (1 - fixed) * words
        h = self.bi_lstm(words, mask=mask, training=training)
        return h * ops.expand_dims(word_mask(tokens), -1)


class SmallEncoder(Network):
    """Our own Enc, at half the picture's size, trained with the other networks in minutes.

    With ``halvings`` it is a small U-Net: the way down lets every position depend on the whole
    object, since a part can only be told by its place on the object, and the additions on the way
    up restore the exact position.

    Deviation: the paper uses a single pretrained CNN for picture and boundary; this encoder exists
    twice, with separate weights.

    Args:
        channels: l.
        halvings: how often the size is halved further, and doubled again.
    """

    def __init__(self, channels: int, halvings: int, **kwargs) -> None:
        super().__init__(**kwargs)
        half = channels // 2
        self.stem = conv(half, 5, strides=2)
        self.enter = conv(channels)
        self.down = [conv(channels, strides=2) for _ in range(halvings)]
        self.down_blocks = [Residual(channels) for _ in self.down]
        self.up_blocks = [Residual(channels) for _ in self.down]
        self.norm = Norm()

    def call(self, picture, training=False):
        """``picture`` [B, H, W, C] -> [B, H/2, W/2, l]."""
        x = self.enter(activate(self.stem(picture)))
        passed = []
        for down, block in zip(self.down, self.down_blocks, strict=True):
            passed.append(x)
            x = block(down(activate(x)))
        for skip, block in zip(reversed(passed), self.up_blocks, strict=True):
            x = block(resize(x, skip.shape[1]) + skip)
        return self.norm(x)


class VGGEncoder(Network):
    """Enc as published systems have it: a frozen ImageNet VGG, cut at a named layer.

    Args:
        model: ``encoder``, ``encoder_layer``, ``encoder_weights`` and ``fine_size``.

    Raises:
        UserError: the weights cannot be downloaded or read, or there is no such layer.
    """

    def __init__(self, model: ModelConfig, **kwargs) -> None:
        super().__init__(**kwargs)
        name_of, layer, weights = model.encoder, model.encoder_layer, model.encoder_weights
        size = model.fine_size
        make = {"vgg16": keras.applications.VGG16, "vgg19": keras.applications.VGG19}[name_of]
        source = "imagenet" if weights == "imagenet" else None
        try:
            whole = make(include_top=False, weights=source, input_shape=(size, size, 3))
        except Exception as error:  # keras raises a bare Exception when its download fails
            raise UserError(
                f"cannot download {name_of}'s ImageNet weights ({type(error).__name__}); fetch "
                f"{name_of}_weights_tf_dim_ordering_tf_kernels_notop.h5 from the Keras "
                "applications release and give its path as model.encoder_weights, "
                "or set model.encoder_weights=none"
            ) from None
        if weights not in ("imagenet", "none"):
            if not Path(weights).is_file():
                raise UserError(f"model.encoder_weights: no file {weights}")
            try:
                whole.load_weights(weights)
            except (ValueError, OSError) as error:
                raise UserError(
                    f"model.encoder_weights: {weights} does not fit {name_of}: "
                    f"{str(error).splitlines()[0]}"
                ) from None
        names = [part.name for part in whole.layers]
        if layer not in names:
            raise UserError(f"model.encoder_layer: {name_of} has no {layer}; it has {names[1:]}")
        self.features = keras.Model(whole.inputs, whole.get_layer(layer).output)
        self.features.trainable = False

    def call(self, picture, training=False):
        """``picture`` [B, H, W, 3] in [-1, 1] -> [B, N, M, l]."""
        # Split and concatenate to reverse the channels: TFLite's GPU delegate cannot run a flip.
        red, green, blue = ops.split(from_signed(picture), 3, axis=-1)
        blue_green_red = ops.concatenate([blue, green, red], axis=-1)
        means = ops.convert_to_tensor(_VGG_MEANS, blue_green_red.dtype)
        return self.features(blue_green_red - means, training=False)


class ImageEncoder(Network):
    """Enc: ``v^i`` of the picture and ``v^b`` of its structure.

    Args:
        model: ``encoder`` says which; ``channels`` is l unless it is a VGG. With
            ``efficientnet-lite0``, ``v^b`` comes from the picture itself, see :meth:`structure`.

    Attributes:
        channels: l, whatever the kind.
        frozen: whether its features are fixed (VGG) rather than trained.
        sees_colours: whether ``v^b`` comes from the picture, not from its boundary.
    """

    def __init__(self, model: ModelConfig, **kwargs) -> None:
        super().__init__(**kwargs)
        self.frozen = model.encoder in ("vgg16", "vgg19")
        self.sees_colours = model.encoder == "efficientnet-lite0"
        if self.frozen:
            self.vgg = VGGEncoder(model)
            self.channels = int(self.vgg.features.output.shape[-1])
            # A VGG's features are in the tens; the other networks expect values around 1.
            self.scale = 1 / 32
        else:
            self.of_picture = SmallEncoder(model.channels, halvings=0)
            self.of_structure = (
                SmallEncoder(model.channels, halvings=2)
                if model.encoder == "small"
                else EfficientNetEncoder(model.channels, model.fine_size, model.encoder_weights)
            )
            self.channels = model.channels

    def call(self, inputs, training=False):
        """Features of both, float32 in every precision.

        Args:
            inputs: as :meth:`structure`, and ``texture_of`` [B, H, W, 3], the picture whose
                ``v_i`` is wanted.

        Returns:
            ``v_i`` and ``v_b``, each [B, N, M, l].
        """
        v_b = self.structure(inputs, training=training)
        return {"v_i": self.texture(inputs["texture_of"], training=training), "v_b": v_b}

    def structure(self, inputs, training=False):
        """``v_b`` [B, N, M, l] alone.

        Args:
            inputs: ``picture`` [B, H, W, 3] in [-1, 1] and ``structure``, its boundary
                [B, H, W, 1] in [0, 1]. Deviation: EfficientNet sees the picture in place of the
                boundary, as the pictures of ImageNet that it knows. So ``v_b`` knows the old
                colours: train it on pairs (``data.recoloured``), whose old colours tell nothing.
        """
        if self.frozen:
            return self.texture(ops.concatenate([inputs["structure"] * 2 - 1] * 3, axis=-1))
        seen = inputs["picture" if self.sees_colours else "structure"]
        return ops.cast(self.of_structure(seen, training=training), "float32")

    def texture(self, picture, training=False):
        """``v_i`` alone."""
        if self.frozen:
            return ops.cast(self.vgg(picture), "float32") * self.scale
        return ops.cast(self.of_picture(picture, training=training), "float32")
