"""Trade-off studies: λ × sparsity × method × seed with their controls, as runs; and cells again.

λ and sparsity are chosen among the cells on the selection split. The controls have the same
teacher, first weights, data, budget and seeds; the dense teacher has as many tries as there are
cells to choose from.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from sparsekd.catalog import rankings
from sparsekd.catalog.methods import METHODS, find
from sparsekd.catalog.methods.fine_tuning import FineTuningParams
from sparsekd.catalog.parameters import Params, TrainParams
from sparsekd.catalog.stage_parameters import MaskParams, ScoreParams, StudentParams
from sparsekd.errors import BadInput, unknown
from sparsekd.runs.records import ATTEMPT_STRIDE, Plan, Recipe, Step
from sparsekd.studies import recipes

CONTROLS = ("plain", "dense_tries", *rankings.CONTROLS, "ends")
LAMS = (0.0, 0.25, 0.5, 0.75, 1.0)
SPARSITIES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
SEEDS = (0, 1, 2, 3, 4)
MOST_RUNS = 50_000
OF_MASK = ("neuron_sparsity", "round_to", "normalise")  # what is said of all masks alike
SHOWN_BY = {
    "plain": "plain_student",
    "dense_tries": "dense_try",
    **{name: f"{rankings.find(name).role}_student" for name in rankings.CONTROLS},
}
STUDENTS = (
    "plain_student",
    "trial_student",
    "student",
    "lam_control",
    *(f"{rankings.find(name).role}_student" for name in rankings.CONTROLS),
    "dense_try",
)
COLUMNS = (
    *("run", "role", "method", "ranking", "lam", "sparsity", "attempt", "seed"),
    *("teacher", "scores", "chosen_from"),
)


@dataclass(frozen=True)
class Sweep:
    """What a trade-off study is asked to be: one task, teacher and student; grids and seeds.

    `teacher` is the recipe of a dense teacher; sparsity 0 is always there. `mask` says how masks
    are made beyond λ and sparsity. `changes` sets parameters of methods, by method and parameter.
    """

    task: str
    teacher: Recipe
    methods: tuple[str, ...] = ("vanilla",)
    lams: tuple[float, ...] = LAMS
    sparsities: tuple[float, ...] = SPARSITIES
    seeds: tuple[int, ...] = SEEDS
    train: TrainParams = field(default_factory=TrainParams)
    student: StudentParams = field(default_factory=StudentParams)
    score: ScoreParams = field(default_factory=ScoreParams)
    mask: MaskParams = field(default_factory=MaskParams)
    controls: tuple[str, ...] = CONTROLS
    changes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def sparse(self) -> tuple[float, ...]:
        """The sparsities at which something is removed."""
        return tuple(sparsity for sparsity in self.sparsities if sparsity > 0)

    @property
    def tries(self) -> int:
        """Cells to choose from, for each method: the grid's, and the dense teacher: sparsity 0."""
        return len(self.lams) * len(self.sparse) + 1

    @property
    def ends(self) -> tuple[float, ...]:
        """λ = 0 and λ = 1 where they are controls and not on the grid."""
        wanted = "ends" in self.controls
        return tuple(lam for lam in (0.0, 1.0) if wanted and lam not in self.lams)

    def params(self, method: str) -> Params:
        """A method's parameters, with what is changed."""
        return find(method).params.of(dict(self.changes.get(method, {})))


# --- refusals --------------------------------------------------------------------------------


def check(asked: Sweep) -> None:
    """Refuse, before anything is expanded, what is no grid or far too large a one.

    Raises:
        BadInput: an empty grid, values outside [0, 1) or twice, seeds twice, too many runs;
        NotFound: an unknown method or control, with the nearest names.
    """
    grids = {"methods": asked.methods, "lam": asked.lams, "sparsity": asked.sparsities}
    for name, values in (grids | {"seeds": asked.seeds}).items():
        if not values:
            raise BadInput(f"The grid of {name} is empty.", f"Name at least one {name}.")
        twice = dict.fromkeys(value for value in values if values.count(value) > 1)
        if twice:
            words = ", ".join(f"{value}" for value in twice)
            raise BadInput(f"{name} names {words} twice.", "Name each value once.")
    for control in asked.controls:
        if control not in CONTROLS:
            raise unknown("control", control, CONTROLS)
    _check_values(asked)
    for method in asked.methods:
        _check_method(asked, method)
    count = runs(asked)
    if count > MOST_RUNS:
        raise BadInput(
            f"This study asks for {count:,} runs: {cells_in_words(asked)}.",
            f"At most {MOST_RUNS:,} are planned at once: choose fewer λ, sparsities or seeds.",
        )


def _check_values(asked: Sweep) -> None:
    for lam in asked.lams:
        if not 0 <= lam <= 1:
            raise BadInput(f"λ = {lam:g} is outside [0, 1].", "1 keeps what is expressive.")
    for sparsity in asked.sparsities:
        if not 0 <= sparsity < 1:
            raise BadInput(
                f"Sparsity {sparsity:g} is outside [0, 1).", "0 removes nothing, 1 everything."
            )
    for seed in asked.seeds:
        if not 0 <= seed < ATTEMPT_STRIDE:
            raise BadInput(
                f"Seed {seed} is outside 0 to {ATTEMPT_STRIDE - 1}.", "Choose smaller seeds."
            )


