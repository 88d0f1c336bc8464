"""The sections of a run's configuration: every field, its default, its range, and what it means.

A YAML file states only what differs; :mod:`mim_tf.config_files` finds, layers and checks it. How a
run is trained, and on which machine, is in :mod:`mim_tf.config_training`. No TensorFlow is needed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SerializeAsAny, model_validator

from mim_tf.config_fields import (
    Count,
    EvenWidth,
    FourfoldWidth,
    Index,
    Limit,
    Section,
    Share,
    Weight,
    Width,
)  # fmt: skip
from mim_tf.config_training import MachineConfig, OptimizerConfig, TrainConfig

NO_DEVIATIONS = "none"  # as the value of a whole section: the paper taken literally


class DataConfig(Section):
    """Which pictures and captions: what every data set has.

    Each set adds its own options in a subclass, ``Options`` in its module of
    :mod:`mim_tf.data.sets`; ``source`` picks it when a configuration is read.
    """

    source: str = Field(
        "birds",
        description="a module of mim_tf/data/sets: procedural birds, a published data set in its "
        "official layout, or a folder of your own pictures",
    )
    records: Path | None = Field(
        None, description="folder that prepare writes and training reads; none: the data set itself"
    )
    other_class: bool = Field(False, description="mismatched captions come from another class")
    broken_limit: Index = Field(
        10, description="prepare leaves out and reports up to so many broken pictures"
    )
    max_words: Annotated[int, Field(ge=1, le=128)] = Field(
        24, description="longer captions are cut at the end"
    )
    min_word_count: Count = Field(1, description="rarer words of the training captions are unknown")
    word_vectors: Path | None = Field(
        None,
        description="GloVe text or fastText .vec, plain or .gz; none: words are learned from "
        "scratch",
    )
    train_word_vectors: bool = Field(
        True, description="off: only words without a pretrained vector are learned"
    )
    word_dropout: Share = Field(
        0.0,
        description="share of the words of training captions that are unknown, so that the model "
        "leaves alone what an unknown word speaks of; captions of recoloured pictures get as many "
        "further unknown words, which say nothing",
    )
    swap_words: tuple[str, ...] = Field(
        (),
        description="words that may replace each other in a caption (colours): used to write the "
        "false captions of back-translation and of D_T; empty: captions of other pictures",
    )

    @property
    def kind(self) -> str:
        """What its evaluators are named after: ``presets/evaluators/KIND``."""
        return self.source

    @property
    def on_pairs(self) -> bool:
        """Whether the set trains on pairs of one picture in two colourings; most sets cannot."""
        return False

    def unpaired(self, key: str = "data") -> tuple[str, ...]:
        """Overrides by which the set, at ``key``, trains on pictures as they are."""
        return (f"{key}.recoloured=false",) if self.on_pairs else ()

    def check_size(self, key: str, size: int) -> None:
        """Refuse a size that the set cannot give; a set without limits refuses none.

        Args:
            key: the configuration's key that asks for the size.
            size: side of the pictures, in pixels.

        Raises:
            ValueError: what is wrong, in one line.
        """


class ModelConfig(Section):
    """The networks, Eq. 1 to 13."""

    coarse_size: Annotated[int, Field(ge=16, le=512)] = Field(32, description="I_c, pixels")
    fine_size: Annotated[int, Field(ge=16, le=1024)] = Field(64, description="I_f, pixels")
    boundary: Literal["sobel", "canny"] = Field(
        "sobel", description="B: Sobel, part of the graph and exportable, or OpenCV's Canny"
    )
    encoder: Literal["small", "efficientnet-lite0", "vgg16", "vgg19"] = Field(
        "small", description="Enc"
    )
    encoder_layer: str = Field("block3_conv3", description="VGG layer whose output is v^i and v^b")
    encoder_weights: str = Field(
        "imagenet",
        description="VGG: imagenet, none, or a weights file; efficientnet-lite0: none, or the file "
        "of mim_tf.import_encoder",
    )
    channels: FourfoldWidth = Field(64, description="l; VGG brings its own")
    word_dim: Width = Field(64, description="word embedding; word vectors bring their own")
    text_dim: EvenWidth = Field(128, description="d of h_i")
    memory: bool = Field(True, description="off: the paper's baseline without memory")
    slots: Width = Field(64, description="n, the number of memories in Eq. 1")
    tlu: bool = Field(True, description="off: Eq. 7 mixes half and half, and nothing is composed")
    fine: bool = Field(True, description="off: coarse stage only (Table 1, 'Ours 128')")
    decoder_channels: FourfoldWidth = Field(32, description="width of Dec_c and Dec_f")
    discriminator_channels: FourfoldWidth = Field(
        32, description="width of the first layer of D_I and D_T; each next is wider"
    )


class StageWeights(Section):
    """One weight for each i in {ICM, FIR} of Eq. 20 and 21: ``weights.rec["coarse"]``."""

    coarse: Weight = 1.0
    fine: Weight = 1.0

    def __getitem__(self, stage: str) -> float:
        return {"coarse": self.coarse, "fine": self.fine}[stage]


def _both(value: float) -> StageWeights:
    return StageWeights(coarse=value, fine=value)


class LossConfig(Section):
    """The weights of Eq. 20 and 21; the paper publishes none."""

    rec: StageWeights = Field(_both(10.0), description="lambda_rec of Eq. 20")
    p: Weight = Field(0.3, description="lambda_p of Eq. 20; 0: without L_p")
    m: StageWeights = Field(_both(0.1), description="lambda_m of Eq. 20; 0: without L_m")
    I: StageWeights = Field(_both(0.05), description="lambda_I of Eq. 20")  # noqa: E741
    T: StageWeights = Field(_both(0.1), description="lambda_T of Eq. 20")
    beta: StageWeights = Field(_both(1.0), description="beta of Eq. 21")


def _deviation(default: Any, *, paper: Any, description: str) -> Any:
    """A field of :class:`Deviations`: our default, and the value that is the paper's own."""
    return Field(default, description=description, json_schema_extra={"paper": paper})


