"""Whether a checkpoint's weights are those that its config.json describes, by their sizes."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sparsekd.catalog.families import FAMILIES
from sparsekd.catalog.family import Family
from sparsekd.checkpoints.configuration import value
from sparsekd.checkpoints.files import AGAIN, CONFIG, Weight
from sparsekd.errors import BadInput, Incompatible

FLOATS = ("F64", "F32", "F16", "BF16")
WRAPPERS = ("module.", "_orig_mod.", "model.", "base_model.model.", "0.auto_model.")
NORM = "LayerNorm"
BUFFERS = ("position_ids", "token_type_ids")

Weights = Mapping[str, Weight]


def check(folder: Path, config: Mapping[str, Any], family: Family, weights: Weights) -> int:
    """Refuse weights that are not those of the config.json; return the rows of the embeddings.

    Layers may have fewer heads and neurons than config.json says, as in a pruned model.

    Raises:
        BadInput: sizes that differ, missing weights; Incompatible: quantised weights.
    """
    if not weights:
        raise BadInput(f"The weights in {folder} are empty.", AGAIN)
    for name in weights:
        if "lora_" in name or ".base_layer." in name:
            raise BadInput(
                f"The weights in {folder} hold a LoRA adapter beside its model ({name}).",
                "Merge the two in peft (merge_and_unload), call save_pretrained, and name that "
                "folder.",
            )
    prefix = _prefix(folder, family, weights)
    words = f"{prefix}{family.embeddings}.{family.words}.weight"
    rows, width = _matrix(folder, weights, words)
    hidden = value(config, family, "hidden")
    _compare(folder, "vocab_size", config.get("vocab_size"), rows)
    own_width = "embedding_size" if config.get("embedding_size") else family.hidden
    _compare(folder, own_width, config.get("embedding_size") or hidden, width)
    for part, name in (
        (family.positions, "max_position_embeddings"),
        (family.segments, "type_vocab_size"),
    ):
        if part:
            found = _matrix(folder, weights, f"{prefix}{family.embeddings}.{part}.weight")
            _compare(folder, name, config.get(name), found[0])
    _check_vector(folder, weights, f"{prefix}{family.embeddings}.{NORM}", width)
    _check_embeddings(folder, family, weights, f"{prefix}{family.embeddings}.")
    _check_layers(folder, config, family, weights, f"{prefix}{family.layers}.")
    for part in family.optional:
        problem = _problem(weights, f"{prefix}{part}.dense", hidden)
        if f"{prefix}{part}.dense.weight" in weights and problem:
            raise BadInput(f"{folder} {problem}.", AGAIN)
    return rows


def _check_embeddings(folder: Path, family: Family, weights: Weights, inside: str) -> None:
    """Refuse embeddings that the family does not have, and without which others mean less."""
    used = (family.words, family.positions, family.segments, NORM, *BUFFERS)
    for name in weights:
        if name.startswith(inside) and name.removeprefix(inside).split(".")[0] not in used:
            raise Incompatible(
                f"{folder} has embeddings that {family.title} does not use here: {name}.",
                f"Use a plain {family.title} checkpoint.",
            )


def classifier_problem(config: Mapping[str, Any], family: Family, weights: Weights) -> str:
    """Return in words why weights are no finished classifier; empty where they are one."""
    hidden = value(config, family, "hidden")
    problems = (_problem(weights, module, hidden) for module in family.head)
    return next((problem for problem in problems if problem), "")


def is_leftover(name: str, family: Family) -> bool:
    """Return whether a classifier does without a weight that it has no place for.

    Those are buffers of positions, poolers, and what stands outside encoder and classifier, such as
    heads of pre-training and weights of a loss.
    """
    head = family.classifier.partition(".")[0]
    encoder = f"{family.prefix}."
    if name.startswith(f"{head}."):
        return False
    if not name.startswith(encoder):
        return True
    part = name.removeprefix(encoder)
    return part.startswith("pooler.") or part.endswith(BUFFERS)


def _prefix(folder: Path, family: Family, weights: Weights) -> str:
    """Return what the encoder's weights begin with: its name, or nothing where it is alone."""
    words = f"{family.embeddings}.{family.words}.weight"
    for prefix in (f"{family.prefix}.", ""):
        if prefix + words in weights:
            return prefix
    for name in weights:
        wrapper = next((each for each in WRAPPERS if name.startswith(each)), "")
        if wrapper and name.endswith(words):
            raise BadInput(
                f"The weights in {folder} are named {wrapper}…: they were saved from a wrapper "
                "around the model.",
                f"Save the {family.title} model inside it with save_pretrained.",
            )
    plain_first = sorted(FAMILIES.values(), key=lambda each: each.name != each.prefix)
    for other in plain_first:
        if other.prefix != family.prefix and any(n.startswith(f"{other.prefix}.") for n in weights):
            raise BadInput(
                f"{folder / CONFIG} says {family.title}, but the weights are called "
                f"{other.prefix}.….",
                f"Write the model_type that belongs to the weights, such as {other.name}.",
            )
    raise BadInput(
        f"{folder} lacks the weight {family.prefix}.{words}.",
        f"Download the checkpoint again, or check that it is a {family.title}.",
    )


