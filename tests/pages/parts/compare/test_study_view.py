"""The verdict of a study in words."""

import pandas as pd
from streamlit.testing.v1 import AppTest

from pages.parts.compare import study_view


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
    from tests.pages.parts.compare.test_study_view import question

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

    assert "Better (" in app.success[0].value
    assert "on average over 5 seeds" in app.success[0].value


def test_five_seeds_that_agree_the_other_way_say_worse() -> None:
    app = verdict([0.85, 0.86, 0.85, 0.86, 0.85], [0.91, 0.92, 0.90, 0.93, 0.91])

    assert "points below the trial student" in app.warning[0].value
    assert "Worse (" in app.warning[0].value


def test_five_seeds_that_disagree_are_inconclusive() -> None:
    app = verdict([0.9, 0.8, 0.9, 0.8, 0.9], [0.8, 0.9, 0.8, 0.9, 0.85])

    assert app.info[0].value.count("Inconclusive") == 1
