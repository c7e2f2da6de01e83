"""Frames, choices and verdicts of a trade-off study: on made-up students, and on real ones."""

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax
from statsmodels.stats.power import TTestPower

from sparsekd.catalog.parameters import TrainParams
from sparsekd.catalog.stage_parameters import MaskParams, MeasureParams, StudentParams
from sparsekd.errors import BadInput
from sparsekd.runs import measurements, references, store
from sparsekd.runs.records import Outcome, Plan, State
from sparsekd.studies import recipes, stats, sweep, sweep_results
from sparsekd.studies.sweep_results import Conclusion, fronts, overlaps
from sparsekd.studies.sweep_results.choosing import Tries
from sparsekd.studies.sweep_results.conclusion import conclude
from sparsekd.studies.sweep_spec import SweepSpec
from sparsekd.studies.verdict import INCONCLUSIVE, Verdict
from sparsekd.units.masking import Mask
from tests import workshop

SEEDS = 5
GRID = list(itertools.product((0.0, 0.5, 1.0), (0.2, 0.4, 0.6)))
CELLS = [
    *(("scores", lam, sparsity, 0) for lam, sparsity in GRID),
    *(("dense", math.nan, 0.0, attempt) for attempt in range(len(GRID) + 1)),
    *(("random", math.nan, sparsity, 0) for sparsity in (0.2, 0.4, 0.6)),
    ("none", math.nan, math.nan, 0),
]
Worth = Callable[[str, float, float, int, int], tuple[float, float]]


def frame(
    worth: Worth, metric: str = "accuracy", seeds: int = SEEDS, cells: list[Any] = CELLS
) -> pd.DataFrame:
    """Students whose numbers on selection and validation `worth` gives by their place."""
    rows = [
        {"run": f"{place}-{seed}", "method": "fine_tuning" if place[0] == "none" else "vanilla"}
        | dict(zip(("ranking", "lam", "sparsity", "attempt"), place, strict=True))
        | {"seed": seed, "state": "done", "split": split, "metric": metric, "value": value}
        | {"chosen_from": place[0] == "scores" or place == ("dense", place[1], 0.0, 0)}
        for place in cells
        for seed in range(seeds)
        for split, value in zip(("selection", "validation"), worth(*place, seed), strict=True)
    ]
    return pd.DataFrame(rows)


def ordinary(ranking: str, lam: float, sparsity: float, attempt: int, seed: int) -> Any:
    """λ 0.5 at 0.4 is best on selection; λ 1 at 0.6 would be on validation."""
    noise = 0.001 * ((7 * seed + 3 * attempt) % 5)
    if ranking != "scores":
        low = {"dense": 0.80, "random": 0.78, "none": 0.75}[ranking] + 0.01 * (attempt == 3)
        return low + noise, low - 0.01 + noise
    selection = 0.85 + 0.03 * ((lam, sparsity) == (0.5, 0.4))
    validation = 0.85 + 0.05 * ((lam, sparsity) == (1.0, 0.6))
    return selection + 0.002 * seed, validation + 0.002 * seed


def chosen(students: pd.DataFrame, metric: str = "accuracy", **more: Any) -> dict[str, Any]:
    return concluded(students, metric, **more).choices


def concluded(students: pd.DataFrame, metric: str = "accuracy", **more: Any) -> Conclusion:
    return sweep_results.conclusions(students, "validation", metric, **more)["vanilla"]


# --- choosing --------------------------------------------------------------------------------


def test_the_selection_split_chooses_and_the_other_is_reported():
    found = chosen(frame(ordinary))
    ours = found["scores"]
    assert (ours.lam, ours.sparsity, ours.attempt) == (0.5, 0.4, 0)
    assert ours.selected == pytest.approx(0.884)
    assert ours.reported == pytest.approx(0.854)
    assert (ours.low, ours.high) == stats.interval(np.array(list(ours.values.values())))
    assert ours.values == pytest.approx({seed: 0.85 + 0.002 * seed for seed in range(5)})


def test_what_choosing_on_the_reported_data_would_have_claimed_stands_beside_it():
    ours = chosen(frame(ordinary))["scores"]
    assert ours.claimed == pytest.approx(0.904)
    assert ours.optimism == pytest.approx(0.05)


