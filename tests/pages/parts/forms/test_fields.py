"""Parameters as widgets."""

from streamlit.testing.v1 import AppTest

from sparsekd.catalog.fields import label
from sparsekd.catalog.parameters import TrainParams
from sparsekd.catalog.stage_parameters import ProbeParams, StudentParams


def _train_form() -> None:
    from pages.parts.forms import fields
    from sparsekd.catalog.parameters import TrainParams

    fields.draw_fields(TrainParams, "t", {"epochs": 7})


def test_every_parameter_gets_a_widget_with_its_range_default_and_help() -> None:
    app = AppTest.from_function(_train_form).run()

    assert not app.exception
    declared = TrainParams.model_fields
    choices = {group.label for group in app.button_group}
    assert choices == {label("class_weights")}
    assert choices | {box.label for box in app.number_input} == {label(n) for n in declared}
    epochs = app.number_input(key="t.epochs")
    assert (epochs.value, epochs.min, epochs.max) == (7, 0, 1000)
    assert epochs.help == declared["epochs"].description
    assert app.number_input(key="t.learning_rate").value == 3e-5


def _student_form() -> None:
    import streamlit as st

    from pages.parts.forms import fields
    from sparsekd.catalog.stage_parameters import ProbeParams, StudentParams

    st.session_state["values"] = fields.draw_fields(StudentParams, "s")
    st.session_state["probe"] = fields.draw_fields(ProbeParams, "p")


def test_untouched_widgets_give_the_default_parameters() -> None:
    app = AppTest.from_function(_student_form).run()

    assert not app.exception
    assert StudentParams.of(app.session_state["values"]) == StudentParams.of({})
    assert ProbeParams.of(app.session_state["probe"]) == ProbeParams.of({})
