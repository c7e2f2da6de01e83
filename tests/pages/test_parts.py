"""What the pages are built from: forms, verdicts, estimates, calibration, the stepper."""

from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from pages.parts.compare import model_quality, study_view, two_models
from pages.parts.forms import fields as forms
from pages.parts.forms import launch_cost, student_form, task_picker
from pages.parts.shell import frame, sidebar
from sparsekd.catalog.parameters import TrainParams
from sparsekd.catalog.stage_parameters import MaskParams, ProbeParams, StudentParams
from sparsekd.errors import BadInput
from sparsekd.runs import store
from sparsekd.runs.records import State
from sparsekd.studies import cost
from sparsekd.tasks import TASKS

from .conftest import fill_plan, sample_plan

# --- forms -----------------------------------------------------------------------------------


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


# --- words -----------------------------------------------------------------------------------


def test_text_from_data_cannot_become_markup() -> None:
    assert frame.plain("**bold** [x](y) $a$ <b>") == (r"\*\*bold\*\* \[x\]\(y\) \$a\$ \<b\>")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, "–"), (float("nan"), "–"), (3.21, "3.2 s"), (61, "61 s"), (125, "2 min 5 s"),
     (7260, "2 h 1 min")],
)  # fmt: skip
def test_durations_read_well(seconds: float | None, words: str) -> None:
    assert cost.duration(seconds) == words


# --- verdicts --------------------------------------------------------------------------------


def question(student: list[float], trial: list[float]) -> study_view.Question:
    """A study whose student and trial student have these accuracies, seed by seed."""
    rows = [
        {"role": role, "seed": seed, "split": "validation", "metric": "accuracy", "value": value,
         "parameters": 10, "seconds": 1.0, "run": f"{role}{seed}"}
        for role, values in {"student": student, "trial_student": trial}.items()
        for seed, value in enumerate(values)
    ]  # fmt: skip
    return study_view.Question(pd.DataFrame(rows), "validation", "accuracy")


def _verdict(student: list[float], trial: list[float]) -> None:
    from pages.parts.compare import study_view
    from tests.pages.test_parts import question

    study_view.verdict(question(student, trial))


def verdict(student: list[float], trial: list[float]) -> AppTest:
    app = AppTest.from_function(_verdict, kwargs={"student": student, "trial": trial}).run()
    assert not app.exception
    return app


def test_one_seed_proves_nothing_however_large_the_difference() -> None:
    app = verdict([0.9], [0.6])

    assert len(app.success) == 0
    assert "30.0 points above the trial student" in app.info[0].value
    assert "One seed proves nothing" in app.info[0].value


def test_five_seeds_that_agree_say_better() -> None:
    app = verdict([0.91, 0.92, 0.90, 0.93, 0.91], [0.85, 0.86, 0.85, 0.86, 0.85])

    assert "Verdict: better" in app.success[0].value
    assert "on average over 5 seeds" in app.success[0].value


def test_five_seeds_that_agree_the_other_way_say_worse() -> None:
    app = verdict([0.85, 0.86, 0.85, 0.86, 0.85], [0.91, 0.92, 0.90, 0.93, 0.91])

    assert "points below the trial student" in app.warning[0].value
    assert "Verdict: worse" in app.warning[0].value


def test_five_seeds_that_disagree_are_inconclusive() -> None:
    app = verdict([0.9, 0.8, 0.9, 0.8, 0.9], [0.8, 0.9, 0.8, 0.9, 0.85])

    assert app.info[0].value.count("Inconclusive") == 1


# --- calibration -----------------------------------------------------------------------------


def test_calibration_error_by_hand() -> None:
    # Two examples at 0.9 (one right), one at 0.6 (right): (2·|0.9 − 0.5| + |0.6 − 1|) / 3 = 0.4.
    logits = np.log(np.array([[0.9, 0.1], [0.1, 0.9], [0.4, 0.6]])) + 3.0

    bins, error = model_quality.reliability(logits, np.array([0, 0, 1]))

    assert error == pytest.approx(0.4)
    assert list(bins["examples"]) == [1, 2]


# --- examples --------------------------------------------------------------------------------


def test_regressions_are_compared_by_distance() -> None:
    gold = np.array([1.0, 2.0, 3.0])
    one, other = np.array([[1.0], [0.0], [4.0]]), np.array([[2.0], [2.0], [2.0]])

    table = two_models.judged(TASKS["demo/similarity"], (one, gold), (other, gold))

    assert list(table["who"]) == ["first", "second", "both"]


def test_every_choice_of_first_weights_has_its_own_boxes() -> None:
    choices = get_args(StudentParams.model_fields["choice"].annotation)

    assert set(student_form.BY_CHOICE) == set(choices)


# --- estimates -------------------------------------------------------------------------------


def test_steps_are_batches_times_epochs() -> None:
    train = TrainParams(epochs=3, batch_size=32)

    assert launch_cost.cost(100, train) == launch_cost.Cost(steps=4 * 3, examples=300)
    assert launch_cost.cost(None, train) is None
    fewer = train.model_copy(update={"train_examples": 40})
    assert launch_cost.cost(100, fewer) == launch_cost.Cost(steps=2 * 3, examples=120)


def test_rows_for_training_leave_out_the_selection_split() -> None:
    assert launch_cost.training_rows(TASKS["demo/sentiment"], 5000) == 4500


def test_pace_is_measured_on_finished_runs_of_the_same_task(home: Path) -> None:
    assert launch_cost.pace("distil", "demo/sentiment") is None
    fill_plan(sample_plan())

    rate, runs = launch_cost.pace("distil", "demo/sentiment") or (0.0, 0)

    assert rate == pytest.approx(4500 * 4 / 9.5)
    assert runs == 4
    assert launch_cost.pace("distil", "demo/inference") is None


# --- stepper ---------------------------------------------------------------------------------


def test_the_stepper_says_what_exists_and_what_comes_next(home: Path) -> None:
    plan = fill_plan(sample_plan(), until="scores")

    states = [stand.state for stand in sidebar.stands(plan)]

    assert states[:3] == [State.DONE, State.DONE, State.QUEUED]
    assert sidebar.next_stop(plan) == sidebar.STOPS[2]


def test_with_several_seeds_a_step_is_done_when_all_are(home: Path) -> None:
    plan = fill_plan(sample_plan((0, 1, 2)), until="student")

    trial, student = sidebar.stands(plan)[1], sidebar.stands(plan)[4]

    assert (trial.done, trial.total, trial.state) == (1, 3, State.QUEUED)
    assert (student.done, student.total) == (0, 3)


def test_without_a_study_the_steps_follow_the_store(home: Path) -> None:
    teacher = sample_plan().steps[0]
    store.create(teacher.recipe)

    assert sidebar.stands(None)[0].state is State.QUEUED
    assert sidebar.stands(None)[1].state is None


# --- uploads ---------------------------------------------------------------------------------


def test_uploads_are_kept_under_our_own_names(home: Path) -> None:
    given = {"train": ("../../evil.CSV", b"a"), "validation": ("v.jsonl", b"b")}

    folder = Path(task_picker.keep(given))

    assert folder.parent == home / "uploads"
    assert sorted(path.name for path in folder.iterdir()) == ["train.csv", "validation.jsonl"]
    assert task_picker.keep(given) == str(folder)


def test_another_kind_of_file_is_refused(home: Path) -> None:
    with pytest.raises(BadInput, match="is not parquet"):
        task_picker.keep({"train": ("model.pkl", b"x"), "validation": ("v.csv", b"y")})
