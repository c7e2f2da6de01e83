"""Parameters: each declared once, with default, range and help.

The forms of the dashboard, the options of the command line and the checks all read these classes.
"""

from typing import Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from sparsekd.errors import BadInput, unknown


class Params(BaseModel):
    """A frozen, checked set of parameters; unknown names and values out of range are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def of(cls, values: dict[str, Any]) -> Self:
        """Build from plain values.

        Raises:
            BadInput: a value is outside its range; NotFound: a name is not a parameter.
        """
        for name in values:
            if name not in cls.model_fields:
                raise unknown("parameter", name, cls.model_fields)
        try:
            return cls(**values)
        except ValidationError as error:
            first = error.errors()[0]
            name = str(first["loc"][0]) if first["loc"] else cls.__name__
            field = cls.model_fields.get(name)
            help_text = (field.description or "") if field else ""
            reason = first["msg"][0].lower() + first["msg"][1:]
            given = first["input"] if first["loc"] else values
            raise BadInput(f"{name} = {given!r}: {reason}.", help_text) from error

    def changed(self, values: dict[str, Any]) -> Self:
        """A copy with some values replaced, checked like `of`."""
        return type(self).of(self.values() | values)

    def values(self) -> dict[str, Any]:
        """The parameters as plain JSON values."""
        return self.model_dump(mode="json")


class TrainParams(Params):
    """How a model is trained; the defaults are the published scripts' (METHODS: StarK settings).

    Source: Yang, Zhang, Song, EMNLP 2022, arXiv 2210.03923 (reference scripts).
    """

    epochs: int = Field(10, ge=1, le=1000, description="Passes over the training data.")
    learning_rate: float = Field(3e-5, gt=0, le=1, description="Peak step size of AdamW.")
    batch_size: int = Field(16, ge=1, le=4096, description="Examples per optimiser step.")
    max_length: int = Field(
        128, ge=4, le=8192, description="Tokens kept of a text; the rest is cut off."
    )
    patience: int = Field(
        5, ge=1, le=1000, description="Epochs without a better selection metric before stopping."
    )
    warmup: float = Field(
        0.1, ge=0, le=1, description="Share of the steps in which the step size rises linearly."
    )
    weight_decay: float = Field(
        0.01, ge=0, le=1, description="AdamW's decay; not on biases and layer norms."
    )
    clip: float = Field(5.0, gt=0, le=1e6, description="Largest norm of a step's gradient.")
    epsilon: float = Field(1e-6, gt=0, le=1, description="AdamW's epsilon.")
    train_examples: int = Field(
        0, ge=0, description="Use only this many training examples, drawn by seed 0; 0 = all."
    )


class FineTuningParams(Params):
    """Training on the gold labels alone: nothing to choose."""


class VanillaParams(Params):
    """Soft labels of the teacher mixed with the gold labels.

    Source: Yang, Zhang, Song, EMNLP 2022, arXiv 2210.03923 (reference code); Hinton et al. 2015.
    """

    temperature: float = Field(
        2.0, ge=1, le=20, description="Softens both distributions; 1 leaves them as they are."
    )
    alpha: float = Field(
        0.5, ge=0, le=1, description="Weight of the soft labels; 1 − α goes to the gold labels."
    )


class PKDParams(VanillaParams):
    """Vanilla distillation, and the [CLS] vectors of intermediate layers.

    Source: Sun et al., EMNLP 2019, arXiv 1908.09355.
    """

    match: Literal["skip", "last"] = Field(
        "skip",
        description="Which of the teacher's layers the student's match: every few (skip), or the "
        "last ones below the top (last).",
    )
    beta: float = Field(100.0, gt=0, le=1e5, description="β: weight of the [CLS] distance.")


class TinyBERTParams(Params):
    """First the inner states, then the soft labels.

    Source: Jiao et al., Findings of EMNLP 2020, arXiv 1909.10351; the share is ours.
    """

    inner_share: float = Field(
        0.5, gt=0, lt=1, description="Share of the steps that stage 1, the inner states, takes."
    )
    temperature: float = Field(
        1.0, ge=1, le=20, description="Softens both distributions in stage 2."
    )


class MiniLMParams(VanillaParams):
    """Vanilla distillation, and the relations of the last layer.

    Source: Wang et al., NeurIPS 2020, arXiv 2002.10957; the mixture is ours.
    """

    relation_weight: float = Field(
        1.0, gt=0, le=1000, description="Weight of the attention and of the value relations."
    )


class InternalParams(Params):
    """Attention and [CLS] vectors of matched layers, by a schedule.

    Source: Aguilar et al., AAAI 2020, arXiv 1910.03723; weights and shares are ours.
    """

    schedule: Literal["progressive", "stacked", "all"] = Field(
        "progressive",
        description="One layer at a time, bottom-up, then the soft labels (progressive, PID); the "
        "same with lower layers' losses kept (stacked, SID); everything at every step (all).",
    )
    labels: Literal["soft", "soft_and_gold"] = Field(
        "soft", description="The teacher's probabilities alone, or the gold labels as well."
    )
    attention_weight: float = Field(
        1.0, ge=0, le=1000, description="Weight of the KL of attention rows; 0 leaves it out."
    )
    cls_weight: float = Field(
        1.0, ge=0, le=1000, description="Weight of 1 − the cosine of [CLS]; 0 leaves it out."
    )
    last_share: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Share of the steps for the soft labels at the end (progressive, stacked); "
        "empty: as long as each layer's stage.",
    )
    temperature: float = Field(
        1.0, ge=1, le=20, description="Softens both distributions; 1 is the published loss."
    )

    @model_validator(mode="after")
    def _something_inside(self) -> Self:
        if not (self.attention_weight or self.cls_weight):
            raise ValueError("attention_weight and cls_weight are both 0: nothing is inside")
        return self


class TeacherSelectionParams(Params):
    """A policy chooses, for each training instance, which of several teachers teach it.

    Source: Yuan et al., AAAI 2021, arXiv 2012.06048; no official code, so most values are ours.
    """

    choose: Literal["policy", "all", "random", "weights", "oracle"] = Field(
        "policy",
        description="Who teaches an instance: whom the learned policy chooses, all alike, one "
        "random teacher per batch, all by fixed learned weights, or the one with the smallest "
        "loss on the gold label (an oracle).",
    )
    reward: Literal["r1", "r2", "r3"] = Field(
        "r1",
        description="r1: −cross-entropy; r2: −cross-entropy − distance to the chosen teachers, "
        "which also favours teachers that the student resembles already, useful or not; r3: r2 "
        "and held-out accuracy, mixed by gamma (it costs passes over the selection split).",
    )
    alpha: float = Field(
        0.5, ge=0, le=1, description="Weight of the gold labels; 1 − α goes to the teachers."
    )
    temperature: float = Field(
        2.0, ge=1, le=20, description="Softens student and teachers; 1 is the formula as noted."
    )
    pretrain: float = Field(
        0.2,
        ge=0,
        lt=1,
        description="Share of the steps in which all teachers teach alike, before the policy (or "
        "the weights) are learned; one step at least.",
    )
    look_ahead: float = Field(
        0.5,
        gt=0,
        le=10,
        description="A reward is read after a step of this size on the student's own logits.",
    )
    credit: Literal["instance", "batch"] = Field(
        "instance", description="Each choice earns its own instance's reward, or its batch's mean."
    )
    gamma: float = Field(
        0.5, ge=0, le=1, description="Share of the losses in r3; 1 − γ goes to the accuracy."
    )
    reward_every: int = Field(
        50, ge=1, le=100_000, description="Steps between two readings of held-out accuracy (r3)."
    )
    selector_examples: int = Field(
        2000, ge=1, description="Training examples on which the selector is pre-trained, at most."
    )
    selector_passes: int = Field(
        20, ge=1, le=1000, description="Passes over them, the student being fixed."
    )
    selector_rate: float = Field(0.02, gt=0, le=1, description="Step size of the policy's Adam.")
    baseline_decay: float = Field(
        0.95, ge=0, lt=1, description="Decay of the moving average that rewards are compared with."
    )


class KnowledgeSelectionParams(Params):
    """Which kinds of knowledge are let through, and how the selector learns to choose them.

    Source: Wang et al., Findings of EMNLP 2022, arXiv 2302.00444; the numbers are ours.
    """

    choose: Literal["actor", "uniform", "random"] = Field(
        "actor",
        description="Who sets the weights: the trained actor, or a control: all kinds alike, or "
        "chance at every step (neither control has episodes).",
    )
    action: Literal["soft", "hard"] = Field(
        "soft", description="Weights between 0 and 1, or each kind on or off."
    )
    episodes: int = Field(
        4,
        ge=2,
        le=1000,
        description="Trainings of a fresh student in which the actor learns, before the one that "
        "counts; each costs as much as that one. What a phase gains is measured against the same "
        "phase of the others, so there are at least two.",
    )
    phases: int = Field(
        7,
        ge=1,
        le=100_000,
        description="Phases of an episode: an action holds for one, and each ends with a reward "
        "pass over the selection split.",
    )
    explorations: int = Field(
        2, ge=0, le=1000, description="First episodes in which every action is drawn by chance."
    )
    noise: float = Field(
        1.0,
        ge=0,
        le=10,
        description="Spread of what is added to the actor's outputs, before the sigmoid, in the "
        "episodes after those.",
    )
    bonus: float = Field(
        0.1,
        ge=0,
        le=100,
        description="Weight of the exploration bonus; 1 is as much as a typical phase gains.",
    )
    discount: float = Field(
        0.5, ge=0, lt=1, description="γ: what the next phase's worth counts in this one's."
    )
    caution: float = Field(
        0.03,
        ge=0,
        le=10,
        description="Holds soft weights near ½, unless the critic is sure enough; 0 lets them run "
        "to 0 and 1.",
    )
    updates: int = Field(
        20, ge=1, le=10_000, description="Steps of actor and critic after each phase."
    )
    width: int = Field(64, ge=1, le=4096, description="Hidden units of actor and critic.")
    selector_rate: float = Field(
        3e-3, gt=0, le=1, description="Adam's step size for actor and critic."
    )
    temperature: float = Field(
        2.0, ge=1, le=20, description="Softens both distributions of the response loss."
    )
    decay: float = Field(
        0.99,
        ge=0,
        le=1,
        description="How slowly the running mean that divides a loss follows it; 1 averages all "
        "steps so far.",
    )
    embeddings: bool = Field(
        False, description="Relate the embeddings' output to the first layer too."
    )

    @property
    def rehearsals(self) -> int:
        """Trainings before the one that counts: the episodes, where an actor learns."""
        return self.episodes if self.choose == "actor" else 0

    @property
    def reward_passes(self) -> int:
        """Passes over the selection split: one before each episode's phases, one after each."""
        return self.rehearsals * (self.phases + 1)