def _check_method(asked: Sweep, method: str) -> None:
    card = find(method)
    if card.least_teachers != 1 or card.most_teachers != 1:
        fits = [name for name, other in METHODS.items() if other.most_teachers == 1]
        raise BadInput(
            f"{card.title} does not learn from one sparse teacher.", f"Choose {', '.join(fits)}."
        )
    asked.params(method)


def runs(asked: Sweep) -> int:
    """How many runs a study has, counted without expanding it."""
    seeds, methods, sparse = len(asked.seeds), len(asked.methods), len(asked.sparse)
    lams = len(asked.lams) + len(asked.ends)
    one_seed = 1 + bool(sparse) + 2 * lams * sparse
    one_seed += (asked.tries - 1) * ("dense_tries" in asked.controls)
    masks = [rankings.find(name) for name in rankings.CONTROLS if name in asked.controls]
    one_seed += sparse * len(masks)
    shared = 1 + sparse * sum(card.shared for card in masks)
    per_seed = ("plain" in asked.controls) + sparse * sum(not card.shared for card in masks)
    return shared + seeds * (per_seed + methods * one_seed)


def cells_in_words(asked: Sweep) -> str:
    """The grid as a product."""
    parts = {
        "method": len(asked.methods),
        "λ": len(asked.lams),
        "sparsity": len(asked.sparsities),
        "seed": len(asked.seeds),
    }
    words = {"sparsity": "sparsities", "λ": "λ"}
    return " × ".join(
        f"{count:,} {name if count == 1 else words.get(name, f'{name}s')}"
        for name, count in parts.items()
    )


# --- the plan --------------------------------------------------------------------------------


def plan(asked: Sweep) -> Plan:
    """The teacher; then, seed by seed, every method's trial student, scores, cells and controls.

    What several students need is made once. The trial student is the dense teacher's student:
    the cell at sparsity 0, whatever λ.

    Raises:
        BadInput, NotFound: see `check`.
    """
    check(asked)
    steps = [Step("teacher", asked.teacher)]
    for seed in asked.seeds:
        one = _Seed(asked, seed)
        if "plain" in asked.controls:
            steps.append(Step("plain_student", one.plain()))
        for method in asked.methods:
            steps += one.cells(method)
    title = f"{asked.task} · {cells_in_words(asked)}"
    unique = {step.recipe.run_id: step for step in reversed(steps)}
    order = dict.fromkeys(step.recipe.run_id for step in steps)
    return Plan(title, asked.task, tuple(unique[run] for run in order), "sweep")


@dataclass(frozen=True)
class _Seed:
    """The steps of one seed."""

    asked: Sweep
    seed: int

    @property
    def dense(self) -> str:
        return self.asked.teacher.run_id

    def plain(self) -> Recipe:
        """The student that no teacher teaches."""
        return self.student("fine_tuning", FineTuningParams(), self.dense)

    def cells(self, method: str) -> Iterator[Step]:
        """A method's students: of the dense teacher, of each sparse one, and of the controls."""
        asked, params = self.asked, self.asked.params(method)
        trial = self.student(method, params, self.dense)
        yield Step("trial_student", trial)
        if asked.sparse:
            length = asked.train.max_length
            scores = recipes.score(asked.task, self.dense, trial.run_id, asked.score, length)
            yield Step("scores", scores)
            for role, lams in (("student", asked.lams), ("lam_control", asked.ends)):
                for lam in lams:
                    for sparsity in asked.sparse:
                        yield from self.sparse(role, method, params, scores.run_id, lam, sparsity)
            yield from self.controls(method, params)
        if "dense_tries" in asked.controls:
            for attempt in range(1, asked.tries):
                yield Step("dense_try", self.student(method, params, self.dense, attempt))

    def sparse(
        self, role: str, method: str, params: Params, scores: str, lam: float, sparsity: float
    ) -> Iterator[Step]:
        """One cell: the teacher without what λ and sparsity remove, and its student."""
        teacher = self.pruned("scores", sparsity, scores, lam)
        yield Step("sparse_teacher", teacher)
        yield Step(role, self.student(method, params, teacher.run_id))

    def controls(self, method: str, params: Params) -> Iterator[Step]:
        """Students of teachers that lost as many units by the rankings that are controls."""
        for card in map(rankings.find, rankings.CONTROLS):
            for sparsity in self.asked.sparse if card.name in self.asked.controls else ():
                teacher = self.pruned(card.name, sparsity)
                yield Step(f"{card.role}_teacher", teacher)
                yield Step(f"{card.role}_student", self.student(method, params, teacher.run_id))

    def pruned(self, kind: str, sparsity: float, scores: str = "", lam: float = 0.5) -> Recipe:
        """A masked teacher; only a random mask depends on the seed."""
        params = self.asked.mask.changed({"kind": kind, "lam": lam, "sparsity": sparsity})
        seed = self.seed if rankings.find(kind).origin == "chance" else 0
        length = self.asked.train.max_length
        return recipes.prune(self.asked.task, self.dense, scores, params, length, seed)

    def student(self, method: str, params: Params, teacher: str, attempt: int = 0) -> Recipe:
        """A student; a further attempt has other random draws."""
        asked = self.asked
        return recipes.distil(
            asked.task,
            method,
            teacher,
            asked.train,
            params,
            asked.student,
            self.dense,
            self.seed,
            attempt=attempt,
        )


