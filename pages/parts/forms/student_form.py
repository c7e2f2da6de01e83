"""The form of a student: where its first weights come from, and what that choice needs."""

import streamlit as st

from pages.parts.forms import fields as forms
from pages.parts.forms import model_picker
from sparsekd.catalog.stage_parameters import StudentParams

BY_CHOICE = {
    "bottom": ("layers",),
    "every": ("layers",),
    "top": ("layers",),
    "random": ("layers",),
    "pruned": ("sparsity",),
    "checkpoint": ("checkpoint",),
}


def ask(key: str, start: dict[str, object]) -> dict[str, object]:
    """Where the first weights come from, and what that choice needs."""
    fields = StudentParams.model_fields
    left, right = st.columns([1, 2])
    with left:
        choice = forms.widget("choice", fields["choice"], start["choice"], f"{key}.choice")
    needed = BY_CHOICE[choice]
    others = tuple(name for name in fields if name not in needed)
    with right:
        values = forms.ask(StudentParams, key, start, without=others, columns=1)
    if choice == "checkpoint":
        values["checkpoint"] = model_picker.typed(str(values["checkpoint"]))
    return values | {"choice": choice}