def _matrix(folder: Path, weights: Weights, name: str) -> tuple[int, int]:
    found = weights.get(name)
    if found is None:
        raise BadInput(f"{folder} lacks the weight {name}.", AGAIN)
    if len(found.shape) != 2:
        raise BadInput(f"{folder}: the weight {name} has {len(found.shape)} axes, not 2.", AGAIN)
    if found.dtype not in FLOATS:
        raise Incompatible(
            f"The weights in {folder} are quantised: {name} is {found.dtype}.",
            "Load it with transformers, call dequantize() and save_pretrained, and name that "
            "folder; or use the checkpoint that was quantised.",
        )
    return found.shape[0], found.shape[1]


def _problem(weights: Weights, module: str, width: int) -> str:
    """Return what is wrong with a linear module that reads vectors of a width; empty if nothing."""
    weight, bias = weights.get(f"{module}.weight"), weights.get(f"{module}.bias")
    for part, found in (("weight", weight), ("bias", bias)):
        if found is None:
            return f"lacks the weight {module}.{part}"
        if found.dtype not in FLOATS:
            return f"has {module}.{part} as {found.dtype}, no floating-point numbers"
    if weight and bias and (weight.shape[1:] != (width,) or weight.shape[:1] != bias.shape):
        sizes = " × ".join(str(length) for length in weight.shape)
        return f"has {module}.weight of the size {sizes}, its inputs have {width} numbers"
    return ""


def _check_vector(folder: Path, weights: Weights, module: str, width: int) -> None:
    """Refuse a LayerNorm whose weight or bias is missing or has another size."""
    for part in ("weight", "bias"):
        found = weights.get(f"{module}.{part}")
        if found is None:
            raise BadInput(f"{folder} lacks the weight {module}.{part}.", AGAIN)
        if found.shape != (width,):
            raise BadInput(
                f"{folder}: the weight {module}.{part} has the size "
                f"{' × '.join(map(str, found.shape))}, not {width}.",
                AGAIN,
            )


def _compare(folder: Path, name: str, said: Any, has: int) -> None:
    if said is None:
        raise BadInput(f"{folder / CONFIG} lacks {name}, the weights have {has}.", "Add it.")
    if said != has:
        raise BadInput(
            f"{folder / CONFIG} says {name} {said}, the weights have {has}.",
            f"Write {has} if the weights are right, or add the weights that belong to it.",
        )


def _check_layers(
    folder: Path, config: Mapping[str, Any], family: Family, weights: Weights, prefix: str
) -> None:
    numbered = re.compile(re.escape(prefix) + r"(\d+)\.(.+)")
    parts: dict[int, set[str]] = {}
    for name in weights:
        found = numbered.fullmatch(name)
        if found:
            parts.setdefault(int(found[1]), set()).add(found[2])
    said = value(config, family, "depth")
    _compare(folder, family.depth, said, max(parts, default=-1) + 1)
    usual = set().union(*parts.values())
    hidden, heads = value(config, family, "hidden"), value(config, family, "heads")
    if value(config, family, "neurons") is None:
        first = _matrix(folder, weights, f"{prefix}0.{family.expansion}.weight")
        _compare(folder, family.neurons, None, first[0])
    for number in range(max(parts, default=-1) + 1):
        layer = f"{prefix}{number}."
        lacking = sorted(usual - parts.get(number, set()))
        lacking = [part for part in lacking if not _may_lack(weights, layer, part)]
        if lacking:
            raise BadInput(f"{folder} lacks the weight {layer}{lacking[0]}.", AGAIN)
        shapes = {
            role: _matrix(folder, weights, f"{layer}{getattr(family, role)}.weight")
            for role in ("query", "key", "value", "head_site", "expansion", "neuron_site")
        }
        _check_units(folder, number, shapes, hidden, heads, family)
        for role, shape in shapes.items():
            if 0 not in shape:
                _check_vector_of(folder, weights, f"{layer}{getattr(family, role)}", shape[0])
        for part in usual:
            found = weights.get(f"{layer}{part}")
            if part.endswith(".weight") and found and len(found.shape) == 1:
                _check_vector(folder, weights, f"{layer}{part.removesuffix('.weight')}", hidden)


def _check_vector_of(folder: Path, weights: Weights, module: str, rows: int) -> None:
    bias = weights.get(f"{module}.bias")
    if bias is None or bias.shape != (rows,):
        problem = "lacks the weight" if bias is None else "has another size than its matrix in"
        raise BadInput(f"{folder} {problem} {module}.bias.", AGAIN)


def _may_lack(weights: Weights, layer: str, part: str) -> bool:
    """Return whether a part is the bias of a block without units, which has none."""
    matrix = weights.get(f"{layer}{part.removesuffix('.bias')}.weight")
    return part.endswith(".bias") and matrix is not None and 0 in matrix.shape


def _check_units(
    folder: Path,
    number: int,
    shapes: Mapping[str, tuple[int, int]],
    hidden: int,
    heads: int,
    family: Family,
) -> None:
    """Refuse matrices of a layer that disagree on its width, heads or neurons."""
    width = shapes["query"][1]
    _compare(folder, family.hidden, hidden, width)
    inner, neurons = shapes["head_site"][1], shapes["neuron_site"][1]
    size = width // heads
    fits = all(shapes[role] == (inner, width) for role in ("query", "key", "value"))
    fits = fits and inner % size == 0 and inner <= width
    fits = fits and shapes["head_site"][0] == shapes["neuron_site"][0] == width
    if not fits or shapes["expansion"] != (neurons, width):
        raise BadInput(
            f"{folder}: the matrices of layer {number} do not fit together.",
            f"The checkpoint is damaged. {AGAIN}",
        )