def cell(asked: Sweep, method: str, lam: float, sparsity: float, seed: int) -> list[Step]:
    """One cell's steps with what must be there before: teacher, trial student, scores."""
    one, params = _Seed(asked, seed), asked.params(method)
    trial = one.student(method, params, one.dense)
    before = [Step("teacher", asked.teacher), Step("trial_student", trial)]
    if sparsity == 0:
        return before
    length = asked.train.max_length
    scores = recipes.score(asked.task, one.dense, trial.run_id, asked.score, length)
    sparse = one.sparse("student", method, params, scores.run_id, lam, sparsity)
    return [*before, Step("scores", scores), *sparse]


def dense_try(asked: Sweep, method: str, seed: int, attempt: int) -> Step:
    """A further try of the dense teacher's student."""
    one = _Seed(asked, seed)
    recipe = one.student(method, asked.params(method), one.dense, attempt)
    return Step("dense_try" if attempt else "trial_student", recipe)


# --- and back --------------------------------------------------------------------------------


def cells(plan: Plan) -> pd.DataFrame:
    """One row per student of a study, finished or not, with its place in the grid.

    Columns: run, role, method, ranking (see `teacher_kinds.KINDS`), lam (NaN unless
    scores rank), sparsity (0 for dense, NaN without a teacher), attempt (further tries of the
    dense teacher's student count from 1), seed (the study's, whatever the attempt), teacher,
    scores (run ids, or empty) and chosen_from (whether λ and sparsity may be chosen from it).
    """
    by_id = {step.recipe.run_id: step.recipe for step in plan.steps}
    rows = [_cell(step, by_id) for step in plan.steps if step.role in STUDENTS]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def declared(plan: Plan) -> Sweep:
    """The study as it was asked for, read off its own recipes."""
    first = {step.role: step.recipe for step in reversed(plan.steps)}
    found, trial = cells(plan), first["trial_student"]
    grid = found[found["role"] == "student"]
    trials = {s.recipe.method: s.recipe for s in plan.steps if s.role == "trial_student"}
    masks = [recipe.params["mask"] for recipe in first.values() if recipe.stage == "prune"]
    scores = first.get("scores")
    return Sweep(
        task=plan.task,
        teacher=first["teacher"],
        methods=tuple(trials),
        lams=tuple(float(lam) for lam in grid["lam"].unique()) or LAMS,
        sparsities=(0.0, *(float(sparsity) for sparsity in grid["sparsity"].unique())),
        seeds=tuple(int(seed) for seed in found["seed"].unique()),
        train=TrainParams.of(trial.params["train"]),
        student=StudentParams.of(trial.params["student"]),
        score=ScoreParams.of(scores.params["score"] if scores else {}),
        mask=MaskParams.of({name: masks[0][name] for name in OF_MASK} if masks else {}),
        controls=_controls(found),
        changes={name: recipe.params["method"] for name, recipe in trials.items()},
    )


def _controls(found: pd.DataFrame) -> tuple[str, ...]:
    """Which controls a study has; λ = 0 and 1 stand on its grid or beside it."""
    there, lams = set(found["role"]), set(found.loc[found["ranking"] == "scores", "lam"])
    shown = [name for name, role in SHOWN_BY.items() if role in there]
    return (*shown, *(["ends"] if not lams or {0.0, 1.0} <= lams else []))


def _cell(step: Step, by_id: Mapping[str, Recipe]) -> dict[str, Any]:
    recipe = step.recipe
    row = {
        "run": recipe.run_id,
        "role": step.role,
        "method": recipe.method,
        "ranking": "none",
        "lam": math.nan,
        "sparsity": math.nan,
        "attempt": recipe.attempt,
        "seed": recipe.seed,
        "teacher": "",
        "scores": "",
        "chosen_from": step.role in ("student", "trial_student"),
    }
    if step.role == "plain_student":
        return row
    teacher = recipe.inputs["teacher"]
    row |= {"teacher": teacher, "ranking": "dense", "sparsity": 0.0}
    made = by_id.get(teacher)
    if made is None or made.stage != "prune":
        return row
    mask = made.params["mask"]
    row |= {"ranking": mask["kind"], "sparsity": mask["sparsity"]}
    if mask["kind"] == "scores":
        row |= {"lam": mask["lam"], "scores": made.inputs["scores"]}
    return row