class StudentParams(Params):
    """Where a student's first weights come from.

    Source: Yang, Zhang, Song, EMNLP 2022, arXiv 2210.03923 (layer-dropped, parameter-pruned).
    """

    choice: Literal["bottom", "every", "top", "pruned", "checkpoint", "random"] = Field(
        "bottom",
        description="bottom, every m-th or top layers of the teacher; the teacher pruned by "
        "expressiveness; another checkpoint; a random smaller model of the same architecture.",
    )
    layers: int = Field(
        4, ge=1, le=96, description="Layers of the student (layer choices and random)."
    )
    sparsity: float = Field(
        0.7, ge=0, lt=1, description="Share of heads and neurons removed (pruned only)."
    )
    checkpoint: str = Field("", description="Hub id or local folder (checkpoint only).")


class ScoreParams(Params):
    """How expressiveness and student-friendliness are measured.

    Source: Yang, Zhang, Song, EMNLP 2022, arXiv 2210.03923 (reference code); the options are ours.
    """

    split: str = Field(
        "selection",
        description="Examples that score; 'selection' is carved from the training data, so that "
        "the reported data chooses nothing.",
    )
    aggregate: Literal["per_batch", "per_example"] = Field(
        "per_batch",
        description="Sum |gradient of a batch's mean| over batches (the reference: depends on "
        "batch size and order), or |gradient| over examples (depends on neither).",
    )
    batch_size: int = Field(
        32, ge=1, le=65536, description="Examples per scoring batch, in the data's own order."
    )
    friendliness: Literal["soft_ce", "kl"] = Field(
        "soft_ce",
        description="soft_ce contains the teacher's own entropy (the reference); kl is zero "
        "where the student equals the teacher.",
    )
    temperature: float = Field(2.0, ge=1, le=20, description="Softens both distributions.")


