"""Parameters of each stage."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field, ValidationInfo, field_validator

from sparsekd.catalog import rankings
from sparsekd.catalog.parameters import Params

if TYPE_CHECKING:  # the choices are those of the catalogue, which only running code knows
    MaskRanking = str
    WeightRanking = str
    DataRanking = str
else:
    MaskRanking = Literal[("scores", *rankings.CONTROLS)]
    WeightRanking = Literal[rankings.names("weights")]
    DataRanking = Literal[rankings.names("data")]


Normalise = Literal["layer", "none"]

OF_TEACHER = ("bottom", "every", "top")
"""Choices of a student that is made of layers of its fine-tuned teacher."""
LAYERED = (*OF_TEACHER, "pretrained", "random")
"""Choices of a student whose number of layers is given."""


class StudentParams(Params):
    """Parameters of a student's initialisation.

    Source: Yang, Zhang, Song, EMNLP 2022, arXiv 2210.03923 (layer-dropped, parameter-pruned).
    """

    choice: Literal["bottom", "every", "top", "pretrained", "pruned", "checkpoint", "random"] = (
        Field(
            "bottom",
            description="Initial weights: the fine-tuned teacher's bottom, every m-th or top "
            "layers (every: those that methods of inner layers match it with); pretrained: the "
            "bottom layers of the checkpoint that the teacher was fine-tuned from, with a new "
            "classifier (a demo teacher is trained from scratch: its checkpoint is random "
            "weights); the teacher pruned by expressiveness; another checkpoint; random, of the "
            "same architecture.",
        )
    )
    layers: int = Field(4, ge=1, le=96, description=f"Number of layers ({', '.join(LAYERED)}).")
    sparsity: float = Field(
        0.7, ge=0, lt=1, description="Share of heads and neurons removed (pruned)."
    )
    checkpoint: str = Field(
        "",
        description="Hub id, local folder or run id (checkpoint); of any family and vocabulary, "
        "where the method does not read layers.",
    )


class ScoreParams(Params):
    """Parameters of the scores: expressiveness and student-friendliness.

    Source: Yang, Zhang, Song, EMNLP 2022, arXiv 2210.03923 (reference code); the options are
    choices of this project.
    """

    split: str = Field(
        "selection",
        description="Split to compute the scores on; 'selection' is held out from the training "
        "data, so the reported data plays no part.",
    )
    aggregate: Literal["per_batch", "per_example"] = Field(
        "per_batch",
        description="per_batch: sum over batches of |gradient of the mean loss|, as in the "
        "reference code (depends on batch size and order); per_example: sum over examples of "
        "|gradient|.",
    )
    batch_size: int = Field(
        32, ge=1, le=65536, description="Examples per batch, in the order of the data."
    )
    friendliness: Literal["soft_ce", "kl"] = Field(
        "soft_ce",
        description="soft_ce: soft cross-entropy, as in the reference code (includes the "
        "teacher's entropy); kl: zero where the student equals the teacher.",
    )
    temperature: float = Field(
        2.0, ge=1, le=20, description="Softmax temperature of teacher and student."
    )


class MaskParams(Params):
    """Parameters of a mask over heads and neurons.

    Source: Yang, Zhang, Song, EMNLP 2022, arXiv 2210.03923 (reference code).
    """

    kind: MaskRanking = Field(
        "scores", description="Ranking of the units: scores (knowledgeableness), or a control."
    )
    lam: float = Field(
        0.5,
        ge=0,
        le=1,
        description="λ: 1 ranks by expressiveness alone, 0 by student-friendliness alone.",
    )
    sparsity: float = Field(0.2, ge=0, le=1, description="Share of heads and of neurons removed.")
    neuron_sparsity: float | None = Field(
        None, ge=0, le=1, description="Share of neurons removed; empty: the same as heads."
    )
    round_to: int = Field(
        8, ge=1, le=1024, description="Round the neurons removed per layer to a multiple of this."
    )
    normalise: Normalise = Field(
        "layer", description="layer: divide scores by their norm in each layer; none: raw scores."
    )


class ProbeParams(Params):
    """Masked teachers to evaluate on the probe set (first rows of the selection split)."""

    lams: tuple[float, ...] = Field((0.5,), min_length=1, description="Values of λ to evaluate.")
    sparsities: tuple[float, ...] = Field(
        (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
        min_length=1,
        description="Sparsities to evaluate.",
    )
    controls: bool = Field(
        True, description=f"Add λ = 1, λ = 0, {', '.join(rankings.CONTROLS)} at each sparsity."
    )
    examples: int = Field(500, ge=8, le=100_000, description="Size of the probe set.")
    round_to: int = Field(
        8, ge=1, le=1024, description="Round the neurons removed per layer to a multiple of this."
    )
    normalise: Normalise = Field(
        "layer", description="layer: divide scores by their norm in each layer; none: raw scores."
    )
    neuron_sparsity: float | None = Field(
        None, ge=0, le=1, description="Share of neurons removed; empty: the same as heads."
    )

    @field_validator("lams", "sparsities")
    @classmethod
    def _shares(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        if any(not 0 <= value <= 1 for value in values):
            raise ValueError("every value must lie between 0 and 1")
        return values


class ExportParams(Params):
    """Format of an exported model."""

    format: Literal["pruned", "gated", "onnx"] = Field(
        "pruned",
        description="pruned: smaller weights and a loader; gated: full size with zeros, for plain "
        "from_pretrained; onnx: the smaller model for ONNX Runtime.",
    )


class MeasureParams(Params):
    """Batch sizes and lengths at which to measure a model's speed."""

    batch_sizes: tuple[int, ...] = Field(
        (1, 32), min_length=1, max_length=8, description="Texts per forward pass (1 to 1024)."
    )
    tokens: tuple[int, ...] = Field(
        (32, 128), min_length=1, max_length=8, description="Tokens per text (2 to 8192)."
    )
    rounds: int = Field(
        15, ge=3, le=1000, description="Timed repetitions of each variant, interleaved."
    )

    @field_validator("batch_sizes", "tokens")
    @classmethod
    def _in_range(cls, values: tuple[int, ...], info: ValidationInfo) -> tuple[int, ...]:
        least, most = (1, 1024) if info.field_name == "batch_sizes" else (2, 8192)
        if any(not least <= value <= most for value in values):
            raise ValueError(f"every value must lie between {least} and {most}")
        return values


