"""A search submits runs, reads them and continues where it was killed: with a real journal."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from sparsekd.catalog.parameters import TrainParams
from sparsekd.catalog.stage_parameters import MaskParams, StudentParams
from sparsekd.errors import BadInput, Cancelled, SparseKDError
from sparsekd.runs import references, store
from sparsekd.runs.records import Recipe, Run, State, Step
from sparsekd.studies import recipes
from sparsekd.studies.sweeps import sweep, sweep_spec
from sparsekd.studies.sweeps.search import journal, search
from sparsekd.studies.sweeps.search_plan import SearchTrial, expected_plan
from sparsekd.studies.sweeps.sweep_spec import SweepSpec
from sparsekd.system import locks
from tests.searches import ASKED, STUDENT, TRAIN, Workshop
from tests.workshop import checkpoint_folder, task_folder, worked

pytest.importorskip("optuna", reason='Optuna is an optional extra: pip install "optuna==5.0.*"')


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPARSEKD_HOME", str(tmp_path / "home"))
    return tmp_path


def places(trials: Sequence[SearchTrial]) -> list[tuple[float, float]]:
    return [(trial.lam, trial.sparsity) for trial in trials]


def test_what_is_told_is_the_mean_over_the_seeds_of_the_selection_metric() -> None:
    found = search(ASKED, 4, Workshop())
    assert [trial.number for trial in found.trials] == [0, 1, 2, 3]
    for trial in found.trials:
        expected = 0.9 - (trial.lam - 0.3) ** 2 - (trial.sparsity - 0.6) ** 2 - 0.005
        assert trial.selected == pytest.approx(expected)
        assert (round(trial.lam, 3), round(trial.sparsity, 3)) == (trial.lam, trial.sparsity)
        assert 0 <= trial.lam <= 1
        assert 0.1 <= trial.sparsity <= 0.9
    assert found.best == max(found.trials, key=lambda trial: trial.selected or 0)


def test_a_search_comes_nearer_than_its_own_first_draws() -> None:
    found = search(ASKED, 40, Workshop())
    best = [max(trial.selected or 0 for trial in found.trials[:count]) for count in (10, 40)]
    assert best[1] > best[0]
    assert best[1] > 0.885
    late = [trial.selected or 0 for trial in found.trials[25:]]
    early = [trial.selected or 0 for trial in found.trials[:10]]
    assert sum(late) / len(late) > sum(early) / len(early) + 0.05


def test_the_plan_is_saved_with_every_trial_and_the_dense_teacher_of_the_same_seeds() -> None:
    workshop = Workshop()
    found = search(ASKED, 4, workshop)
    assert store.plan(found.plan.id) == found.plan
    assert found.plan.kind == "sweep"
    assert "4 trials × 2 seeds" in found.plan.title
    assert workshop.asked[-1] == found.plan.steps
    cells = sweep.cells(found.plan)
    chosen_from = cells[(cells["ranking"] == "scores") & cells["chosen_from"]]
    for seed in (0, 1):
        own = chosen_from[chosen_from["seed"] == seed]
        assert sorted(zip(own["lam"], own["sparsity"], strict=True)) == sorted(places(found.trials))
    dense = cells[cells["ranking"] == "dense"]
    assert dense["seed"].tolist() == [0, 1]
    assert all(cells[cells["chosen_from"]].groupby("seed").size() == 5)
    random = cells[cells["ranking"] == "random"]
    assert set(random["sparsity"]) == {trial.sparsity for trial in found.trials}
    assert (cells["ranking"] == "none").sum() == 2


def test_every_run_of_the_plan_finds_its_inputs_before_it() -> None:
    asked = replace(ASKED, controls=sweep_spec.SWEEP_CONTROLS)
    plan = search(asked, 3, Workshop()).plan
    seen: set[str] = set()
    for step in plan.steps:
        assert set(step.recipe.needs) <= seen
        assert step.recipe.run_id not in seen
        seen.add(step.recipe.run_id)
    ends = sweep.cells(plan).query("role == 'lam_control'")
    assert set(ends["lam"]) == {0.0, 1.0}
    assert len(ends) == 2 * 3 * 2
    assert not ends["chosen_from"].any()


KILLED = """
import os, signal, sys
from tests.searches import ASKED, Workshop
from sparsekd.studies.sweeps.search import search

workshop = Workshop()

def make(steps):
    if len(workshop.asked) == int(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGKILL)
    return workshop(steps)

search(ASKED, 14, make)
"""


def test_a_killed_search_goes_on_with_the_very_same_trials(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in its twelfth trial, when what is asked depends on what was told before."""
    command = [sys.executable, "-c", KILLED, "11"]
    ended = subprocess.run(command, check=False, env=os.environ, capture_output=True)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    workshop = Workshop()
    resumed = search(ASKED, 14, workshop)
    assert len(workshop.asked) == 3 + 1  # trials 11, 12 and 13, and the whole plan
    monkeypatch.setenv("SPARSEKD_HOME", str(home / "another"))
    whole = search(ASKED, 14, Workshop())
    assert resumed.trials == whole.trials
    assert resumed.plan.id == whole.plan.id