class MaskParams(Params):
    """Which heads and neurons go.

    Source: Yang, Zhang, Song, EMNLP 2022, arXiv 2210.03923 (reference code).
    """

    kind: Literal["scores", "random", "magnitude"] = Field(
        "scores", description="What ranks the units: knowledgeableness, chance, or weight norms."
    )
    lam: float = Field(
        0.5,
        ge=0,
        le=1,
        description="λ: 1 keeps what is expressive, 0 keeps what is student-friendly.",
    )
    sparsity: float = Field(
        0.2, ge=0, le=1, description="Share of the heads removed, and of the neurons too."
    )
    neuron_sparsity: float | None = Field(
        None, ge=0, le=1, description="Share of the neurons removed, where it differs."
    )
    round_to: int = Field(
        8, ge=1, le=1024, description="Neurons removed per layer: a multiple of this."
    )
    normalise: Literal["layer", "none"] = Field(
        "layer", description="Divide scores by their norm within each layer, or leave them raw."
    )


class ProbeParams(Params):
    """Which masked teachers are tried on the probe set (the first rows of the selection split)."""

    lams: tuple[float, ...] = Field((0.5,), min_length=1, description="λ of the scores to try.")
    sparsities: tuple[float, ...] = Field(
        (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
        min_length=1,
        description="Sparsities to try.",
    )
    controls: bool = Field(
        True, description="Also λ = 1, λ = 0, magnitude and a random mask at each sparsity."
    )
    examples: int = Field(500, ge=8, le=100_000, description="Rows of the probe set.")
    round_to: int = Field(
        8, ge=1, le=1024, description="Neurons removed per layer: a multiple of this."
    )
    normalise: Literal["layer", "none"] = Field(
        "layer", description="Divide scores by their norm within each layer, or leave them raw."
    )
    neuron_sparsity: float | None = Field(
        None, ge=0, le=1, description="Share of the neurons removed, where it differs."
    )

    @field_validator("lams", "sparsities")
    @classmethod
    def _shares(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        if any(not 0 <= value <= 1 for value in values):
            raise ValueError("every value must lie between 0 and 1")
        return values


class ExportParams(Params):
    """As what a model is taken elsewhere."""

    format: Literal["pruned", "gated", "onnx"] = Field(
        "pruned",
        description="pruned: the smaller weights with a loader; gated: full size with zeros, for "
        "plain from_pretrained; onnx: the smaller model for onnxruntime.",
    )


class MeasureParams(Params):
    """At which sizes a model's speed is measured."""

    batch_sizes: tuple[int, ...] = Field(
        (1, 32), min_length=1, max_length=8, description="Texts per forward pass (1 to 1024)."
    )
    tokens: tuple[int, ...] = Field(
        (32, 128), min_length=1, max_length=8, description="Tokens per text (2 to 8192)."
    )
    rounds: int = Field(
        15, ge=3, le=1000, description="Times that every variant is timed, in turn with the others."
    )

    @field_validator("batch_sizes", "tokens")
    @classmethod
    def _in_range(cls, values: tuple[int, ...], info: ValidationInfo) -> tuple[int, ...]:
        least, most = (1, 1024) if info.field_name == "batch_sizes" else (2, 8192)
        if any(not least <= value <= most for value in values):
            raise ValueError(f"every value must lie between {least} and {most}")
        return values


class AblateParams(Params):
    """Which units are removed one at a time, and on which examples that is measured."""

    split: str = Field(
        "selection",
        description="Examples that measure; 'selection' is carved from the training data, so that "
        "the reported data chooses nothing.",
    )
    examples: int = Field(
        500, ge=8, le=100_000, description="At most so many examples, drawn by seed 0."
    )
    neuron_groups: int = Field(
        8,
        ge=1,
        le=4096,
        description="Groups into which each layer's neurons are ranked; each is removed whole.",
    )
    neuron_layer: int | None = Field(
        None, ge=0, le=95, description="Remove the neurons of this layer (0 = bottom) singly too."
    )
    lam: float = Field(
        0.5,
        ge=0,
        le=1,
        description="λ of the scores that rank the neurons; without scores, their weights do.",
    )


class AttributeParams(Params):
    """How captum's attributions of heads and neurons are measured.

    Source: Dhamdhere, Sundararajan, Yan, ICLR 2019, arXiv 1805.12233 (conductance).
    """

    kind: Literal["conductance", "gradient_activation"] = Field(
        "conductance",
        description="conductance follows the path from the text with its words masked to the "
        "text; gradient_activation looks at the text alone.",
    )
    split: str = Field(
        "selection",
        description="Examples that attribute; 'selection' is carved from the training data.",
    )
    examples: int = Field(128, ge=1, le=100_000, description="The split's first so many.")
    steps: int = Field(
        8, ge=1, le=256, description="Points on the path, at each a forward and a backward pass."
    )
