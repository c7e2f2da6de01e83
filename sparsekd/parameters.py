"""Parameters: each declared once, with default, range and help.

The forms of the dashboard, the options of the command line and the checks all read these classes.
"""

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

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