class AblateParams(Params):
    """Parameters of an ablation: units removed one at a time, and the examples."""

    split: str = Field(
        "selection",
        description="Split to measure on; 'selection' is held out from the training data, so the "
        "reported data plays no part.",
    )
    examples: int = Field(
        500, ge=8, le=100_000, description="Maximum number of examples, drawn with seed 0."
    )
    neuron_groups: int = Field(
        8,
        ge=1,
        le=4096,
        description="Groups of ranked neurons per layer; each group is removed as a whole.",
    )
    neuron_layer: int | None = Field(
        None,
        ge=0,
        le=95,
        description="Also remove the neurons of this layer one by one (0 = bottom).",
    )
    lam: float = Field(
        0.5,
        ge=0,
        le=1,
        description="λ of the scores that rank the neurons, if any.",
    )
    ranking: WeightRanking = Field(
        "magnitude", description="Ranking of the neurons without scores."
    )


class AttributeParams(Params):
    """Parameters of captum's attributions of heads and neurons.

    Source: Dhamdhere, Sundararajan, Yan, ICLR 2019, arXiv 1805.12233 (conductance).
    """

    kind: DataRanking = Field(
        "conductance",
        description="conductance: integrated along the path from the masked text to the text; "
        "gradient_activation: gradient × activation at the text.",
    )
    split: str = Field(
        "selection",
        description="Split to attribute on; 'selection' is held out from the training data.",
    )
    examples: int = Field(
        128, ge=1, le=100_000, description="Number of examples, from the start of the split."
    )
    steps: int = Field(
        8, ge=1, le=256, description="Points on the path; each costs a forward and a backward pass."
    )
