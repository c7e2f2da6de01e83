"""Parameters as widgets."""

import pytest
from streamlit.testing.v1 import AppTest

from pages.parts.forms import fields as forms
from sparsekd.catalog.parameters import TrainParams
from sparsekd.catalog.stage_parameters import MaskParams, ProbeParams, StudentParams
from sparsekd.errors import BadInput


def _train_form() -> None:
    from pages.parts.forms import fields as forms
    from sparsekd.catalog.parameters import TrainParams

    forms.ask(TrainParams, "t", {"epochs": 7})


def test_every_parameter_gets_a_widget_with_its_range_default_and_help() -> None:
    app = AppTest.from_function(_train_form).run()

    assert not app.exception
    fields = TrainParams.model_fields
    labels = {forms.label(name) for name in fields}
    assert {box.label for box in app.number_input} == labels
    epochs = app.number_input(key="t.epochs")
    assert (epochs.value, epochs.min, epochs.max) == (7, 1, 1000)
    assert epochs.help == fields["epochs"].description
    assert app.number_input(key="t.learning_rate").value == 3e-5


def _student_form() -> None:
    import streamlit as st

    from pages.parts.forms import fields as forms
    from sparsekd.catalog.stage_parameters import ProbeParams, StudentParams

    st.session_state["values"] = forms.ask(StudentParams, "s")
    st.session_state["probe"] = forms.ask(ProbeParams, "p")


def test_what_the_widgets_say_is_what_the_parameters_take() -> None:
    app = AppTest.from_function(_student_form).run()

    assert not app.exception
    assert StudentParams.of(app.session_state["values"]) == StudentParams.of({})
    assert ProbeParams.of(app.session_state["probe"]) == ProbeParams.of({})


def test_a_value_out_of_range_says_which_and_why() -> None:
    with pytest.raises(BadInput, match="learning_rate = 0"):
        forms.checked(TrainParams, {"learning_rate": 0.0})


def test_an_emptied_box_is_named() -> None:
    with pytest.raises(BadInput, match="Epochs is empty"):
        forms.checked(TrainParams, {"epochs": None})
    assert forms.checked(MaskParams, {"neuron_sparsity": None}).neuron_sparsity is None