def test_every_kind_is_the_best_of_its_own_tries():
    found = chosen(frame(ordinary))
    tries = {kind: choice.tries for kind, choice in found.items()}
    # The student of the dense teacher is a cell to choose from: ten cells, ten tries.
    assert tries == {"scores": 10, "dense": 10, "random": 3, "none": 1, "λ = 0": 3, "λ = 1": 3}
    assert found["dense"].attempt == 3
    assert math.isnan(found["dense"].lam)
    assert {found["λ = 0"].lam, found["λ = 1"].lam} == {0, 1}


def test_a_cell_that_lacks_a_seed_does_not_compete():
    students = frame(ordinary)
    lacking = (students["lam"] == 0.5) & (students["sparsity"] == 0.4) & (students["seed"] == 2)
    missing = students[lacking].drop_duplicates("run")
    missing = missing.assign(state="failed", split=None, metric=None, value=np.nan)
    ours = chosen(pd.concat([students[~lacking], missing]))["scores"]
    assert (ours.lam, ours.sparsity) != (0.5, 0.4)
    assert (ours.tries, ours.planned) == (9, 10)


def test_among_equals_the_lowest_sparsity_and_then_the_lowest_lam_is_chosen():
    def equal(ranking: str, *_: Any) -> tuple[float, float]:
        return (0.9 if ranking == "scores" else 0.5), 0.8

    assert (chosen(frame(equal))["scores"].sparsity, chosen(frame(equal))["scores"].lam) == (0.2, 0)
    assert chosen(frame(lambda *_: (0.9, 0.8)))["scores"].sparsity == 0


def test_a_lower_loss_is_chosen_and_optimism_is_still_not_negative():
    students = frame(lambda *place: tuple(-value for value in ordinary(*place)), "loss")
    ours = chosen(students, "loss")["scores"]
    assert (ours.lam, ours.sparsity) == (0.5, 0.4)
    assert ours.claimed == pytest.approx(-0.904)
    assert ours.optimism == pytest.approx(0.05)


def test_another_metric_may_choose():
    students = frame(ordinary)
    loss = frame(lambda *place: (1 - (place[1:3] == (0.0, 0.2)), 0.5), "loss")
    ours = chosen(pd.concat([students, loss]), selection_metric="loss")["scores"]
    assert (ours.lam, ours.sparsity) == (0.0, 0.2)
    assert ours.reported == pytest.approx(0.854)


def test_cells_that_are_controls_alone_are_not_chosen():
    students = frame(ordinary)
    only = (students["lam"] == 0.5).to_numpy()
    found = chosen(students.assign(chosen_from=students["chosen_from"] & ~only))
    assert found["scores"].lam != 0.5


# --- verdicts --------------------------------------------------------------------------------


def test_a_verdict_is_paired_over_seeds_and_corrected_for_all_controls():
    one = concluded(frame(ordinary))
    assert list(one.verdicts) == ["dense", "random", "none", "λ = 0", "λ = 1"]
    found = one.verdicts["dense"]
    ours, theirs = one.choices["scores"].values, one.choices["dense"].values
    gaps = np.array([ours[seed] - theirs[seed] for seed in range(5)])
    assert found.difference == pytest.approx(gaps.mean())
    assert found.p < found.p_corrected < 0.05
    assert found.words == "better"
    assert one.verdict == found
    assert one.table()["control"].tolist() == list(one.verdicts)


def test_many_tries_against_few_are_named():
    found = concluded(frame(ordinary)).verdicts
    assert found["random"].words == "better: with 10 tries against 3"
    assert found["λ = 0"].words == "inconclusive: no difference in any seed"


def waiting(students: pd.DataFrame, rows: pd.Series) -> pd.DataFrame:
    """The same with some students queued."""
    missing = students[rows].drop_duplicates("run")
    missing = missing.assign(state="queued", split=None, metric=None, value=np.nan)
    return pd.concat([students[~rows], missing])


def test_controls_that_are_not_finished_count_in_the_correction():
    students = frame(ordinary)
    whole = concluded(students).verdicts
    early = concluded(waiting(students, students["ranking"] == "random")).verdicts
    assert "random" not in early
    assert early["dense"].p_corrected >= whole["dense"].p_corrected


