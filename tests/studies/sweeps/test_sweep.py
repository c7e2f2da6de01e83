"""Trade-off studies: what they ask for, what they refuse, and cells read back from their plan."""

from dataclasses import replace

import pytest

from sparsekd.catalog.parameters import TrainParams
from sparsekd.catalog.stage_parameters import MaskParams, ScoreParams, StudentParams
from sparsekd.cli.parser import parse
from sparsekd.errors import BadInput, NotFound
from sparsekd.studies import command, recipes
from sparsekd.studies.sweeps import sweep, sweep_results, sweep_spec
from sparsekd.studies.sweeps.sweep_file import expand
from sparsekd.studies.sweeps.sweep_results.choosing import Tries
from sparsekd.studies.sweeps.sweep_spec import SweepSpec

TEACHER, TRAIN, STUDENT = recipes.defaults("demo:")
SMALL = SweepSpec(
    "demo/sentiment",
    recipes.finetune("demo/sentiment", "demo:", TEACHER),
    lams=(0.25, 0.5),
    sparsities=(0.0, 0.3, 0.6),
    seeds=(0, 1),
    train=TRAIN,
    student=STUDENT,
)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("SPARSEKD_HOME", str(tmp_path))


def test_every_cell_stands_once_for_every_seed():
    found = sweep.cells(sweep.plan(SMALL))
    scored = found[(found["ranking"] == "scores") & found["chosen_from"]]
    cells = scored.groupby(["lam", "sparsity"])["seed"].apply(sorted).to_dict()
    assert cells == {(lam, p): [0, 1] for lam in (0.25, 0.5) for p in (0.3, 0.6)}


def test_the_dense_teacher_has_the_seeds_of_the_cells_and_no_others():
    plan = sweep.plan(SMALL)
    found = sweep.cells(plan)
    assert SMALL.cell_count == 5  # two λ at two sparsities, and sparsity 0
    assert found.loc[found["ranking"] == "dense", "seed"].tolist() == [0, 1]
    assert {step.recipe.random_seed for step in plan.steps} == {0, 1}


def test_the_control_of_further_tries_is_refused_with_its_reason():
    with pytest.raises(BadInput, match="more luck than the cells"):
        sweep.plan(replace(SMALL, controls=("dense_tries",)))


def test_the_comparisons_that_a_study_plans_are_counted_before_its_launch():
    for controls in (("plain",), ("plain", "random", "extreme_lambdas"), ()):
        spec = replace(SMALL, controls=controls)
        students = sweep_results.students(sweep.plan(spec))
        tries = Tries.of(students, "vanilla", "validation", "accuracy", "accuracy")
        assert spec.comparison_count == len(tries.controls())


def test_every_student_starts_from_the_dense_teacher_and_learns_from_its_own():
    plan = sweep.plan(SMALL)
    by_id = {step.recipe.run_id: step.recipe for step in plan.steps}
    teacher = plan.steps[0].recipe.run_id
    for row in sweep.cells(plan).itertuples():
        assert by_id[row.run].inputs["init"] == teacher
        if row.ranking == "scores":
            mask = by_id[row.teacher].params["mask"]
            assert (mask["lam"], mask["sparsity"]) == (row.lam, row.sparsity)
            assert by_id[row.scores].stage == "score"
            student = by_id[by_id[row.scores].inputs["student"]]
            assert (student.seed, student.inputs["teacher"]) == (row.seed, teacher)


def test_the_ends_of_lambda_are_controls_where_the_grid_lacks_them():
    found = sweep.cells(sweep.plan(SMALL))
    ends = found[found["role"] == "lam_control"]
    assert set(ends["lam"]) == {0.0, 1.0}
    assert not ends["chosen_from"].any()
    with_ends = sweep.cells(sweep.plan(replace(SMALL, lams=(0.0, 0.5, 1.0))))
    assert "lam_control" not in set(with_ends["role"])


