"""How the sample study is made: its studies, and what of their runs is packed."""

import json
import os
import platform
import sqlite3
import time
import zipfile
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from sparsekd import __version__
from sparsekd.catalog import rankings
from sparsekd.catalog.stage_parameters import AblateParams, AttributeParams, MaskParams
from sparsekd.errors import BadInput
from sparsekd.runs import jobs, references, sample, store
from sparsekd.runs.database import database
from sparsekd.runs.records import Plan, Recipe, Run, State, Step
from sparsekd.runs.schema import CATALOGUE
from sparsekd.studies import recipes, stark
from sparsekd.studies.comparisons import comparison, comparison_spec
from sparsekd.studies.masked_teacher import masked_quality
from sparsekd.studies.sweeps import sweep_file
from sparsekd.studies.sweeps.sweep import plan as sweep_plan
from sparsekd.studies.sweeps.sweep_file import SweepFile
from sparsekd.tasks.demo import DEMO_CHECKPOINTS

TASK = "demo/sentiment"
SEEDS = (0, 1, 2, 3, 4)
EXAMPLE = "It is a myth that the plot was dull, although the acting was awful."
"""What Try it opens with: the acting is blamed, and the rest is praise."""

FEW_LABELS = 500
SOME_TEXTS = 2000
TRADE_OFFS = {
    "task": TASK,
    "labelled": FEW_LABELS,
    "train": {"train_examples": SOME_TEXTS},
    "teacher_train": {"train_examples": 0},  # all
    "student": {"layers": 1},
    "lam": [0.0, 0.5, 1.0],
    "sparsity": [0.2, 0.4, 0.6],
    "controls": ["plain", "random"],
    "seeds": list(SEEDS),
}
LABELS = {
    "task": TASK,
    "labelled": [100, 400, 1600, "all"],
    "student": {"layers": 1},
    "sparsity": 0.0,
    "controls": [
        *("plain", "labelled_texts", "pseudo_labels", "label_smoothing"),
        *("shuffled", "untrained", "tfidf"),
    ],
    "seeds": list(SEEDS),
}
NOISE = {
    "task": TASK,
    "label_noise": [0.0, 0.2],
    "student": {"layers": 1},
    "sparsity": 0.0,
    "controls": ["plain", "pseudo_labels", "label_smoothing", "shuffled"],
    "seeds": list(SEEDS),
}
METHODS = (
    *("vanilla", "fine_tuning", "vanilla:sparse_teacher", "internal"),
    *("knowledge_selection", "teacher_selection"),
)
"""The four papers' methods, and what they are compared with."""
KEPT_MODELS = (
    *("teacher", "plain_student", "trial_student", "sparse_teacher"),
    *("student", "random_mask_student"),
)
"""Roles whose models the sample has, of its first seed, in half precision."""


def plans() -> list[Plan]:
    """Return the sample's studies; the first is what the dashboard opens on."""
    return [plan for family in studies().values() for plan in family]


def studies() -> dict[str, list[Plan]]:
    """Return the sample's studies by name, a family where they differ in labels or noise."""
    declared = {"trade-offs": TRADE_OFFS, "labels": LABELS, "noise": NOISE}
    sweeps = {
        name: [sweep_plan(spec) for spec in sweep_file.expand(SweepFile.of(values))]
        for name, values in declared.items()
    }
    return {"demo": [stark.plan(stark.demo(TASK, SEEDS))]} | sweeps | {"methods": [_methods()]}


def _methods() -> Plan:
    """Return the comparison of the papers' methods, with few gold labels and many texts."""
    train, student = comparison_spec.defaults(next(iter(DEMO_CHECKPOINTS)))
    teachers = tuple(
        recipes.finetune(TASK, checkpoint, recipes.defaults(checkpoint)[0])
        for checkpoint in DEMO_CHECKPOINTS
    )
    spec = comparison_spec.ComparisonSpec(
        task=TASK,
        methods=METHODS,
        teachers=teachers,
        train=train.changed({"labelled": FEW_LABELS}),
        student=student,
        seeds=SEEDS,
    )
    return comparison.plan(spec)


def measurements() -> list[Recipe]:
    """Return what is measured beside the studies, of the first seed's scores.

    The masked teacher's quality over λ and sparsity, and what each head and neuron is worth when
    it is removed alone.
    """
    demo = stark.plan(stark.demo(TASK, SEEDS))
    teacher, trial, scores = (_first(demo, role) for role in ("teacher", "trial_student", "scores"))
    made = Run(scores, State.DONE, store.folder(scores.run_id))
    length = teacher.params["train"]["max_length"]
    names = (teacher.run_id, trial.run_id, scores.run_id)
    attributions = [
        recipes.attribute(TASK, names[0], AttributeParams(kind=kind), length)
        for kind in rankings.names("data")
    ]
    return [
        masked_quality.curves(made, MaskParams(), masked_quality.LAMS),
        recipes.ablate(TASK, names[0], AblateParams(), length, *names[1:]),
        *attributions,
    ]


def submit() -> list[Step]:
    """Queue every run of the sample in one's own store, and return the steps."""
    for plan in plans():
        jobs.submit_plan(plan)
    jobs.submit(measurements())
    return _steps()