def test_the_comparisons_of_all_methods_are_corrected_together():
    students = frame(ordinary)
    other = students[students["ranking"] != "none"].assign(method="pkd")
    both = pd.concat([students, other.assign(run="pkd " + other["run"])])
    alone = concluded(students).verdicts
    queued = sweep_results.conclusions(
        waiting(both, both["method"] == "pkd"), "validation", "accuracy"
    )
    # Five controls of each method; the clearest is tested at 5 % / 10.
    clearest = min(alone, key=lambda control: alone[control].p)
    assert alone[clearest].p_corrected == pytest.approx(5 * alone[clearest].p)
    found = queued["vanilla"].verdicts[clearest]
    assert found.p_corrected == pytest.approx(10 * found.p)
    assert queued["pkd"].verdicts == {}


def test_a_lower_loss_is_better():
    students = frame(lambda *place: tuple(-value for value in ordinary(*place)), "loss")
    found = concluded(students, "loss").verdicts["dense"]
    assert found.difference < 0
    assert found.verdict == "better"


def test_four_seeds_give_no_verdict():
    found = concluded(frame(ordinary, seeds=4)).verdicts.values()
    assert {each.words for each in found} == {"inconclusive: 4 of at least 5 seeds"}


# --- words -----------------------------------------------------------------------------------


def said(students: pd.DataFrame, metric: str = "accuracy") -> str:
    return concluded(students, metric).sentence


def test_the_verdict_comes_first_and_the_optimism_last():
    words = said(frame(ordinary))
    assert words.startswith("Better than with the dense teacher: +")
    assert "Chosen on the selection split from 10 tries: λ = 0.5, sparsity 40 %." in words
    assert "Its control is the best of 10 tries." in words
    assert words.endswith("would have claimed 0.9040.")


def test_no_effect_is_inconclusive_with_the_seeds_that_would_decide():
    drawn = np.random.default_rng(3)
    words = said(frame(lambda *_: tuple(drawn.normal(0.8, 0.01, 2))))
    assert words.startswith("Inconclusive against the dense teacher: ")
    assert "not significant" in words
    assert "seeds would" in words or "seeds to detect" in words


def test_a_worse_student_and_a_study_without_students_are_said_so():
    def worse(ranking: str, lam: float, sparsity: float, attempt: int, seed: int) -> Any:
        value = (0.7 if ranking == "scores" else 0.8) + 0.001 * ((seed * seed + attempt) % 5) * (
            ranking == "scores"
        )
        return (value + 0.2 * (ranking == "scores"), value)

    assert said(frame(worse)).startswith("Worse than with the dense teacher: -")
    empty = frame(ordinary).assign(state="queued", split=None, metric=None, value=np.nan)
    assert said(empty).startswith("No verdict yet")
    assert concluded(empty).cell is None


def test_choosing_no_sparsity_is_said():
    def dense(ranking: str, lam: float, sparsity: float, attempt: int, seed: int) -> Any:
        value = 0.8 + 0.1 * (ranking == "dense") + 0.001 * ((3 * seed + attempt) % 5)
        return value, value

    assert "no pruning (sparsity 0)" in said(frame(dense))
    assert concluded(frame(dense)).cell == (0, 0)


# --- simulation ------------------------------------------------------------------------------


def simulated(studies: int, luck: float, seed: int = 0) -> Iterator[Tries]:
    """Studies in which no teacher matters, of students of unit spread.

    A student's own luck is seen on both splits, the rest of the spread on one alone.
    """
    drawn, layout = np.random.default_rng(seed), frame(lambda *_: (0.0, 0.0))
    tries = Tries.of(layout, "vanilla", "validation", "accuracy", "accuracy")
    shape = tries.selected.shape
    for _ in range(studies):
        own = luck * drawn.normal(size=shape)
        both = own + math.sqrt(1 - luck**2) * drawn.normal(size=(2, *shape))
        yield replace(tries, selected=both[0], reported=both[1])


def verdicts(tries: Tries) -> dict[str, Verdict]:
    return conclude({"vanilla": tries}, "validation", "accuracy")["vanilla"].verdicts


@pytest.mark.parametrize("luck", [0.0, 0.7])
def test_without_effect_a_study_gives_a_verdict_in_five_of_a_hundred(luck: float):
    studies = 120
    found = [verdicts(tries) for tries in simulated(studies, luck)]
    wrong = [{kind for kind, each in one.items() if each.verdict != INCONCLUSIVE} for one in found]
    # Over all controls together; Monte-Carlo error on top.
    assert np.mean([bool(each) for each in wrong]) <= 0.05 + 3 * math.sqrt(0.0475 / studies)
    assert np.mean(["dense" in each for each in wrong]) <= 0.05
    # The dense teacher had as many tries, and as much luck.
    gaps = np.array([each["dense"].difference for each in found])
    assert abs(gaps.mean()) < 3 * gaps.std() / math.sqrt(studies)


