"""TextEncoder (Bi-LSTM) and ImageEncoder (Enc in Fig. 3 and 4).

Dimensions: B batch, T words (padded), d text features, l texture channels, N x M feature map,
H x W picture.
"""

from __future__ import annotations

from pathlib import Path

import keras
from keras import ops

from mim_tf.errors import UserError
from mim_tf.models.layers import Norm, Residual, activate, conv, resize
from mim_tf.pictures.tensor_pixels import from_signed
from mim_tf.text import WordVectors

# Means of ImageNet's channels (BGR) that keras.applications' VGG weights expect subtracted.
_VGG_MEANS = (103.939, 116.779, 123.68)


def word_mask(tokens):
    """``[B, T]`` ids -> ``[B, T]`` float 1 for words, 0 for padding (id 0)."""
    return ops.cast(ops.not_equal(tokens, 0), "float32")


class TextEncoder(keras.Model):
    """Sec. 3.1: word embeddings and a Bi-LSTM.

    Args:
        vocabulary_size: number of token ids.
        word_dim: width of an embedding learned from scratch.
        text_dim: d; each direction has d / 2 units.
        vectors: pretrained embeddings; they go on being trained unless they say otherwise.
    """

    def __init__(
        self,
        vocabulary_size: int,
        word_dim: int,
        text_dim: int,
        vectors: WordVectors | None = None,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        # Unit variance, as pretrained vectors have: the Bi-LSTM should hear words from the start.
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
            keras.layers.LSTM(text_dim // 2, return_sequences=True)
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


class SmallEncoder(keras.Model):
    """Enc of our own, at half the picture's size, trained with the rest in minutes.

    A small U-Net: three halvings let every position see the whole object (a part is known by where
    it sits on it), additions on the way up bring the position back.

    Deviation: the paper uses one pretrained CNN for picture and boundary; this one exists twice,
    with weights of its own for each.
    """

    def __init__(self, channels: int, deep: bool, **kwargs) -> None:
        super().__init__(**kwargs)
        half = channels // 2
        self.stem = conv(half, 5, strides=2)
        self.enter = conv(channels)
        self.down = [conv(channels, strides=2) for _ in range(2 if deep else 0)]
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


class VGGEncoder(keras.Model):
    """Enc as published systems have it: a frozen ImageNet VGG, cut at a named layer."""

    def __init__(self, name_of: str, layer: str, weights: str, size: int, **kwargs) -> None:
        super().__init__(**kwargs)
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
        names = [one.name for one in whole.layers]
        if layer not in names:
            raise UserError(f"model.encoder_layer: {name_of} has no {layer}; it has {names[1:]}")
        self.features = keras.Model(whole.inputs, whole.get_layer(layer).output)
        self.features.trainable = False

    def call(self, picture, training=False):
        """``picture`` [B, H, W, 3] in [-1, 1] -> [B, N, M, l]."""
        # Not a flip: the GPU delegate has none.
        red, green, blue = ops.split(from_signed(picture), 3, axis=-1)
        blue_green_red = ops.concatenate([blue, green, red], axis=-1)
        means = ops.convert_to_tensor(_VGG_MEANS, "float32")
        return self.features(blue_green_red - means, training=False)


class ImageEncoder(keras.Model):
    """Enc: ``v^i`` of the picture and ``v^b`` of its structure.

    Args:
        kind: ``small``, ``vgg16`` or ``vgg19``.
        channels: l of the small encoder.
        layer, weights: the VGG's layer and where its weights come from.
        size: H = W of the pictures.

    Attributes:
        channels: l, whatever the kind.
        frozen: whether its features are fixed (VGG) rather than trained (small).
    """

    def __init__(
        self, kind: str, channels: int, layer: str, weights: str, size: int, **kwargs
    ) -> None:
        super().__init__(**kwargs)
        self.frozen = kind != "small"
        if self.frozen:
            self.vgg = VGGEncoder(kind, layer, weights, size)
            self.channels = int(self.vgg.features.output.shape[-1])
            # ReLU features of a VGG are in the tens; the rest of the model wants order one.
            self.scale = 1 / 32
        else:
            self.of_picture = SmallEncoder(channels, deep=False)
            self.of_structure = SmallEncoder(channels, deep=True)
            self.channels = channels

    def call(self, inputs, training=False):
        """Features of both.

        Args:
            inputs: ``picture`` [B, H, W, 3] in [-1, 1] and ``structure``, its boundary
                [B, H, W, 1] in [0, 1].

        Returns:
            ``v_i`` and ``v_b``, each [B, N, M, l].
        """
        v_b = self.structure(inputs["structure"], training=training)
        return {"v_i": self.texture(inputs["picture"], training=training), "v_b": v_b}

    def structure(self, structure, training=False):
        """``v_b`` alone."""
        if self.frozen:
            return self.texture(ops.concatenate([structure * 2 - 1] * 3, axis=-1))
        return self.of_structure(structure, training=training)

    def texture(self, picture, training=False):
        """``v_i`` alone."""
        if self.frozen:
            return self.vgg(picture) * self.scale
        return self.of_picture(picture, training=training)
