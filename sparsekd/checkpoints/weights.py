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

Weights = Mapping[str, Weight]


def check(folder: Path, config: Mapping[str, Any], family: Family, weights: Weights) -> int:
    """Refuse weights that are not those of the config.json; return the rows of the embeddings.

    Layers may have fewer heads and neurons than config.json says, as in a pruned model.

    Raises:
        BadInput: sizes that differ, missing weights; Incompatible: quantised weights.
    """
    if not weights:
        raise BadInput(f"The weights in {folder} are empty.", AGAIN)
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
    _check_layers(folder, config, family, weights, f"{prefix}{family.layers}.")
    return rows


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
    return part.startswith("pooler.") or part.endswith(("position_ids", "token_type_ids"))


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
    for other in FAMILIES.values():
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


def _compare(folder: Path, name: str, said: Any, has: int) -> None:
    if said is not None and said != has:
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


def _may_lack(weights: Weights, layer: str, part: str) -> bool:
    """Return whether a part is the bias of a block without units, which has none."""
    matrix = weights.get(f"{layer}{part.removesuffix('.bias')}.weight")
    return part.endswith(".bias") and matrix is not None and 0 in matrix.shape


def _check_units(
    folder: Path,
    number: int,
    shapes: Mapping[str, tuple[int, int]],
    hidden: int | None,
    heads: int | None,
    family: Family,
) -> None:
    """Refuse matrices of a layer that disagree on its width, heads or neurons."""
    width = shapes["query"][1]
    _compare(folder, family.hidden, hidden, width)
    inner, neurons = shapes["head_site"][1], shapes["neuron_site"][1]
    size = (width // heads) if heads else 1
    fits = all(shapes[role] == (inner, width) for role in ("query", "key", "value"))
    fits = fits and inner % size == 0 and inner <= width
    fits = fits and shapes["head_site"][0] == shapes["neuron_site"][0] == width
    if not fits or shapes["expansion"] != (neurons, width):
        raise BadInput(
            f"{folder}: the matrices of layer {number} do not fit together.",
            f"The checkpoint is damaged. {AGAIN}",
        )
