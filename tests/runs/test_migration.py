"""A catalogue of an earlier format: its runs are found by the recipes of today."""

import multiprocessing
import os
import sqlite3
from pathlib import Path

import pytest

from sparsekd.errors import Unavailable
from sparsekd.runs import migration, store
from sparsekd.runs.records import Plan, Recipe, Step
from sparsekd.system.locks import hold_lock
from tests.runs import old_catalogue as old

TASK = "demo/sentiment"
TRAIN = {"epochs": 1}
SCORES_MASK = {"kind": "scores", "lam": 0.5}
RANDOM_MASK = {"kind": "random", "lam": 0.5}

# What an earlier version stored: the seed of a further attempt, the number of a measurement,
# and the kinds of masks, exports and attributions in fields that mean something else.
TEACHER = old.recipe("finetune", "fine_tuning", {"checkpoint": "demo:bert"}, TRAIN)
DENSE = {"teacher": old.id_of(TEACHER), "init": old.id_of(TEACHER)}
TRIAL = old.recipe("distil", "vanilla", DENSE, TRAIN, 1)
FURTHER = old.recipe("distil", "vanilla", DENSE, TRAIN, 2001)
SEEDED = old.recipe("distil", "pkd", DENSE, TRAIN, 2001)
SCORES = old.recipe("score", "", {"teacher": old.id_of(TEACHER), "student": old.id_of(TRIAL)}, {})
SPARSE = old.recipe(
    "prune", "scores", {"teacher": old.id_of(TEACHER), "scores": old.id_of(SCORES)},
    {"mask": SCORES_MASK},
)  # fmt: skip
RANDOM = old.recipe("prune", "random", {"teacher": old.id_of(TEACHER)}, {"mask": RANDOM_MASK}, 1)
STUDENT = old.recipe(
    "distil", "vanilla", {"teacher": old.id_of(SPARSE), "init": old.id_of(TEACHER)}, TRAIN, 1
)
EXPORT = old.recipe("export", "onnx", {"model": old.id_of(STUDENT)}, {"export": {}})
MEASURE = old.recipe("measure", "", {"model": old.id_of(FURTHER)}, {"device": "cpu"}, 3)
ATTRIBUTE = old.recipe("attribute", "conductance", {"teacher": old.id_of(TEACHER)}, {})
FOLDER = f"folder:/home/runs/{old.id_of(EXPORT)}/export#01234567"
FROM_FOLDER = old.recipe("finetune", "fine_tuning", {"checkpoint": FOLDER}, TRAIN)
RECIPES = [
    *(TEACHER, TRIAL, FURTHER, SEEDED, SCORES, SPARSE, RANDOM, STUDENT, EXPORT, MEASURE),
    *(ATTRIBUTE, FROM_FOLDER),
]
STEPS = [
    *(("teacher", TEACHER), ("trial_student", TRIAL), ("scores", SCORES)),
    *(("sparse_teacher", SPARSE), ("student", STUDENT), ("dense_try", FURTHER)),
]


def expected() -> list[Recipe]:
    """The same recipes, in the same order, as they are asked for today."""
    teacher = Recipe("finetune", TASK, "fine_tuning", {"checkpoint": "demo:bert"}, TRAIN)
    dense = {"teacher": teacher.run_id, "init": teacher.run_id}
    trial = Recipe("distil", TASK, "vanilla", dense, TRAIN, seed=1)
    further = Recipe("distil", TASK, "vanilla", dense, TRAIN, seed=1, attempt=2)
    seeded = Recipe("distil", TASK, "pkd", dense, TRAIN, seed=2001)
    scores = Recipe("score", TASK, "", {"teacher": teacher.run_id, "student": trial.run_id})
    from_scores = {"teacher": teacher.run_id, "scores": scores.run_id}
    sparse = Recipe("prune", TASK, "", from_scores, {"mask": SCORES_MASK}, variant="scores")
    random = Recipe(
        "prune", TASK, "", {"teacher": teacher.run_id}, {"mask": RANDOM_MASK}, 1, variant="random"
    )
    taught = {"teacher": sparse.run_id, "init": teacher.run_id}
    student = Recipe("distil", TASK, "vanilla", taught, TRAIN, seed=1)
    export = Recipe("export", TASK, "", {"model": student.run_id}, {"export": {}}, variant="onnx")
    measure = Recipe("measure", TASK, "", {"model": further.run_id}, {"device": "cpu"}, repeat=3)
    attribute = Recipe("attribute", TASK, "", {"teacher": teacher.run_id}, variant="conductance")
    folder = f"folder:/home/runs/{export.run_id}/export#01234567"
    outside = Recipe("finetune", TASK, "fine_tuning", {"checkpoint": folder}, TRAIN)
    return [
        *(teacher, trial, further, seeded, scores, sparse, random, student, export, measure),
        *(attribute, outside),
    ]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPARSEKD_HOME", str(tmp_path))
    old.write(tmp_path, RECIPES, STEPS, f"sweep --teacher {old.id_of(SPARSE)} --search 2")
    return tmp_path