def test_an_effect_is_found_by_the_verdict():
    studies, found = 60, []
    for tries in simulated(studies, luck=0.0, seed=2):
        lifted = 3.0 * (tries.places["ranking"] == "scores").to_numpy()[:, None]
        moved = replace(tries, selected=tries.selected + lifted, reported=tries.reported + lifted)
        found.append(verdicts(moved)["dense"].verdict)
    # Five controls: at least as often as each alone at a fifth of 5 %, by statsmodels' power.
    power = TTestPower().power(3 / math.sqrt(2), SEEDS, 0.01)
    assert found.count("better") / studies > power - 3 * math.sqrt(0.25 / studies)
    assert "worse" not in found


def test_the_number_reported_once_is_unbiased_and_the_maximum_is_not():
    studies = 400
    picks = [tries.best("scores") for tries in simulated(studies, luck=0.0, seed=1)]
    error = 1 / math.sqrt(SEEDS * studies)
    assert abs(np.mean([pick.reported for pick in picks if pick])) < 3 * error
    assert np.mean([pick.claimed for pick in picks if pick]) > 10 * error
    assert np.mean([pick.optimism for pick in picks if pick]) > 10 * error


def test_luck_that_both_splits_see_is_reported_for_as_many_tries_alike():
    picks = [tries.best("scores") for tries in simulated(200, luck=0.9, seed=3)]
    few = [tries.best("none") for tries in simulated(200, luck=0.9, seed=3)]
    # What new seeds would not repeat: a control of one try has none of it.
    assert np.mean([pick.reported for pick in picks if pick]) > 0.3
    assert abs(np.mean([pick.reported for pick in few if pick])) < 3 / math.sqrt(SEEDS * 200)


# --- the plan's frames -----------------------------------------------------------------------

TRAIN = TrainParams(epochs=1, batch_size=32, max_length=16, learning_rate=1e-3)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPARSEKD_HOME", str(tmp_path / "home"))
    return tmp_path


def asked(**changes: Any) -> SweepSpec:
    teacher = recipes.finetune("demo/sentiment", "demo:", TRAIN)
    grid: dict[str, Any] = {"lams": (0.0, 1.0), "sparsities": (0.0, 0.5), "seeds": (0, 1)}
    fixed = {"train": TRAIN, "student": StudentParams(layers=1), "mask": MaskParams(round_to=1)}
    usual = {"task": "demo/sentiment", "teacher": teacher}
    return SweepSpec(**(usual | grid | fixed | changes))


def filled(plan: Plan, but: str = "") -> Plan:
    """Every run done as if it had worked, except one and what waits for it."""
    missing: set[str] = set()
    store.create_all([step.recipe for step in plan.steps])
    for number, step in enumerate(plan.steps):
        recipe, name = step.recipe, step.recipe.run_id
        if missing & set(recipe.needs):
            missing.add(name)
        elif name == but:
            missing.add(name)
            outcome = Outcome(message="The disk is full.", hint="Free it.")
            store.finish(name, State.FAILED, outcome, 1.0)
        else:
            folder = store.folder(name)
            folder.mkdir(parents=True, exist_ok=True)
            drawn = np.random.default_rng(number)
            np.save(folder / "logits-selection.npy", drawn.normal(size=(6, 2)))
            if recipe.stage == "prune":
                Mask(drawn.random((2, 4)) > 0.5, drawn.random((2, 40)) > 0.5).save(
                    folder / "mask.npz"
                )
            scores = {"accuracy": 0.5 + number / 1000}
            outcome = Outcome({"selection": scores, "validation": scores}, {"parameters": number})
            store.start(name, "cpu", 1)
            store.finish(name, State.DONE, outcome, 2.0)
    return plan


