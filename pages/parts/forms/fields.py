"""Parameters to widgets: ranges, choices and help are read off the pydantic fields."""

import math
from collections.abc import Iterable
from types import NoneType
from typing import Any, Literal, TypeVar, get_args, get_origin

import streamlit as st
from pydantic.fields import FieldInfo

from sparsekd.catalog.parameters import Params
from sparsekd.errors import BadInput

Kind = TypeVar("Kind", bound=Params)

LABELS = {
    "lam": "λ",
    "epochs": "Epochs",
    "train_examples": "Training examples (0 = all)",
    "neuron_sparsity": "Sparsity of the neurons",
    "round_to": "Round neurons to",
    "clip": "Gradient clip",
    "choice": "First weights",
}
FEW = 4  # choices shown side by side instead of in a menu


def label(name: str) -> str:
    """A parameter's name as people read it."""
    return LABELS.get(name, name.replace("_", " ").capitalize())


def ask(
    kind: type[Kind],
    key: str,
    defaults: dict[str, Any] | None = None,
    first: tuple[str, ...] = (),
    without: Iterable[str] = (),
    columns: int = 3,
) -> dict[str, Any]:
    """Widgets for the parameters of `kind`; the values as they stand, not yet checked.

    Args:
        key: Begins the widgets' keys; another key starts again from the defaults.
        first: These are shown at once, the others behind "More"; empty shows all.
        without: These keep their default.
    """
    start = {name: field.default for name, field in kind.model_fields.items()}
    start |= defaults or {}
    names = [name for name in kind.model_fields if name not in set(without)]
    shown = [name for name in first if name in names] or names
    values = _row(kind, shown, start, key, columns)
    rest = [name for name in names if name not in shown]
    if rest:
        with st.expander("More parameters", icon=":material/tune:"):
            values |= _row(kind, rest, start, key, columns)
    return {name: start[name] for name in kind.model_fields} | values


def checked(kind: type[Kind], values: dict[str, Any]) -> Kind:
    """The parameters themselves.

    Raises:
        BadInput: a value is missing or outside its range.
    """
    for name, value in values.items():
        if value is None and NoneType not in get_args(kind.model_fields[name].annotation):
            raise BadInput(f"{label(name)} is empty.", kind.model_fields[name].description or "")
    return kind.of(values)


def _row(
    kind: type[Params], names: list[str], start: dict[str, Any], key: str, columns: int
) -> dict[str, Any]:
    values = {}
    places = st.columns(columns)
    for number, name in enumerate(names):
        with places[number % len(places)]:
            values[name] = widget(name, kind.model_fields[name], start[name], f"{key}.{name}")
    return values


def widget(name: str, field: FieldInfo, value: Any, key: str) -> Any:
    """The widget that fits one field, and its value."""
    title, words = label(name), field.description
    kinds = [part for part in get_args(field.annotation) if part is not NoneType]
    plain = field.annotation
    if get_origin(plain) is Literal:
        return _choice(title, get_args(plain), value, words, key)
    if plain is bool:
        return st.toggle(title, value, help=words, key=key)
    if plain is int:
        return _whole(title, field, value, words, key)
    if plain is float or (float in kinds and get_origin(plain) is not tuple):
        return _number(title, field, value, words, key)
    if plain is str:
        return st.text_input(title, value, help=words, key=key).strip()
    text = st.text_input(title, ", ".join(f"{one:g}" for one in value), help=words, key=key)
    return tuple(_numbers(title, text))


def _choice(title: str, options: tuple[Any, ...], value: Any, words: str | None, key: str) -> Any:
    if len(options) <= FEW:
        return st.segmented_control(
            title, options, default=value, required=True, help=words, key=key,
            format_func=_readable,
        )  # fmt: skip
    return st.selectbox(
        title, options, options.index(value), help=words, key=key, format_func=_readable
    )


def _readable(option: str) -> str:
    return option.replace("_", " ")


def _whole(title: str, field: FieldInfo, value: int, words: str | None, key: str) -> Any:
    low, high = bounds(field)
    return st.number_input(
        title,
        None if low is None else int(low),
        None if high is None else int(high),
        value,
        step=1,
        help=words,
        key=key,
    )


def _number(title: str, field: FieldInfo, value: float | None, words: str | None, key: str) -> Any:
    low, high = bounds(field)
    return st.number_input(
        title,
        low,
        high,
        value,
        step=_step(value, low, high),
        format="%g",
        help=words,
        key=key,
        placeholder="as the heads" if value is None else None,
    )


def _step(value: float | None, low: float | None, high: float | None) -> float:
    """A twentieth of a share; otherwise one of the value's leading digit."""
    if value and 0 < value < 0.05:
        return float(10.0 ** math.floor(math.log10(value)))
    if low is not None and high is not None and high - low <= 1:
        return 0.05
    return 0.5 if value is None or value < 10 else 1.0


def bounds(field: FieldInfo) -> tuple[float | None, float | None]:
    """The least and largest value that a field's metadata allows."""
    low = high = None
    for part in field.metadata:
        for name in ("ge", "gt"):
            low = float(getattr(part, name)) if hasattr(part, name) else low
        for name in ("le", "lt"):
            high = float(getattr(part, name)) if hasattr(part, name) else high
    return low, high


def _numbers(title: str, text: str) -> list[float]:
    try:
        return [float(word) for word in text.split(",") if word.strip()]
    except ValueError as error:
        raise BadInput(f"{title}: {text!r} is no list of numbers.", "Write 0.1, 0.2.") from error
