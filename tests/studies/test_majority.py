"""The majority baseline of stored runs."""

from dataclasses import replace

import numpy as np
import pytest

from sparsekd.runs import references, store
from sparsekd.runs.records import Outcome, Plan, Run, State
from sparsekd.studies import majority, roles
from sparsekd.studies.study_metric import Level, StudyMetric, default_metric, model_table
from sparsekd.tasks.cards import TaskCard
from tests.sample_study import SKILL, fill_plan, sample_plan


@pytest.fixture
def teacher(home: object) -> Run:
    plan = fill_plan(sample_plan())
    return store.get(plan.steps[0].recipe.run_id)


@pytest.fixture
def card() -> TaskCard:
    return references.card("demo/sentiment")


def labels(run: Run, split: str) -> np.ndarray:
    return np.load(run.folder / f"labels-{split}.npy")


def learned(run: Run, means: list[float]) -> Run:
    """The run with the frequencies that its training counted."""
    facts = run.outcome.facts | {"label_means": means}
    return replace(run, outcome=Outcome(run.outcome.metrics, facts))


def test_the_class_is_that_of_the_training_labels(teacher: Run, card: TaskCard) -> None:
    gold = labels(teacher, "validation")
    for means, name in (([0.4, 0.6], 1), ([0.6, 0.4], 0)):
        found = majority.scores(learned(teacher, means), card, "validation")
        assert found["accuracy"] == pytest.approx((gold == name).mean())


def test_an_older_run_has_that_of_its_selection_split(teacher: Run, card: TaskCard) -> None:
    share = labels(teacher, "selection").mean()
    assert majority.label_means(teacher, card) == pytest.approx([1 - share, share])


def test_a_useful_teacher_is_above_with_its_calibration(teacher: Run, card: TaskCard) -> None:
    words = majority.quality_in_words(teacher, card, "validation")
    assert "points above the majority class" in words
    assert "Calibration error 0." in words
    assert majority.facts(teacher, card)["warnings"] == []


def test_one_class_for_every_text_is_warned_of(teacher: Run, card: TaskCard) -> None:
    gold = labels(teacher, "validation")
    logits = np.tile(np.array([0.0, 1.0]), (len(gold), 1))
    np.save(teacher.folder / "logits-validation.npy", logits)
    (words,) = majority.facts(teacher, card)["warnings"]
    assert words == "On validation: It answers one class to every text: positive."


def test_without_stored_answers_there_is_nothing_to_say(teacher: Run, card: TaskCard) -> None:
    (teacher.folder / "logits-validation.npy").unlink()
    assert majority.facts(teacher, card) == {"majority": {"validation": {}}, "warnings": []}
    assert majority.quality_in_words(teacher, card, "validation") == ""
    assert teacher.state is State.DONE


# --- a plan ----------------------------------------------------------------------------------


def shown(plan: Plan) -> StudyMetric:
    found = default_metric(plan)
    assert found is not None
    return found


def answer_one_class(plan: Plan, role: str, name: int, seeds: tuple[int, ...] = (0, 1)) -> None:
    """Let the models of a role answer one class to every text."""
    for step in plan.steps:
        if step.role == role and step.seed in seeds:
            folder = store.folder(step.recipe.run_id)
            count = len(np.load(folder / "logits-validation.npy"))
            np.save(folder / "logits-validation.npy", np.tile(np.eye(2)[name], (count, 1)))


def test_the_level_of_a_study_is_that_of_its_teachers_training_labels(home: object) -> None:
    plan = fill_plan(sample_plan())
    teacher = store.get(plan.steps[0].recipe.run_id)
    gold, chosen = labels(teacher, "validation"), labels(teacher, "selection")
    usual = np.bincount(chosen).argmax()
    found = shown(plan)
    assert found.majority == Level("majority class", pytest.approx((gold == usual).mean()))
    last = model_table(found).iloc[-1]
    assert (last["what"], last["mean"]) == ("Majority class", found.majority.value)
    assert found.warnings() == []


def test_models_that_answer_one_class_are_named_with_their_seeds(home: object) -> None:
    plan = fill_plan(sample_plan(seeds=(0, 1)))
    answer_one_class(plan, "student", 1, seeds=(1,))
    (words,) = shown(plan).warnings()
    title = roles.title("student")
    assert words == f"One class answered to every text: {title} in 1 of 2 runs (positive)."


def test_models_whose_interval_reaches_the_level_are_named(
    home: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SKILL, "plain_student", 0.52)
    found = shown(fill_plan(sample_plan(seeds=(0, 1, 2))))
    (words,) = found.warnings()
    assert words.startswith("Not clearly above the majority class (")
    assert roles.title("plain_student") in words
    assert roles.title("student") not in words.replace(roles.title("plain_student"), "")


def test_one_seed_is_judged_by_its_examples(home: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SKILL, "plain_student", 0.52)
    (words,) = shown(fill_plan(sample_plan())).warnings()
    assert roles.title("plain_student") in words


def test_a_loss_has_a_level_and_no_warning(home: object) -> None:
    found = shown(fill_plan(sample_plan()))
    loss = replace(found, metric="loss")
    assert loss.majority is not None
    assert loss.majority.value == pytest.approx(np.log(2), abs=0.05)
    assert loss.warnings() == []