def test_each_student_is_there_finished_or_not(home: Path):
    plan = sweep.plan(asked())
    failed = next(step.recipe.run_id for step in plan.steps if step.role == "student")
    found = sweep_results.students(filled(plan, but=failed))
    assert set(found["run"]) == set(sweep.cells(plan)["run"])
    done = found[found["state"] == "done"]
    assert set(done["split"]) == {"selection", "validation"}
    assert done["value"].notna().all()
    (row,) = found[found["run"] == failed].to_dict("records")
    assert row["state"] == "failed"
    assert pd.isna([row["split"], row["metric"], row["value"]]).all()
    assert sweep_results.students(sweep.plan(asked(seeds=(7,))))["state"].tolist()[-1] == ""


def test_a_teacher_stands_as_far_from_the_trial_student_as_the_formula_says(home: Path):
    plan = filled(sweep.plan(asked()))
    cells = sweep.cells(plan)
    found = sweep_results.teachers(plan)
    own = found[(found["split"] == "validation") & (found["ranking"] == "scores")]
    row = own.iloc[0]
    trial = cells[(cells["ranking"] == "dense") & (cells["attempt"] == 0)].set_index("seed")
    teacher, student = (
        np.load(store.folder(name) / "logits-selection.npy")
        for name in (row["run"], trial.loc[int(row["seed"]), "run"])
    )
    t, s = softmax(teacher / 2, axis=1), softmax(student / 2, axis=1)
    assert row["distance"] == pytest.approx((t * np.log(t / s)).sum(axis=1).mean())
    # Dense and magnitude serve all seeds; the others are one per seed.
    runs = found.drop_duplicates("run")
    assert runs["ranking"].value_counts().to_dict() == {
        "scores": 4, "random": 2, "magnitude": 1, "dense": 1,
    }  # fmt: skip
    assert set(runs.loc[runs["seed"].isna(), "ranking"]) == {"dense", "magnitude"}


def test_answers_that_are_not_there_leave_the_distance_open_and_damaged_ones_are_named(home: Path):
    plan = filled(sweep.plan(asked()))
    name = sweep.cells(plan).query("ranking == 'scores'")["teacher"].iloc[0]
    path = store.folder(name) / "logits-selection.npy"
    path.unlink()
    found = sweep_results.teachers(plan).set_index("run")
    assert found.loc[name, "distance"].isna().all()
    path.write_bytes(b"no array")
    with pytest.raises(BadInput, match=r"logits-selection\.npy is damaged"):
        sweep_results.teachers(plan)


def test_a_curve_has_student_and_teacher_and_a_grid_the_dense_cell_at_zero(home: Path):
    plan = filled(sweep.plan(asked()))
    students, teachers = sweep_results.students(plan), sweep_results.teachers(plan)
    curve = sweep_results.curve(students, teachers, "validation", "accuracy").set_index("ranking")
    assert set(curve["seeds"]) == {2}
    assert math.isnan(curve.loc["none", "teacher_mean"])
    dense = teachers[(teachers["ranking"] == "dense") & (teachers["split"] == "validation")]
    assert curve.loc["dense", "teacher_mean"] == dense["value"].iloc[0]
    grid = sweep_results.grid(students, "vanilla", "validation", "accuracy")
    assert list(zip(grid["lam"], grid["sparsity"], strict=True)) == [
        (0, 0), (0, 0.5), (1, 0), (1, 0.5),
    ]  # fmt: skip
    assert grid["values"][0] == grid["values"][2]
    assert grid["mean"][1] == pytest.approx(np.mean(grid["values"][1]))


def test_costs_add_up_and_what_is_missing_says_why(home: Path):
    plan = sweep.plan(asked())
    failed = next(step.recipe.run_id for step in plan.steps if step.role == "scores")
    filled(plan, but=failed)
    spent, missing = sweep_results.costs(plan), sweep_results.unfinished(plan).set_index("run")
    assert len(spent) + len(missing) == len(plan.steps)
    assert spent["cumulative_seconds"].iloc[-1] == pytest.approx(2.0 * len(spent))
    assert spent["finished"].is_monotonic_increasing
    assert missing.loc[failed, "message"] == "The disk is full. Free it."
    waiting = missing[missing["state"] == "queued"]["message"]
    assert len(waiting) == 4  # two cells of this seed, each a teacher and a student
    assert set(waiting) == {f"It waits for: Scores, {failed}. The disk is full. Free it."}


# --- masks of several seeds ------------------------------------------------------------------


