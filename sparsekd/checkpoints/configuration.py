"""What a checkpoint's config.json must say, checked before transformers reads it."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sparsekd.catalog import families
from sparsekd.catalog.families import FAMILIES
from sparsekd.catalog.family import Family
from sparsekd.errors import BadInput, Incompatible

Config = Mapping[str, Any]
LARGEST = 2**31
ACTIVATIONS = (
    "gelu",
    "gelu_10",
    "gelu_accurate",
    "gelu_fast",
    "gelu_new",
    "gelu_python",
    "gelu_python_tanh",
    "gelu_pytorch_tanh",
    "hardswish",
    "laplace",
    "leaky_relu",
    "linear",
    "mish",
    "prelu",
    "quick_gelu",
    "relu",
    "relu2",
    "relu6",
    "sigmoid",
    "silu",
    "sqrtsoftplus",
    "swish",
    "tanh",
    "xielu",
)
"""The names that transformers has for activations."""
DTYPES = ("auto", "float32", "float16", "bfloat16", "float64", "half", "float", "double")
PROBLEM_TYPES = ("single_label_classification", "multi_label_classification", "regression")
COMMON = {"depth": "num_hidden_layers", "hidden": "hidden_size", "heads": "num_attention_heads"}
COMMON |= {"neurons": "intermediate_size", "activation": "hidden_act"}


def family_of(config: Config, where: Path) -> Family:
    """Return the family that a config.json names.

    Raises:
        BadInput: it names none; Incompatible: it is not supported.
    """
    name = config.get("model_type")
    if isinstance(name, str) and name:
        return families.find(name)
    guess = _guess(config)
    hint = (
        f'Add "model_type": "{guess.name}" to it if the model is a {guess.title}.'
        if guess
        else f'Add one, such as "model_type": "bert", for a checkpoint of {families.titles()}.'
    )
    raise BadInput(f"{where} has no model_type.", hint)


def _guess(config: Config) -> Family | None:
    """Return the family whose name begins that of the architecture, without what it is for."""
    names = config.get("architectures")
    name = str(names[0]) if isinstance(names, list) and names else ""
    known = [family for family in FAMILIES.values() if name.partition("For")[0] == family.stem]
    known += [family for family in FAMILIES.values() if name == f"{family.stem}Model"]
    return known[0] if known else None


def value(config: Config, family: Family, role: str) -> Any:
    """Return a value under the family's own name for it, or the common one; None without it."""
    own = getattr(family, role)
    return config.get(own, config.get(COMMON.get(role, own)))


FLOATS = ("initializer_range", "layer_norm_eps", "classifier_dropout")
KNOWN = (
    "vocab_size",
    "max_position_embeddings",
    "type_vocab_size",
    "embedding_size",
    "pad_token_id",
    "id2label",
    "num_labels",
    "problem_type",
    "tokenizer_class",
)
"""Settings that change what an encoder with a classifier computes, beside the family's own."""


def known(config: Config, family: Family) -> dict[str, Any]:
    """Return what transformers is given of a config.json: nothing that this package has no use for.

    Numbers of a range are floats, as transformers wants them.
    """
    roles = ("depth", "hidden", "heads", "neurons", "activation")
    names = {getattr(family, role): value(config, family, role) for role in roles}
    names |= {name: config.get(name) for name in (*family.dropouts, *FLOATS, *KNOWN)}
    ranges = {*family.dropouts, *FLOATS}
    found: dict[str, Any] = {
        name: float(given) if name in ranges else given
        for name, given in names.items()
        if given is not None
    }
    names_of_labels = label_names(config)
    if len(names_of_labels) == 1:  # a number, whatever the kind is called
        found.pop("problem_type", None)
    if names_of_labels:
        found["id2label"] = dict(enumerate(names_of_labels))
        found.pop("num_labels", None)
    return found


def label_names(config: Config) -> tuple[str, ...]:
    """Return the labels in the order of the outputs; empty where a config.json names none."""
    names = config.get("id2label")
    if names:
        return tuple(str(names[str(number)]) for number in range(len(names)))
    numbers = config.get("label2id") or {}
    if sorted(map(str, numbers.values())) != sorted(map(str, range(len(numbers)))):
        return ()
    return tuple(sorted(numbers, key=lambda name: int(numbers[name])))


