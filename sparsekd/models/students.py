"""First students: how a student's weights are initialised."""

import copy

import torch
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    PretrainedConfig,
    PreTrainedModel,
)

from sparsekd.catalog import families
from sparsekd.catalog.stage_parameters import StudentParams
from sparsekd.errors import BadInput, Incompatible
from sparsekd.models import architectures
from sparsekd.models.classifiers import name_labels, outputs
from sparsekd.models.pruning import prune
from sparsekd.tasks.cards import Kind
from sparsekd.units.shape import UnitMask


def initial(
    teacher: PreTrainedModel,
    params: StudentParams,
    seed: int,
    mask: UnitMask | None = None,
) -> PreTrainedModel:
    """Return a student made of its teacher, before its first step, in eval mode.

    The teacher is not changed. A student from another checkpoint is made of no teacher: it is
    loaded as it is.

    Args:
        teacher: For `pretrained`, what the teacher was before its fine-tuning.
        mask: The teacher's units to keep, chosen by expressiveness alone (`pruned` only).

    Raises:
        Incompatible: deeper than the teacher.
        BadInput: a mask is missing.

    Source: Yang, Zhang, Song, EMNLP 2022, arXiv 2210.03923 (bottom, pruned); Sun et al.,
    EMNLP 2019, arXiv 1908.09355 (pretrained); the rest is ours.
    """
    if params.choice == "pruned":
        return _pruned(teacher, mask)
    if params.choice == "random":
        return _random(teacher, params.layers, seed)
    depth = len(architectures.blocks(teacher))
    return with_layers(teacher, chosen_layers(params.choice, params.layers, depth))


def chosen_layers(choice: str, layers: int, depth: int) -> list[int]:
    """Return the teacher's layers (0 = bottom) that make the student.

    `bottom`, also that of a pretrained checkpoint, and `top` are contiguous; `every` spreads them
    evenly with the top layer among them: 1-based, layer k is teacher layer ⌊k · depth / layers⌋
    (3 of 12: 4, 8, 12).

    Raises:
        Incompatible: more layers than the teacher has.
    """
    if layers > depth:
        raise Incompatible(
            f"The student has {layers} layers, the teacher {depth}.",
            f"Choose at most {depth} layers (--student-layers), or a student from a checkpoint or "
            "random weights (--student-choice).",
        )
    picks = {
        "bottom": list(range(layers)),
        "pretrained": list(range(layers)),
        "top": list(range(depth - layers, depth)),
        "every": [number * depth // layers - 1 for number in range(1, layers + 1)],
    }
    return picks[choice]


def with_layers(teacher: PreTrainedModel, numbers: list[int]) -> PreTrainedModel:
    """Copy the teacher with only these layers; embeddings and classifier are the teacher's."""
    student = copy.deepcopy(teacher)
    kept = [architectures.blocks(student)[number] for number in numbers]
    architectures.set_blocks(student, nn.ModuleList(kept))
    student.config.num_hidden_layers = len(kept)
    student.eval()
    return student


def untrained(
    family: str,
    layers: int,
    hidden: int,
    heads: int,
    intermediate: int,
    vocabulary: int,
    labels: tuple[str, ...],
    kind: Kind,
    seed: int,
    positions: int = 128,
    dropout: float = 0.1,
    initializer_range: float = 0.02,
) -> PreTrainedModel:
    """Return a classifier with random weights, in eval mode: same seed, same weights.

    Raises:
        Incompatible: an unknown family.
        BadInput: the hidden size is not a multiple of the number of heads.
    """
    if hidden % heads:
        raise BadInput(
            f"A hidden size of {hidden} cannot be divided among {heads} heads.",
            "Choose a multiple.",
        )
    known = families.find(family)
    config = AutoConfig.for_model(
        known.name,
        vocab_size=vocabulary,
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        max_position_embeddings=positions + known.first_position_after_padding,
        num_labels=outputs(labels, kind),
        initializer_range=initializer_range,
        pad_token_id=0,
        **{known.neurons: intermediate},
        **dict.fromkeys(known.dropouts, dropout),
    )
    model = _drawn(config, seed)
    name_labels(model, labels, kind)
    return model


def _pruned(teacher: PreTrainedModel, mask: UnitMask | None) -> PreTrainedModel:
    if mask is None:
        raise BadInput(
            "A pruned student needs the teacher's expressiveness.",
            "Score the teacher first, or choose its bottom layers.",
        )
    student = prune(teacher, mask)
    student.eval()
    return student


def _random(teacher: PreTrainedModel, layers: int, seed: int) -> PreTrainedModel:
    """Return a random model as wide as the unpruned teacher, with `layers` layers."""
    config = copy.deepcopy(teacher.config)
    config.num_hidden_layers = layers
    return _drawn(config, seed)


def _drawn(config: PretrainedConfig, seed: int) -> PreTrainedModel:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # the CPU's alone, which is restored
        model: PreTrainedModel = AutoModelForSequenceClassification.from_config(
            config, dtype=torch.float32, attn_implementation="sdpa"
        )
    model.eval()
    return model
