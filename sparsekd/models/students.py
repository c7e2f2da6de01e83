"""Where a student's first weights come from."""

import copy
from typing import Any

import torch
from torch import nn
from transformers import (
    AutoModelForSequenceClassification,
    BertConfig,
    DistilBertConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from sparsekd.catalog.stage_parameters import StudentParams
from sparsekd.errors import BadInput, Incompatible
from sparsekd.models import architectures
from sparsekd.models.classifiers import labels_of, name_labels
from sparsekd.models.loading import load
from sparsekd.models.pruning import prune
from sparsekd.units.shape import UnitMask


def initial(
    teacher: PreTrainedModel,
    params: StudentParams,
    seed: int,
    mask: UnitMask | None = None,
    tokenizer: PreTrainedTokenizerBase | None = None,
) -> PreTrainedModel:
    """A student before its first step, in eval mode; the teacher is left as it is.

    Args:
        mask: What the teacher keeps by expressiveness alone (`pruned` only).
        tokenizer: The teacher's, which another checkpoint must share (`checkpoint` only; without
            it, the sizes of the vocabularies are compared).

    Raises:
        Incompatible: deeper than the teacher, or a checkpoint with another vocabulary.
        BadInput: what the choice needs was not given.

    Source: Yang, Zhang, Song, EMNLP 2022, arXiv 2210.03923 (bottom, pruned); the rest is ours.
    """
    if params.choice == "pruned":
        return _pruned(teacher, mask)
    if params.choice == "checkpoint":
        return _checkpoint(teacher, params.checkpoint, seed, tokenizer)
    if params.choice == "random":
        return _random(teacher, params.layers, seed)
    depth = len(architectures.blocks(teacher))
    return with_layers(teacher, chosen_layers(params.choice, params.layers, depth))


def chosen_layers(choice: str, layers: int, depth: int) -> list[int]:
    """Which of the teacher's layers (0 = bottom) make the student.

    `bottom` and `top` are contiguous; `every` spreads them evenly with the top layer among them:
    1-based, layer k is teacher layer ⌊k · depth / layers⌋ (3 of 12: 4, 8, 12).

    Raises:
        Incompatible: more layers than the teacher has.
    """
    if layers > depth:
        raise Incompatible(
            f"The student has {layers} layers, the teacher {depth}.",
            f"Choose at most {depth} layers, or a checkpoint or random student.",
        )
    picks = {
        "bottom": list(range(layers)),
        "top": list(range(depth - layers, depth)),
        "every": [number * depth // layers - 1 for number in range(1, layers + 1)],
    }
    return picks[choice]


def with_layers(teacher: PreTrainedModel, numbers: list[int]) -> PreTrainedModel:
    """A copy of the teacher with only these layers; embeddings and classifier are the teacher's."""
    student = copy.deepcopy(teacher)
    kept = [architectures.blocks(student)[number] for number in numbers]
    parent, _, name = architectures.of(student).layers.rpartition(".")
    setattr(student.base_model.get_submodule(parent), name, nn.ModuleList(kept))
    student.config.num_hidden_layers = len(kept)
    return student.eval()


def _bert(intermediate: int, dropout: float) -> dict[str, Any]:
    return {
        "intermediate_size": intermediate,
        "hidden_dropout_prob": dropout,
        "attention_probs_dropout_prob": dropout,
    }


def _distilbert(intermediate: int, dropout: float) -> dict[str, Any]:
    names = ("dropout", "attention_dropout", "seq_classif_dropout")
    return {"hidden_dim": intermediate} | dict.fromkeys(names, dropout)


# What an untrained model is configured by, and what only its architecture calls so.
UNTRAINED = {"bert": (BertConfig, _bert), "distilbert": (DistilBertConfig, _distilbert)}


def untrained(
    architecture: str,
    layers: int,
    hidden: int,
    heads: int,
    intermediate: int,
    vocabulary: int,
    labels: tuple[str, ...],
    regression: bool,
    seed: int,
    positions: int = 128,
    dropout: float = 0.1,
    initializer_range: float = 0.02,
) -> PreTrainedModel:
    """A BERT or DistilBERT that has learned nothing yet, in eval mode: same seed, same weights.

    Raises:
        BadInput: the hidden size is not a multiple of the heads.
    """
    if hidden % heads:
        raise BadInput(f"{heads} heads cannot share {hidden} columns.", "Choose a multiple.")
    make, own_names = UNTRAINED[architecture]
    config = make(
        vocab_size=vocabulary,
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        max_position_embeddings=positions,
        num_labels=1 if regression else len(labels),
        initializer_range=initializer_range,
        pad_token_id=0,
        **own_names(intermediate, dropout),
    )
    model = _drawn(config, seed)
    name_labels(model, labels, regression)
    return model


def _pruned(teacher: PreTrainedModel, mask: UnitMask | None) -> PreTrainedModel:
    if mask is None:
        raise BadInput(
            "A pruned student needs the teacher's expressiveness.",
            "Score the teacher first, or choose its bottom layers.",
        )
    return prune(teacher, mask).eval()


def _checkpoint(
    teacher: PreTrainedModel, reference: str, seed: int, tokenizer: PreTrainedTokenizerBase | None
) -> PreTrainedModel:
    if not reference:
        raise BadInput("No checkpoint is named.", "Name a local folder or a hub id.")
    labels, regression = labels_of(teacher.config)
    student, own = load(reference, labels, regression, seed)
    if tokenizer is None:
        same = student.config.vocab_size == teacher.config.vocab_size
    else:
        same = own.get_vocab() == tokenizer.get_vocab()
    if not same:
        raise Incompatible(
            f"{reference} reads text through another tokenizer than the teacher.",
            "Choose a checkpoint of the teacher's family, or the teacher's own layers.",
        )
    return student


def _random(teacher: PreTrainedModel, layers: int, seed: int) -> PreTrainedModel:
    """As wide as the unpruned teacher, with as many layers as asked for, and no knowledge."""
    config = copy.deepcopy(teacher.config)
    config.num_hidden_layers = layers
    return _drawn(config, seed)


def _drawn(config: Any, seed: int) -> PreTrainedModel:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # the CPU's alone: it is given back
        model = AutoModelForSequenceClassification.from_config(
            config, dtype=torch.float32, attn_implementation="sdpa"
        )
    return model.eval()