class Deviations(Section):
    """Where we differ from the paper. ``deviations: none`` in a YAML file turns all of these off;
    the differences that have no switch are in docs/deviations.md."""

    # Networks.
    word_gates: bool = _deviation(
        True,
        paper=False,
        description="Eq. 5 takes at each place the texture of the words that speak of it; off: "
        "their average h-",
    )
    fuse: bool = _deviation(
        False,
        paper=True,
        description="Eq. 7 mixes v^i in; off: composition alone keeps the picture",
    )
    compose: bool = _deviation(
        True,
        paper=False,
        description="I = alpha G + (1 - alpha) I_in in image space, besides Eq. 7",
    )
    tlu_affine: bool = _deviation(
        True,
        paper=False,
        description="learned slope and offset inside Eq. 9, slope 1 / sqrt(l) in Eq. 10",
    )
    refine_alpha: bool = _deviation(
        True, paper=False, description="FIR sharpens alpha at its own size"
    )
    structure_skip: bool = _deviation(
        True, paper=False, description="Dec_f also sees the structure at full size"
    )
    keep_detail: bool = _deviation(
        False,
        paper=False,
        description="what is drawn keeps the fine detail of the input's luminance (texture, folds)",
    )
    # Losses.
    match: Weight = _deviation(
        1.0,
        paper=0.0,
        description="weight of L_match, the contrastive form of L_p that finds the places words "
        "speak of; needs word_gates. In the warm-up its weight is 1",
    )
    where: Weight = _deviation(
        0.0,
        paper=0.0,
        description="weight of L_where and L_alpha: word gates open on the part that a word speaks "
        "of, alpha on those of the caption; needs word_gates and data.recoloured",
    )
    rec_norm: Literal["l1", "l2"] = _deviation("l2", paper="l2", description="norm in Eq. 14")
    rec_drawn: Weight = _deviation(
        0.5,
        paper=0.0,
        description="L_rec also on the drawn picture before composition, this share of lambda_rec; "
        "without it alpha can close before anything worth showing is drawn",
    )
    alpha_prior: Weight = _deviation(
        0.0,
        paper=0.0,
        description="weight of mean(alpha): alpha opens only where the weighted L_rec gains more "
        "than this by it",
    )
    reality: Literal["log", "hinge"] = _deviation(
        "hinge", paper="log", description="form of D_I's losses, Eq. 16 to 18"
    )
    D_T_fake: Weight = _deviation(
        0.0, paper=1.0, description="weight of Eq. 17's negative of D_T: a fake, its caption"
    )
    D_T_mismatched: Weight = _deviation(
        1.0,
        paper=0.0,
        description="weight of TAGAN's negative of D_T: a real picture, a false caption",
    )
    # Schedule.
    warm_up: Index = _deviation(
        1500,
        paper=0,
        description="at most so many steps, before all others, of L_match alone; the memory starts "
        "from them, and all other steps count from their end",
    )
    warm_up_until: Share = _deviation(
        0.3,
        paper=0.0,
        description="the warm-up ends once L_match is below this share of what it is at chance; "
        "0: after warm_up steps",
    )
    perturb: Share = _deviation(
        1.0,
        paper=0.0,
        description="share of the pictures whose mentioned parts are recoloured, by the model's "
        "own drawing of a false caption, before reconstruction; without effect on pairs",
    )
    draw_first: Index = _deviation(
        0,
        paper=0,
        description="steps after the warm-up in which L_rec sees the drawn pictures alone, for "
        "alpha would close while there is nothing to show; needs compose and rec_drawn",
    )
    alpha_prior_start: Index = _deviation(
        0,
        paper=0,
        description="step after the warm-up from which alpha_prior counts: what is drawn must be "
        "worth showing first",
    )
    adversarial_start: Index = _deviation(
        0,
        paper=0,
        description="step after the warm-up from which the generator learns from D_I and D_T",
    )
    adversarial_every: Count = _deviation(
        1, paper=1, description="the adversarial stage takes part in every so many steps"
    )
    clip_norm: Limit | None = _deviation(
        1.0, paper=None, description="global norm at which gradients are clipped; null: never"
    )
    learning_rate_decay: bool = _deviation(
        True, paper=False, description="the rate falls to nothing over the last half of training"
    )
    ema: Share = _deviation(
        0.995, paper=0.0, description="decay of the generator's averaged weights; 0: no average"
    )

    @classmethod
    def none(cls) -> dict[str, Any]:
        """The value of every field that is the paper's own."""
        extras = {name: field.json_schema_extra for name, field in cls.model_fields.items()}
        return {name: extra["paper"] for name, extra in extras.items() if isinstance(extra, dict)}

    @model_validator(mode="before")
    @classmethod
    def _by_name(cls, value: Any) -> Any:
        if value == NO_DEVIATIONS:
            return cls.none()
        if not isinstance(value, dict | Deviations):
            raise ValueError(f"give single switches, or {NO_DEVIATIONS} for the literal paper")
        return value

    @model_validator(mode="after")
    def _warm_up_matches(self) -> Deviations:
        if self.warm_up and not (self.word_gates and self.match):
            raise ValueError("warm_up needs word_gates and match")
        if self.where and not self.word_gates:
            raise ValueError("where needs word_gates")
        return self