def test_an_expected_plan_is_as_large_as_the_search() -> None:
    asked = replace(ASKED, controls=sweep_spec.SWEEP_CONTROLS)
    assert len(expected_plan(asked, 5).steps) == len(search(asked, 5, Workshop()).plan.steps)


def test_half_a_line_and_a_lock_that_a_killed_search_left_do_no_harm() -> None:
    first = search(ASKED, 3, Workshop())
    path = journal(ASKED)
    with path.open("ab") as file:
        file.write(b'{"op_code":4,"worker')
    Path(f"{path}.lock").symlink_to(path)
    again = search(ASKED, 4, Workshop())
    assert again.trials[:3] == first.trials
    assert len(again.trials) == 4


def test_more_trials_continue_a_search_and_fewer_repeat_its_beginning() -> None:
    few = search(ASKED, 3, Workshop())
    workshop = Workshop()
    more = search(ASKED, 5, workshop)
    assert more.trials[:3] == few.trials
    assert len(workshop.asked) == 2 + 1
    assert search(ASKED, 3, Workshop()) == few


def test_another_question_has_another_journal() -> None:
    changed = (
        replace(ASKED, seeds=(0, 1, 2)),
        replace(ASKED, lams=(0.0, 0.5)),
        replace(ASKED, train=TRAIN.changed({"epochs": 7})),
        replace(ASKED, student=STUDENT.changed({"layers": 2})),
    )
    assert len({journal(asked) for asked in (ASKED, *changed)}) == 5
    assert journal(replace(ASKED, controls=())) == journal(ASKED)


def test_a_failed_trial_is_told_as_failed_and_counts_as_a_try() -> None:
    workshop = Workshop()
    workshop.states = {"sparse_teacher": State.FAILED, "student": State.QUEUED}
    found = search(ASKED, 3, workshop)
    assert [trial.selected for trial in found.trials] == [None] * 3
    assert found.best is None
    assert "3 trials" in found.plan.title


def test_a_stopped_run_stops_the_search_which_then_repeats_that_trial() -> None:
    workshop = Workshop()
    workshop.states = {"student": State.CANCELLED}
    with pytest.raises(Cancelled, match="cancelled"):
        search(ASKED, 3, workshop)
    (first,) = (
        step.recipe for step in workshop.asked[0] if step.role == "student" if not step.seed
    )
    healthy = Workshop()
    search(ASKED, 3, healthy)
    assert first in [step.recipe for step in healthy.asked[0]]


@pytest.mark.parametrize("role", ["teacher", "trial_student", "scores"])
def test_what_every_trial_needs_ends_the_search_with_its_words(role: str) -> None:
    workshop = Workshop()
    workshop.states = {role: State.FAILED}
    with pytest.raises(SparseKDError, match="failed: words"):
        search(ASKED, 3, workshop)


@pytest.mark.parametrize(
    ("change", "trials", "words"),
    [
        ({}, 0, "0 trials"),
        ({"methods": ("vanilla", "minilm")}, 3, "one method"),
        ({"sparsities": (0.0,)}, 3, "nothing to search"),
        ({"seeds": (1, 1)}, 3, "twice"),
    ],
)
def test_what_cannot_be_searched_is_refused_before_a_run(
    change: dict, trials: int, words: str
) -> None:
    workshop = Workshop()
    with pytest.raises(BadInput, match=words):
        search(replace(ASKED, **change), trials, workshop)
    assert not workshop.asked


def test_a_broken_journal_and_a_search_elsewhere_are_told() -> None:
    path = journal(ASKED)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"not a journal\n{}\n")
    with pytest.raises(BadInput, match="broken"):
        search(ASKED, 1, Workshop())
    path.unlink()
    with locks.hold_lock(path.with_suffix(".lock"), ""), pytest.raises(BadInput, match="another"):
        search(ASKED, 1, Workshop())


def test_without_optuna_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(SparseKDError, match="Optuna is not installed"):
        search(ASKED, 1, Workshop())


def test_a_search_of_real_runs(home: Path) -> None:
    card = references.task(str(task_folder(home / "task")))
    checkpoint = references.model(str(checkpoint_folder(home / "checkpoint")))
    train = TrainParams(epochs=1, batch_size=32, learning_rate=3e-3, max_length=16)
    asked = SweepSpec(
        card.name,
        recipes.finetune(card.name, checkpoint, train),
        sparsities=(0.1, 0.5),  # more would leave the tiny teacher without heads
        seeds=(0,),
        train=train,
        student=StudentParams(layers=1),
        mask=MaskParams(round_to=1),
        controls=(),
    )

    def make(steps: Sequence[Step]) -> Mapping[str, Run]:
        wanted: list[Recipe] = [step.recipe for step in steps]
        done = {run.id for run in store.runs() if run.state is State.DONE}
        return {
            one.run_id: store.get(one.run_id) if one.run_id in done else worked(one)
            for one in wanted
        }

    found = search(asked, 2, make)
    assert all(trial.selected is not None for trial in found.trials)
    students = sweep.cells(found.plan).query("role == 'student'")
    read = [store.get(run).outcome.metrics["selection"]["accuracy"] for run in students["run"]]
    assert [trial.selected for trial in found.trials] == read
    assert all(run.state is State.DONE for run in store.runs())
