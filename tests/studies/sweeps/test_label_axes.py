"""Label budgets and noise: studies that they make, what stays the same, results over them."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from sparsekd.catalog.parameters import TrainParams
from sparsekd.cli.parser import parse
from sparsekd.errors import BadInput, Incompatible
from sparsekd.runs import store
from sparsekd.runs.records import Outcome, State
from sparsekd.studies import command, recipes
from sparsekd.studies.sweeps import label_axes, label_results, sweep, sweep_spec
from sparsekd.studies.sweeps.sweep_file import expand
from sparsekd.studies.teacher_kinds import ANSWER_CONTROLS
from tests.studies.sweeps.test_sweep import SMALL

DENSE = replace(
    SMALL, sparsities=(0.0,), seeds=(0, 1, 2, 3, 4), controls=("plain", *ANSWER_CONTROLS)
)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("SPARSEKD_HOME", str(tmp_path))


def asked(words):
    return expand(parse(["sweep", "--task", "demo/sentiment", *words.split()])[1].declaration())


def test_each_budget_and_noise_is_a_study_of_its_own():
    found = asked("--labelled 100,400,all --label-noise 0,0.2")
    places = [(one.train.labelled, one.train.label_noise) for one in found]
    assert places == [(100, 0), (400, 0), (0, 0), (100, 0.2), (400, 0.2), (0, 0.2)]


def test_a_teacher_as_it_is_has_no_noise():
    teacher = recipes.finetune("demo/sentiment", "folder:/x#1", TrainParams(epochs=0))
    found = label_axes.with_labels(replace(SMALL, teacher=teacher), (), (0.0, 0.2))
    assert [one.teacher for one in found] == [teacher, teacher]


def test_the_budget_is_the_students_and_the_noise_is_the_teachers_too():
    trained = {
        (one.train.labelled, one.train.label_noise): TrainParams.of(one.teacher.params["train"])
        for one in asked("--labelled 100,all --label-noise 0,0.2")
    }
    assert {each.labelled for each in trained.values()} == {0}
    assert all(each.label_noise == noise for (_, noise), each in trained.items())
    (own,) = asked("--labelled 100 --teacher-labelled 300 --teacher-label-noise 0.1")
    assert TrainParams.of(own.teacher.params["train"]).labelled == 300
    assert TrainParams.of(own.teacher.params["train"]).label_noise == 0.1


def test_a_finished_teacher_stays_as_it_is():
    found = label_axes.with_labels(SMALL, (100,), (0.0, 0.3), finished=True)
    assert {one.teacher.run_id for one in found} == {SMALL.teacher.run_id}
    other = label_axes.with_labels(SMALL, (100,), (0.0, 0.3))
    assert len({one.teacher.run_id for one in other}) == 2


def test_without_axes_a_study_is_the_one_of_earlier_versions():
    (found,) = asked("--lam 0.5 --sparsity 0.3")
    assert "labelled" not in found.train.values()
    assert "label_noise" not in found.teacher.params["train"]


@pytest.mark.parametrize(
    ("words", "error", "said"),
    [
        ("--labelled 100,100", BadInput, "twice"),
        ("--labelled many", BadInput, "labelled"),
        ("--labelled -5", BadInput, "labelled"),
        ("--label-noise 1.5", BadInput, "label_noise"),
    ],
)
def test_unusable_budgets_and_noise_are_refused(words, error, said):
    with pytest.raises(error, match=said):
        asked(words)


def test_noise_and_controls_of_classes_are_refused_for_numbers():
    spec = replace(SMALL, task="demo/similarity")
    with pytest.raises(Incompatible, match="does not have one class"):
        label_axes.with_labels(spec, (), (0.2,))
    with pytest.raises(BadInput, match="pseudo_labels needs classes"):
        sweep_spec.check(replace(spec, controls=("pseudo_labels",)))
    sweep_spec.check(replace(spec, controls=("shuffled", "tfidf")))


@pytest.mark.parametrize(
    "words",
    [
        "--labelled 100 --sparsity 0 --controls plain,tfidf,shuffled",
        "--labelled 100 --label-noise 0.2 --lam 0.5 --sparsity 0.3 --seeds 2",
        "--labelled 100 --teacher-labelled 200 --sparsity 0.3 --lam 0.5",
        "--label-noise 0.2 --teacher-label-noise 0 --sparsity 0.3 --lam 0.5 --set vanilla.alpha=1",
    ],
)
def test_the_command_that_repeats_a_label_study_asks_for_the_same_runs(words):
    (spec,) = asked(words)
    plan = sweep.plan(spec)
    (again,) = expand(parse(command.command(plan).split()[3:])[1].declaration())
    assert sweep.plan(again).id == plan.id


def test_controls_of_the_answers_are_variants_of_vanilla_with_the_changes_of_the_study():
    spec = replace(DENSE, changes={"vanilla": {"alpha": 0.9}}, seeds=(3,))
    plan = sweep.plan(spec)
    by_role = {step.role: step.recipe for step in plan.steps}
    values = {name: by_role[f"{name}_student"].params["method"] for name in ANSWER_CONTROLS}
    assert values["shuffled"] == {"temperature": 2.0, "alpha": 0.9, "answers": "shuffled"}
    assert values["labelled_texts"] == {"temperature": 2.0, "alpha": 0.9, "texts": "labelled"}
    assert by_role["tfidf_student"].stage == "baseline"
    assert by_role["no_teacher_student"].method == "fine_tuning"
    assert by_role["no_teacher_student"].params["student"]["choice"] == "pretrained"
    assert sweep_spec.run_count(spec) == len(plan.steps) == 3 + len(ANSWER_CONTROLS)
    # Without a grid of λ its ends are neither there nor missing.
    assert set(sweep.spec_of(plan).controls) - {"extreme_lambdas"} == set(spec.controls)
    kinds = sweep.cells(plan)["ranking"].tolist()
    assert sorted(kinds) == sorted(["dense", "none", *ANSWER_CONTROLS])


def fill(plan, values):
    """Store a study whose students have the values of their kind, seed by seed."""
    store.save_plan(plan)
    store.create_all([step.recipe for step in plan.steps])
    cells = sweep.cells(plan).set_index("run")
    for step in plan.steps:
        run = step.recipe.run_id
        worth = values[cells.loc[run, "ranking"]][step.seed] if run in cells.index else 0.9
        metrics = {split: {"accuracy": worth} for split in ("selection", "validation")}
        facts = {"parameters": 1, "gold_labels": 7200, "selection_labels": 800}
        store.start(run, "cpu", 1)
        store.finish(run, State.DONE, Outcome(metrics, facts), 1.0)
    return plan


def family():
    """100 labels, at which the teacher helps, and all of them, at which it does not."""
    specs = label_axes.with_labels(replace(DENSE, controls=("plain", "shuffled")), (100, 0), ())
    drawn = np.random.default_rng(0).normal(0, 0.01, (2, 3, 5))
    levels = [(0.85, 0.6, 0.6), (0.86, 0.86, 0.86)]
    kinds = ("dense", "none", "shuffled")
    values = [
        {kind: level + own for kind, level, own in zip(kinds, each, noise, strict=True)}
        for each, noise in zip(levels, drawn, strict=True)
    ]
    plans = [fill(sweep.plan(one), v) for one, v in zip(specs, values, strict=True)]
    return plans, values


def test_a_family_is_what_differs_in_labels_alone():
    plans, _ = family()
    other = sweep.plan(
        replace(DENSE, controls=("plain",), train=DENSE.train.changed({"epochs": 9}))
    )
    assert label_axes.family(plans[1], [*plans, other]) == plans
    assert label_axes.place_of(plans[0]) == (0, 100)
    assert label_axes.place_of(plans[1]) == (0, float("inf"))


def test_verdicts_are_paired_and_corrected_over_all_budgets_together():
    plans, values = family()
    found = label_results.label_study(plans)
    p = {
        (place, kind): stats.ttest_rel(values[place]["dense"], values[place][kind]).pvalue
        for place in (0, 1)
        for kind in ("none", "shuffled")
    }
    ordered = sorted(p.values())
    for (place, kind), one in found.verdicts.items():
        budget = 0 if place[1] == 100 else 1
        gaps = values[budget]["dense"] - values[budget][kind]
        assert one.difference == pytest.approx(gaps.mean())
        assert one.p == pytest.approx(p[budget, kind])
    clearest = min(found.verdicts.values(), key=lambda one: one.p)
    assert clearest.p_corrected == pytest.approx(4 * ordered[0])
    verdicts = {(place[1], kind): one.verdict for (place, kind), one in found.verdicts.items()}
    assert verdicts[100, "none"] == verdicts[100, "shuffled"] == "better"
    assert verdicts[float("inf"), "none"] == "inconclusive"


def test_the_words_and_the_table_name_budget_student_and_difference():
    plans, _ = family()
    found = label_results.label_study(plans)
    first, second = found.sentences()
    assert first.startswith("100 labels: Student of the dense teacher 0.8")
    assert "better than no soft labels (+0.2" in first
    assert second.startswith("All labels: ")
    assert "inconclusive against" in second
    table = found.table()
    assert len(table) == 6
    assert set(table["known"]) == {100, 8000}
    assert set(found.teachers["value"]) == {0.9}
    assert label_results.families(plans) == [plans]


def test_defaults_are_not_changed_by_the_demo():
    assert recipes.defaults("demo:")[1].labelled == 0