def _steps() -> list[Step]:
    found = [step for plan in plans() for step in plan.steps]
    return found + [Step("", recipe) for recipe in measurements()]


def _first(plan: Plan, role: str) -> Recipe:
    return next(step.recipe for step in plan.steps if step.role == role)


# --- pack ------------------------------------------------------------------------------------


def pack(archive: Path, respond: Callable[[Path], None]) -> None:
    """Write the archive from the finished runs of one's own store.

    Args:
        respond: Fills the cached responses of the inspector in the folder of the new store.

    Raises:
        BadInput: some run is not finished.
    """
    wanted = plans()
    names = {step.recipe.run_id for step in _steps()}
    runs = store.get_many(names)
    missing = [name for name in names if name not in runs or runs[name].state is not State.DONE]
    if missing:
        raise BadInput(f"{len(missing)} runs of the sample are not finished.", "Make them first.")
    demo = wanted[0]
    scores = _first(demo, "scores")
    models = {_first(demo, role).run_id for role in KEPT_MODELS}
    with TemporaryDirectory() as place:
        home = Path(place)
        _copy_catalogue(home, wanted, runs)
        for run in runs.values():
            _copy_files(run, home / "runs" / run.id, run.id in models, run.id == scores.run_id)
        _set_times(home)
        respond(home)
        _write_facts(home, len(runs))
        _zip(home, archive)


def _copy_catalogue(home: Path, wanted: Iterable[Plan], runs: Iterable[str]) -> None:
    """Copy the records of runs, what they logged, and their plans, the last one first."""
    names = json.dumps(list(runs))
    with database(home) as catalogue:
        catalogue.commit()
        catalogue.execute("ATTACH ? AS other", (str(store.own_home() / CATALOGUE),))
        for table, column in (("runs", "id"), ("events", "run")):
            catalogue.execute(
                f"INSERT INTO {table} SELECT * FROM other.{table} "
                f"WHERE {column} IN (SELECT value FROM json_each(?))",
                (names,),
            )
        catalogue.execute("UPDATE runs SET pid = NULL, device = 'cpu'")
        made = time.time()
        catalogue.executemany(
            "INSERT INTO plans VALUES (?, ?, ?)",
            [(plan.id, plan.to_json(), made - place) for place, plan in enumerate(wanted)],
        )
        catalogue.commit()
        catalogue.execute("DETACH other")


def _copy_files(run: Run, to: Path, model: bool, jacobian: bool) -> None:
    """Copy what the pages read of a run."""
    for path in sorted(run.folder.rglob("*")):
        part = path.relative_to(run.folder)
        unwanted = (part.parts[0] == "model" and not model) or (
            part.parts[0] == "jacobian" and not jacobian
        )
        if unwanted or not path.is_file() or part.name in ("lock", "log.txt"):
            continue
        (to / part).parent.mkdir(parents=True, exist_ok=True)
        if part.name == "model.safetensors":
            _halve(path, to / part)
        elif part.name.startswith("logits-"):
            np.save(to / part, np.load(path).astype(np.float16))
        elif not part.name.startswith("checkpoint"):
            copyfile(path, to / part)


def _halve(path: Path, to: Path) -> None:
    """Write weights in half precision."""
    with safe_open(path, "np") as weights:
        names = list(weights.keys())
        halves = {name: weights.get_tensor(name).astype(np.float16) for name in names}
        save_file(halves, to, weights.metadata())


def _set_times(home: Path) -> None:
    for path in home.rglob("*"):
        if path.is_file():
            os.utime(path, (sample.WRITTEN, sample.WRITTEN))


def _write_facts(home: Path, runs: int) -> None:
    facts = {
        "made": time.time(),
        "version": __version__,
        "torch": version("torch"),
        "machine": f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}",
        "runs": runs,
    }
    (home / store.SAMPLE_FACTS).write_text(json.dumps(facts, indent=1), encoding="utf-8")


def _zip(home: Path, archive: Path) -> None:
    connection = sqlite3.connect(home / CATALOGUE)
    connection.execute("PRAGMA journal_mode=DELETE")  # one file
    connection.execute("VACUUM")
    connection.close()
    kept = ("runs", "cache", CATALOGUE, store.SAMPLE_FACTS)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed:
        for path in sorted(home.rglob("*")):
            if path.is_file() and path.relative_to(home).parts[0] in kept:
                packed.write(path, path.relative_to(home))


# --- once more -------------------------------------------------------------------------------


def largest_difference(plan: Plan, home: Path) -> tuple[int, float] | None:
    """Return over how many runs of a plan one's own differ from the sample's, and by how much.

    The largest difference in the task's first metric on validation; None before one is done.
    """
    card = references.card(plan.task)
    own = store.plan_runs(plan)
    with store.reading(home):
        theirs = store.plan_runs(plan)
    split, metric = card.validation[0], card.metrics[0]
    found = [
        abs(run.outcome.metrics[split][metric] - theirs[name].outcome.metrics[split][metric])
        for name, run in own.items()
        if run.state is State.DONE and name in theirs and split in run.outcome.metrics
    ]
    return (len(found), max(found)) if found else None