class Config(Section):
    """All sections of a run's configuration."""

    data: SerializeAsAny[DataConfig]  # the Options of the set that data.source names
    model: ModelConfig = ModelConfig()
    loss: LossConfig = LossConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    train: TrainConfig = Field(default_factory=lambda: TrainConfig(steps=3000))
    deviations: Deviations = Deviations()
    machine: MachineConfig = MachineConfig()

    @model_validator(mode="after")
    def _sections_agree(self) -> Config:
        model, deviations = self.model, self.deviations
        if model.fine_size < model.coarse_size:
            raise ValueError("model.fine_size is smaller than model.coarse_size")
        if not (deviations.fuse or (deviations.compose and model.tlu)):
            raise ValueError(
                "with deviations.fuse off, deviations.compose and model.tlu must be on: nothing "
                "else brings the picture's background back"
            )
        if deviations.where:
            if not self.data.on_pairs:
                raise ValueError(
                    "deviations.where needs data.recoloured, which tells where parts are"
                )
            if model.fine_size % model.coarse_size or model.fine_size % 2:
                raise ValueError(
                    "with deviations.where, model.fine_size must be even and a multiple of "
                    "model.coarse_size"
                )
        if model.encoder.startswith("vgg") and model.fine_size < 32:
            raise ValueError(
                f"model.encoder={model.encoder} needs a model.fine_size of 32 at least"
            )
        if model.encoder == "efficientnet-lite0" and deviations.perturb and not self.data.on_pairs:
            raise ValueError(
                "model.encoder=efficientnet-lite0 sees the picture's colours, which "
                "deviations.perturb cannot hide; set data.recoloured=true, or deviations.perturb=0"
            )
        self.data.check_size("model.fine_size", model.fine_size)
        return self