def check_all_found() -> None:
    """Every run is there under today's recipe, with its metric, event and file."""
    for number, recipe in enumerate(expected()):
        run = store.create(recipe)  # made only where it is not found
        assert run.recipe == recipe
        assert run.outcome.metrics == {"selection": {"accuracy": number / 100}}
        assert [event.value for event in store.events(run.id)] == [number]
        assert (run.folder / "file.txt").read_text() == str(number)
    assert len(store.runs()) == len(RECIPES)


def contents(home: Path) -> list[tuple[str, ...]]:
    """All rows of runs, events and plans, and the names of the folders."""
    database = sqlite3.connect(home / "catalog.sqlite")
    rows = [
        row
        for table in ("runs", "events", "plans")
        for row in database.execute(f"SELECT * FROM {table} ORDER BY 1, 2")
    ]
    database.close()
    return [*rows, *((path.name,) for path in sorted((home / "runs").iterdir()))]


def version(home: Path) -> int:
    database = sqlite3.connect(home / "catalog.sqlite")
    found = migration.version(database)
    database.close()
    return found


def test_every_run_is_found_by_the_recipe_that_is_asked_for_today():
    check_all_found()


def test_a_study_has_the_new_recipes_and_its_command_names_the_new_runs():
    teacher, trial, further, _, scores, sparse, _, student, *_ = expected()
    roles = [role for role, _ in STEPS]
    recipes = [teacher, trial, scores, sparse, student, further]
    steps = tuple(Step(role, recipe) for role, recipe in zip(roles, recipes, strict=True))
    command = f"sweep --teacher {sparse.run_id} --search 2"
    plan = Plan("a study", TASK, steps, "sweep", command)
    assert store.plans() == [plan]
    assert store.plan(plan.id) == plan


def test_old_ids_still_lead_to_runs_and_studies():
    (plan,) = store.plans()
    assert store.plan(old.plan_id(STEPS)) == plan
    for before, after in zip(RECIPES, expected(), strict=True):
        assert store.get(old.id_of(before)).recipe == after
        assert store.get(old.id_of(before)[:8]).recipe == after
        assert store.current_id(old.id_of(before)) == after.run_id


def test_the_old_catalogue_is_kept_beside_the_new_one(home: Path):
    before = [row for row in contents(home) if len(row) > 1]
    store.prepare()
    (home / "catalog.format-2.sqlite").rename(home / "catalog.sqlite")
    for name in ("catalog.sqlite-wal", "catalog.sqlite-shm"):
        (home / name).unlink(missing_ok=True)
    assert version(home) == 2
    assert [row for row in contents(home) if len(row) > 1] == before


def test_a_second_opening_changes_nothing(home: Path):
    store.prepare()
    once, copied = contents(home), (home / "catalog.format-2.sqlite").stat().st_mtime_ns
    store.prepare()
    assert contents(home) == once
    assert (home / "catalog.format-2.sqlite").stat().st_mtime_ns == copied


def test_format_1_is_brought_up_to_date_too(home: Path):
    (home / "catalog.sqlite").unlink()
    for folder in (home / "runs").iterdir():
        (folder / "file.txt").unlink()
        folder.rmdir()
    old.write(home, RECIPES, STEPS, version=1)
    check_all_found()
    assert store.runs()[0].failures == 0


def test_nothing_changes_while_a_worker_or_a_queue_is_at_work(
    home: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(migration, "AT_WORK", 0.1)
    before = contents(home)
    for lock, words in (
        (home / "runs" / old.id_of(STUDENT) / "lock", old.id_of(STUDENT)),
        (home / "queue.lock", "queue is at work"),
    ):
        with hold_lock(lock, ""), pytest.raises(Unavailable, match=words):
            store.runs()
        assert (version(home), contents(home)) == (2, before)
    check_all_found()


def killed(place: str, call: int) -> int:
    """Return how a migration ended that was killed, as by kill -9, at one call of a function."""
    function, calls = getattr(migration, place), 0

    def die(*args: object) -> object:
        nonlocal calls
        calls += 1
        if calls == call:
            os._exit(9)
        return function(*args)

    def work() -> None:
        setattr(migration, place, die)
        store.prepare()

    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    process.join(30)
    assert process.exitcode is not None
    return process.exitcode


@pytest.mark.parametrize(("place", "call"), [("_copy", 1), ("canonical", 20), ("plan_id", 1)])
def test_a_crash_before_the_catalogue_is_whole_leaves_the_old_one(
    home: Path, place: str, call: int
):
    before = contents(home)
    assert killed(place, call) == 9
    assert (version(home), contents(home)) == (2, before)
    check_all_found()


@pytest.mark.parametrize("moved", [0, 1, 5])
def test_a_crash_among_the_folders_is_made_good(home: Path, moved: int):
    before = {path.name for path in (home / "runs").iterdir()}
    assert killed("_move", moved + 1) == 9
    assert len({path.name for path in (home / "runs").iterdir()} - before) == moved
    assert version(home) == 3
    check_all_found()
    assert version(home) == 4


def test_two_processes_may_open_an_old_catalogue_at_once():
    fork = multiprocessing.get_context("fork")
    processes = [fork.Process(target=store.prepare) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)
    assert [process.exitcode for process in processes] == [0] * 4
    check_all_found()
