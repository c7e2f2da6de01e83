"""Parameters of the stages."""

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from sparsekd.catalog.parameters import Params


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