def test_a_magnitude_mask_is_one_for_all_seeds_and_a_random_one_is_each_seeds_own():
    found = sweep.cells(sweep.plan(SMALL))
    teachers = found.groupby(["ranking", "sparsity"])["teacher"].nunique()
    assert set(teachers["magnitude"]) == {1}
    assert set(teachers["random"]) == {2}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"controls": ()},
        {"methods": ("vanilla", "pkd"), "student": StudentParams(layers=2)},
        {"lams": (0.0, 1.0)},
        {"sparsities": (0.5,), "controls": ("random", "extreme_lambdas")},
        {"seeds": (3,), "sparsities": (0.0,)},
    ],
)
def test_runs_are_counted_as_they_are_planned(changes):
    asked = replace(SMALL, **changes)
    assert sweep_spec.run_count(asked) == len(sweep.plan(asked).steps)


def test_more_seeds_and_cells_reuse_what_is_there():
    before = {step.recipe.run_id for step in sweep.plan(SMALL).steps}
    more = replace(SMALL, seeds=(0, 1, 2), lams=(0.25, 0.5, 0.75))
    assert before <= {step.recipe.run_id for step in sweep.plan(more).steps}


def test_inputs_come_before_the_runs_that_need_them():
    seen: set[str] = set()
    for step in sweep.plan(SMALL).steps:
        assert set(step.recipe.needs) <= seen, step.role
        seen.add(step.recipe.run_id)


@pytest.mark.parametrize("name", ["lams", "sparsities", "seeds", "methods"])
def test_an_empty_grid_is_refused(name):
    with pytest.raises(BadInput, match="is empty"):
        sweep.plan(replace(SMALL, **{name: ()}))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seeds": (0, 1, 1)}, "seeds names 1 twice"),
        ({"lams": (0.5, 0.5)}, "lam names 0.5 twice"),
        ({"lams": (1.5,)}, "λ = 1.5"),
        ({"sparsities": (1.0,)}, "Sparsity 1"),
        ({"seeds": (1000,)}, "Seed 1000"),
        ({"methods": ("teacher_selection",)}, "does not learn from one sparse teacher"),
    ],
)
def test_values_that_make_no_study_are_refused(changes, words):
    with pytest.raises(BadInput, match=words):
        sweep.plan(replace(SMALL, **changes))


def test_a_million_cells_are_refused_at_once_with_their_number():
    many = replace(
        SMALL,
        lams=tuple(n / 1000 for n in range(1000)),
        sparsities=tuple(n / 1000 for n in range(1000)),
    )
    with pytest.raises(BadInput, match=r"asks for 4,\d{3},\d{3} runs: 1 method × 1,000 λ"):
        sweep.plan(many)


def test_an_unknown_method_or_control_names_the_nearest():
    with pytest.raises(NotFound, match="vanilla"):
        sweep.plan(replace(SMALL, methods=("vanila",)))
    with pytest.raises(NotFound, match="magnitude"):
        sweep.plan(replace(SMALL, controls=("magnitud",)))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"methods": ("vanilla", "pkd"), "student": STUDENT.changed({"layers": 2})},
        {"lams": (0.0, 0.3, 1.0), "controls": ("random", "extreme_lambdas", "plain")},
        {"lams": (0.3,), "controls": ("random",)},
        {"train": TRAIN.changed({"epochs": 2, "train_examples": 100})},
        {"mask": MaskParams(round_to=16), "score": ScoreParams(temperature=3.0)},
        {"changes": {"vanilla": {"alpha": 0.7}}, "seeds": (0, 4)},
    ],
)
def test_the_command_that_repeats_a_study_asks_for_the_same_runs(changes):
    plan = sweep.plan(replace(SMALL, **changes))
    words = command.command(plan).split()[3:]
    (asked,) = expand(parse(words)[1].declaration())
    again = sweep.plan(asked)
    assert {step.recipe.run_id for step in again.steps} == {s.recipe.run_id for s in plan.steps}


def test_the_defaults_are_those_of_the_demo():
    assert TrainParams.of(SMALL.train.values()) == TRAIN


def test_a_plan_that_knows_its_command_tells_it():
    plan = replace(sweep.plan(SMALL), command="python -m sparsekd sweep --search 3")
    assert command.command(type(plan).from_json(plan.to_json())) == plan.command
    assert plan.id == sweep.plan(SMALL).id
