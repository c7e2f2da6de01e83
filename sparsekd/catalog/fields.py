"""Parameters as fields of a form: labels, ranges, steps, and validation of what was entered."""

import math
from types import NoneType
from typing import Any, TypeVar, get_args

from pydantic.fields import FieldInfo

from sparsekd.catalog.parameters import Params
from sparsekd.errors import BadInput

ParamsT = TypeVar("ParamsT", bound=Params)

LABELS = {
    "lam": "λ",
    "alpha": "α",
    "epochs": "Epochs",
    "train_examples": "Training examples (0 = all)",
    "labelled": "Gold labels (0 = all)",
    "neuron_sparsity": "Sparsity of the neurons",
    "round_to": "Round neurons to",
    "clip": "Gradient clip",
    "choice": "Initial weights",
}


def label(name: str) -> str:
    """Return a parameter's label."""
    return LABELS.get(name, name.replace("_", " ").capitalize())


def label_in_sentence(name: str) -> str:
    """Return a parameter's label as it stands inside a sentence."""
    words = label(name)
    return words[0].lower() + words[1:]


def bounds(field: FieldInfo) -> tuple[float | None, float | None]:
    """Return the least and largest value that a field's metadata allows."""
    low = high = None
    for part in field.metadata:
        for name in ("ge", "gt"):
            low = float(getattr(part, name)) if hasattr(part, name) else low
        for name in ("le", "lt"):
            high = float(getattr(part, name)) if hasattr(part, name) else high
    return low, high


def step_size(value: float | None, low: float | None, high: float | None) -> float:
    """Return the step of a number box: 0.05 for a share, else one of the value's leading digit."""
    if value and 0 < value < 0.05:
        return float(10.0 ** math.floor(math.log10(value)))
    if low is not None and high is not None and high - low <= 1:
        return 0.05
    return 0.5 if value is None or value < 10 else 1.0


def numbers(title: str, text: str) -> tuple[float, ...]:
    """Return the numbers of a list written with commas.

    Raises:
        BadInput: a part is not a number.
    """
    try:
        return tuple(float(word) for word in text.split(",") if word.strip())
    except ValueError as error:
        raise BadInput(f"{title}: {text!r} is not a list of numbers.", "Write 0.1, 0.2.") from error


def validated(params: type[ParamsT], values: dict[str, Any]) -> ParamsT:
    """Return the parameters with the values of a form.

    Raises:
        BadInput: a value is missing or outside its range.
    """
    for name, value in values.items():
        if value is None and NoneType not in get_args(params.model_fields[name].annotation):
            raise BadInput(f"{label(name)} is empty.", params.model_fields[name].description or "")
    return params.of(values)