def check(config: Config, family: Family, where: Path) -> None:
    """Refuse a config.json that transformers would not read, or would read as something else.

    Raises:
        BadInput: an impossible value; Incompatible: a model that is no plain encoder.
    """
    check_encoder(family, config.get)
    if config.get("quantization_config"):
        raise Incompatible(
            f"The weights in {where.parent} are quantised.",
            "Load it with transformers, call dequantize() and save_pretrained, and name that "
            "folder; or use the checkpoint that was quantised.",
        )
    for role in ("depth", "hidden", "heads", "neurons"):
        _check_count(where, getattr(family, role), value(config, family, role))
    if value(config, family, "heads") is None:
        raise BadInput(
            f"{where} lacks {family.heads}.",
            "Add the heads that the model was made with.",
        )
    for name in ("vocab_size", "max_position_embeddings", "embedding_size"):
        _check_count(where, name, config.get(name))
    _check_count(where, "num_labels", config.get("num_labels"))
    if family.segments:
        _check_count(where, "type_vocab_size", config.get("type_vocab_size"))
    hidden, heads = value(config, family, "hidden"), value(config, family, "heads")
    if hidden and heads and hidden % heads:
        raise BadInput(
            f"{where}: {family.hidden} {hidden} cannot be divided among {heads} heads "
            f"({family.heads}).",
            "Write the values that belong to the weights.",
        )
    activation = value(config, family, "activation")
    if activation is not None and activation not in ACTIVATIONS:
        raise BadInput(
            f"{where}: transformers knows no activation {activation!r} ({family.activation}).",
            "Write the one that the model was trained with, such as gelu.",
        )
    _check_numbers(config, family, where)
    _check_names(config, where)
    _check_labels(config, where)


def check_encoder(family: Family, get: Callable[[str], Any]) -> None:
    """Refuse a decoder, and positions that transformers does not read.

    Args:
        get: Returns a value of the configuration by its name, None without it.

    Raises:
        Incompatible: it is either.
    """
    if get("is_decoder") or get("add_cross_attention"):
        raise Incompatible(
            f"This {family.title} is configured as a decoder.",
            "Use an encoder: is_decoder = false.",
        )
    positions = get("position_embedding_type") or "absolute"
    if positions != "absolute":
        raise Incompatible(
            f"This {family.title} has {positions!r} positions, which transformers does not read.",
            "Use a checkpoint with absolute positions.",
        )


def _check_count(where: Path, name: str, given: Any) -> None:
    if given is None:
        return
    if not isinstance(given, int) or isinstance(given, bool) or not 1 <= given < LARGEST:
        raise BadInput(
            f"{where}: {name} is {_shown(given)}, not a number of at least 1.",
            "Write the value that belongs to the weights.",
        )


def _check_numbers(config: Config, family: Family, where: Path) -> None:
    for name in (*family.dropouts, *FLOATS):
        high = 1.0 if "dropout" in name else math.inf
        _check_range(where, name, config.get(name), 0.0, high)
    padding, words = config.get("pad_token_id"), config.get("vocab_size")
    if padding is None:
        return
    if not isinstance(padding, int) or not 0 <= padding < (words or LARGEST):
        raise BadInput(
            f"{where}: pad_token_id is {_shown(padding)}, no id of {words} tokens.",
            "Write the tokenizer's id of its padding token.",
        )


def _check_range(where: Path, name: str, given: Any, low: float, high: float) -> None:
    if given is None:
        return
    number = isinstance(given, int | float) and not isinstance(given, bool)
    if not number or not low <= given <= high or math.isinf(given):
        wanted = "0 to 1" if high == 1 else "0 or more"
        raise BadInput(
            f"{where}: {name} is {_shown(given)}, not a number of {wanted}.",
            "Write the value that the model was trained with.",
        )


def _check_names(config: Config, where: Path) -> None:
    for name in ("dtype", "torch_dtype"):
        given = config.get(name)
        plain = given.removeprefix("torch.") if isinstance(given, str) else given
        if given is not None and plain not in DTYPES:
            raise BadInput(
                f"{where}: {name} is {_shown(given)}, not a type of weights that is read here.",
                f"Write float32, or remove {name}.",
            )
    given = config.get("problem_type")
    if given is not None and given not in PROBLEM_TYPES:
        raise BadInput(
            f"{where}: problem_type is {_shown(given)}.",
            f"Write one of {', '.join(PROBLEM_TYPES)}, or null.",
        )


def _check_labels(config: Config, where: Path) -> None:
    """Refuse names of labels that are not numbered 0, 1, 2 …"""
    names, numbers = config.get("id2label"), config.get("label2id")
    if numbers is not None and not isinstance(numbers, dict):
        raise BadInput(f"{where}: label2id must map names to ids.", "Remove it.")
    if names is None:
        return
    hint = 'Write it as {"0": "negative", "1": "positive"}, or remove it and label2id.'
    if not isinstance(names, dict) or not names:
        problem = "is empty" if names in ({}, [], "") else f"is {_shown(names)}"
        raise BadInput(f"{where}: id2label {problem}; it must map ids to names.", hint)
    if not all(isinstance(name, str | int | float) for name in names.values()):
        raise BadInput(f"{where}: id2label has a label that is not a name.", hint)
    if set(names) != {str(number) for number in range(len(names))}:
        given = ", ".join(list(names)[:8])
        raise BadInput(
            f"{where}: id2label has the ids {given}, not 0 to {len(names) - 1}; they must number "
            "the model's outputs.",
            hint,
        )
    for number, name in names.items():
        other = (numbers or {}).get(str(name))
        if other is not None and str(other) != number:
            raise BadInput(
                f"{where}: {name} is {number} in id2label and {other} in label2id.",
                "Correct id2label, and remove label2id.",
            )


def _shown(given: Any) -> str:
    text = repr(given)
    return text if len(text) <= 60 else f"{text[:57]}…"
