"""Parameters as widgets: ranges, choices and help come from the pydantic fields."""

from collections.abc import Iterable
from types import NoneType
from typing import Any, Literal, get_args, get_origin

import streamlit as st
from pydantic.fields import FieldInfo

from sparsekd.catalog.fields import bounds, label, numbers, step_size
from sparsekd.catalog.parameters import Params, TrainParams

TRAINING = ("epochs", "learning_rate", "batch_size", "max_length", "train_examples", "labelled")
FEW = 4  # choices shown side by side instead of in a menu


def draw_fields(
    params: type[Params],
    key: str,
    defaults: dict[str, Any] | None = None,
    first: tuple[str, ...] = (),
    without: Iterable[str] = (),
    columns: int = 3,
) -> dict[str, Any]:
    """Draw a widget for each parameter of `params`, and return their values, not yet validated.

    Args:
        key: Begins the widgets' keys; another key starts again from the defaults.
        first: These are shown at once, the others behind "More"; empty shows all.
        without: These keep their default.
    """
    start = {name: field.default for name, field in params.model_fields.items()}
    start |= defaults or {}
    names = [name for name in params.model_fields if name not in set(without)]
    shown = [name for name in first if name in names] or names
    values = _draw_row(params, shown, start, key, columns)
    rest = [name for name in names if name not in shown]
    if rest:
        with st.expander("More parameters", icon=":material/tune:"):
            values |= _draw_row(params, rest, start, key, columns)
    return {name: start[name] for name in params.model_fields} | values


def draw_training(key: str, defaults: dict[str, Any], columns: int = 6) -> dict[str, Any]:
    """Draw the parameters of a training, the commonest first."""
    return draw_fields(TrainParams, key, defaults, TRAINING, columns=columns)


def _draw_row(
    params: type[Params], names: list[str], start: dict[str, Any], key: str, columns: int
) -> dict[str, Any]:
    values = {}
    places = st.columns(columns)
    for number, name in enumerate(names):
        with places[number % len(places)]:
            values[name] = draw_field(name, params.model_fields[name], start[name], f"{key}.{name}")
    return values


def draw_field(name: str, field: FieldInfo, value: Any, key: str) -> Any:
    """Draw the widget that fits one field, and return its value."""
    title, words = label(name), field.description
    types = [part for part in get_args(field.annotation) if part is not NoneType]
    declared = field.annotation
    if get_origin(declared) is Literal:
        return _draw_choice(title, get_args(declared), value, words, key)
    if declared is bool:
        return st.toggle(title, value, help=words, key=key)
    if declared is int:
        return _draw_integer(title, field, value, words, key)
    if declared is float or (float in types and get_origin(declared) is not tuple):
        return _draw_float(title, field, value, words, key)
    if declared is str:
        return st.text_input(title, value, help=words, key=key).strip()
    text = st.text_input(title, ", ".join(f"{one:g}" for one in value), help=words, key=key)
    return numbers(title, text)


def _draw_choice(
    title: str, options: tuple[Any, ...], value: Any, words: str | None, key: str
) -> Any:
    def readable(option: str) -> str:
        return option.replace("_", " ")

    if len(options) > FEW:
        place = options.index(value)
        return st.selectbox(title, options, place, help=words, key=key, format_func=readable)
    return st.segmented_control(
        title, options, default=value, required=True, help=words, key=key, format_func=readable
    )


def _draw_integer(title: str, field: FieldInfo, value: int, words: str | None, key: str) -> Any:
    low, high = (None if bound is None else int(bound) for bound in bounds(field))
    return st.number_input(title, low, high, value, step=1, help=words, key=key)


def _draw_float(
    title: str, field: FieldInfo, value: float | None, words: str | None, key: str
) -> Any:
    low, high = bounds(field)
    step = step_size(value, low, high)
    if value is None:
        empty = "as the heads"
        return st.number_input(title, low, high, None, step, "%g", key, words, placeholder=empty)
    return st.number_input(title, low, high, value, step, "%g", key, words)