def test_overlap_is_the_jaccard_index_over_pairs():
    removed = np.array([[1, 1, 0, 0], [1, 0, 1, 0], [1, 1, 0, 0]], dtype=bool)
    assert overlaps.overlap(removed)[0] == pytest.approx((1 / 3 + 1 + 1 / 3) / 3)
    assert all(np.isnan(overlaps.overlap(np.zeros((2, 4), dtype=bool))))


def test_chance_is_what_random_sets_share():
    drawn = np.random.default_rng(0)
    found = []
    for _ in range(2000):
        one, other = (set(drawn.permutation(40)[:size].tolist()) for size in (10, 16))
        found.append(len(one & other) / len(one | other))
    error = np.std(found) / math.sqrt(len(found))
    assert overlaps.expected(40, 10, 16) == pytest.approx(np.mean(found), abs=3 * error)
    assert overlaps.expected(40, 40, 40) == pytest.approx(1)
    assert overlaps.expected(1000, 300, 300) == pytest.approx(0.3 / 1.7, rel=2e-3)
    assert overlaps.expected(30_000, 9_000, 9_000) == pytest.approx(0.3 / 1.7, rel=1e-3)


def test_stability_is_told_for_heads_and_neurons_of_every_cell(home: Path):
    found = sweep_results.stability(filled(sweep.plan(asked())))
    assert found[["lam", "sparsity", "units"]].to_numpy().tolist() == [
        [0, 0.5, "heads"], [0, 0.5, "neurons"], [1, 0.5, "heads"], [1, 0.5, "neurons"],
    ]  # fmt: skip
    assert set(found["seeds"]) == {2}
    neurons = found[found["units"] == "neurons"]
    assert neurons["overlap"].to_numpy() == pytest.approx(neurons["chance"].to_numpy(), abs=0.15)


# --- fronts ----------------------------------------------------------------------------------


def test_what_is_beaten_in_both_is_not_on_the_front():
    points = pd.DataFrame({"parameters": [1, 2, 3, 3, 1], "quality": [0.5, 0.4, 0.9, 0.8, 0.5]})
    assert fronts.pareto_optimal(points) == [True, False, True, False, True]
    loss = points.assign(quality=-points["quality"])
    assert fronts.pareto_optimal(loss, lower_is_better=True) == [True, False, True, False, True]


def test_measured_latency_stands_at_its_point(home: Path):
    plan = filled(sweep.plan(asked()))
    before = sweep_results.front([plan], "validation", "accuracy")
    assert before["latency_ms"].isna().all()
    teacher = plan.steps[0].recipe.run_id
    run = store.create(recipes.measure("demo/sentiment", teacher, MeasureParams(), "cpu"))
    usual = dict.fromkeys(measurements.COLUMNS, 1.0) | {"variant": "dense", "batch": 1}
    rows = [usual | {"tokens": tokens, "milliseconds": tokens / 8} for tokens in (128, 16)]
    run.folder.mkdir(parents=True)
    measurements.save(run.folder, pd.DataFrame(rows))
    store.finish(run.id, State.DONE, Outcome(), 1.0)
    found = sweep_results.front([plan], "validation", "accuracy").set_index("kind")
    assert found.loc["teacher", "latency_ms"] == 2.0
    assert found.loc["teacher", "setting"] == "cpu, batch 1, 16 tokens"
    assert found.loc["student", "latency_ms"].isna().all()
    assert {"teacher", "sparse teacher", "student"} == set(found.index)


# --- a real study ----------------------------------------------------------------------------


def test_a_small_study_that_really_ran_is_read_as_it_is(home: Path):
    folder = workshop.task_folder(home / "task")
    task = references.task(str(folder)).name
    checkpoint = references.model(str(workshop.checkpoint_folder(home / "checkpoint")))
    teacher = recipes.finetune(task, checkpoint, TRAIN)
    plan = sweep.plan(asked(task=task, teacher=teacher, sparsities=(0.5,), lams=(0.5,)))
    for step in plan.steps:
        workshop.done(step.recipe)
    students, teachers = sweep_results.students(plan), sweep_results.teachers(plan)
    assert (students["state"] == "done").all()
    assert (teachers["distance"] > 0).all()
    assert sweep_results.unfinished(plan).empty
    words = said(students)
    assert words.startswith("Inconclusive against the dense teacher: ")
    assert "2 of at least 5 seeds" in words
    assert set(sweep_results.stability(plan)["units"]) == {"heads", "neurons"}
