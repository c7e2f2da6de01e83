"""The same numbers get the same verdict in a study, a comparison and a sweep, wherever shown."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from sparsekd.__main__ import main
from sparsekd.runs import jobs, store
from sparsekd.runs.records import Outcome, Plan, Run, State, Step
from sparsekd.studies import results, roles
from sparsekd.studies.comparisons import comparison_results
from sparsekd.studies.sweeps import sweep_results
from tests.pages.conftest import table

Open = Callable[..., AppTest]
OURS = "vanilla:sparse_teacher"
COMMANDS = {
    "study": [],
    "compare": ["--methods", f"vanilla,fine_tuning,{OURS},vanilla:random_mask"],
    "sweep": ["--lam", "0.5", "--sparsity", "0.3", "--controls", "plain,random"],
}
# Each has the comparison with the dense teacher's student and two more, which are all noise.
DENSE = [0.70, 0.74, 0.68, 0.77, 0.72]
VALUES = {
    "trial_student": DENSE,
    "vanilla": DENSE,
    "dense_try": DENSE,
    "random_mask_student": [0.2, 0.95, 0.4, 0.9, 0.55],
    "vanilla:random_mask": [0.2, 0.95, 0.4, 0.9, 0.55],
    "plain_student": [0.9, 0.3, 0.85, 0.25, 0.6],
    "fine_tuning": [0.9, 0.3, 0.85, 0.25, 0.6],
}
CASES = {
    "better": [0.02, 0.021, 0.022, 0.02, 0.021],
    "worse": [-0.02, -0.021, -0.022, -0.02, -0.021],
    "inconclusive: not significant": [0.02, -0.02, 0.03, -0.03, 0.01],
    "inconclusive: not significant after correction for 3 comparisons": [
        0.01,
        0.03,
        0.05,
        0.06,
        0.09,
    ],
    "inconclusive: the same difference in all 5 seeds, p = 0.062 by the sign test": [0.01] * 5,
}


def finish(step: Step, gaps: list[float]) -> None:
    """Enter a run as done; on the selection split the sparse teacher's students are best."""
    ours = step.role in ("student", OURS)
    values = [a + b for a, b in zip(DENSE, gaps, strict=True)] if ours else VALUES.get(step.role)
    value = values[step.seed % 5] if values else 0.9
    chosen = 0.1 if step.role == "dense_try" else 0.5 + 0.4 * ours
    metrics = {"selection": {"accuracy": chosen}, "validation": {"accuracy": value, "loss": 1.0}}
    store.start(step.recipe.run_id, "cpu", 1)
    store.finish(step.recipe.run_id, State.DONE, Outcome(metrics, {"parameters": 10}), 1.0)


@pytest.fixture
def command(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[str, list[float]], tuple[Plan, Any]]:
    """Run a command whose runs are finished at once; return its plan and its JSON."""

    def run(name: str, gaps: list[float]) -> tuple[Plan, Any]:
        def submit(plan: Plan, *_: object) -> list[Run]:
            store.save_plan(plan)
            for step in plan.steps:
                if store.create(step.recipe).state is not State.DONE:
                    finish(step, gaps)
            return [store.get(step.recipe.run_id) for step in plan.steps]

        monkeypatch.setattr(jobs, "submit_plan", submit)
        words = [name, "--task", "demo/sentiment", "--seeds", "5", "--json", *COMMANDS[name]]
        assert main(words) == 0
        return store.plans()[0], json.loads(capsys.readouterr().out)

    return run


def of(rows: list[dict[str, Any]], **place: str) -> str:
    """The words of the one row at a place."""
    (row,) = [row for row in rows if place.items() <= row.items()]
    assert row["words"].startswith(row["verdict"])
    return str(row["words"])


@pytest.mark.parametrize("words", CASES)
def test_the_same_differences_have_the_same_verdict_everywhere(
    command: Callable[[str, list[float]], tuple[Plan, Any]], open_page: Open, words: str
) -> None:
    gaps = CASES[words]

    plan, facts = command("study", gaps)
    frame = results.comparisons(results.study_frame(plan), "validation", "accuracy")
    assert of(frame.to_dict("records"), control="trial_student") == words
    assert of(facts["comparisons"], control="trial_student") == words
    shown = open_page(v="1", study=plan.id)
    boxes = [box.value.replace("\\", "") for box in (*shown.info, *shown.success, *shown.warning)]
    assert any(f"{words} (" in text.lower() for text in boxes)

    plan, facts = command("compare", gaps)
    frame = comparison_results.differences(
        results.study_frame(plan),
        "validation",
        "accuracy",
        "vanilla",
        comparison_results.variants(plan),
    )
    assert of(frame.to_dict("records"), role=OURS) == words
    assert of(facts["differences"]["vanilla"], role=OURS) == words
    rows = table(open_page("pages/student/compare.py", v="1", study=plan.id), "verdict")
    assert rows.set_index("what").loc[roles.title(OURS), "verdict"] == words

    plan, (facts,) = command("sweep", gaps)
    found = sweep_results.conclusions(sweep_results.students(plan), "validation", "accuracy")
    assert found["vanilla"].verdicts["dense"].words == words
    assert of(facts["methods"][0]["verdicts"], control="dense") == words
    rows = table(open_page("pages/student/tradeoffs.py", v="1", study=plan.id), "p_corrected")
    assert rows.set_index("what").loc["Dense teacher", "words"] == words
