"""The form of a student: its initial weights, and the parameters of that choice."""

import streamlit as st

from pages.parts.forms import fields, model_picker
from sparsekd.catalog.stage_parameters import LAYERED, StudentParams

BY_CHOICE = {
    **dict.fromkeys(LAYERED, ("layers",)),
    "pruned": ("sparsity",),
    "checkpoint": ("checkpoint",),
}


def draw_student_form(key: str, start: dict[str, object]) -> dict[str, object]:
    """Draw the choice of the initial weights with its parameters, and return the values."""
    declared = StudentParams.model_fields
    left, right = st.columns([1, 2])
    with left:
        choice = fields.draw_field("choice", declared["choice"], start["choice"], f"{key}.choice")
    needed = BY_CHOICE[choice]
    others = tuple(name for name in declared if name not in needed)
    with right:
        values = fields.draw_fields(StudentParams, key, start, without=others, columns=1)
    if choice == "checkpoint":
        values["checkpoint"] = model_picker.resolve_model(str(values["checkpoint"]))
    return values | {"choice": choice}
