"""Trade-off studies: λ × sparsity × method × seed with their controls, as runs.

λ and sparsity are chosen among the cells on the selection split. The controls have the same
teacher, initial weights (all but "no teacher at all"), data, budget and seeds, so that no seed
favours one of them; what the choice among cells owes to luck is taken off the result (see `luck`).
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from sparsekd.catalog import rankings
from sparsekd.catalog.baselines import BASELINES
from sparsekd.catalog.methods.fine_tuning import FineTuningParams
from sparsekd.catalog.parameters import MethodParams, TrainParams
from sparsekd.catalog.stage_parameters import MaskParams, ScoreParams, StudentParams
from sparsekd.runs.records import Plan, Recipe, Step
from sparsekd.studies import recipes
from sparsekd.studies.sweeps.sweep_spec import (
    DEFAULT_LAMBDAS,
    EXTREME_LAMBDAS,
    SHARED_MASK_FIELDS,
    SweepSpec,
    check,
    control_variant,
    describe_grid,
    labels_in_words,
)
from sparsekd.studies.teacher_kinds import ANSWER_CONTROLS

ROLE_OF_CONTROL = {
    "plain": "plain_student",
    **{name: f"{name}_student" for name in ANSWER_CONTROLS},
    **{name: f"{rankings.find(name).role}_student" for name in rankings.CONTROLS},
}
STUDENT_ROLES = (
    "plain_student",
    "trial_student",
    "student",
    "lam_control",
    *(f"{rankings.find(name).role}_student" for name in rankings.CONTROLS),
    "dense_try",
    *(f"{name}_student" for name in ANSWER_CONTROLS),
)
COLUMNS = (
    *("run", "role", "method", "ranking", "lam", "sparsity", "attempt", "seed"),
    *("teacher", "scores", "chosen_from"),
)


def plan(spec: SweepSpec) -> Plan:
    """Return the teacher, then for each seed and method trial student, scores, cells, controls.

    What several students need is made once. The trial student is the dense teacher's student:
    the cell at sparsity 0, whatever λ.

    Raises:
        BadInput, NotFound: see `check`.
    """
    check(spec)
    steps = [Step("teacher", spec.teacher)]
    for seed in spec.seeds:
        of_seed = _SeedSteps(spec, seed)
        if "plain" in spec.controls:
            steps.append(Step("plain_student", of_seed.plain_student()))
        steps += of_seed.answer_controls()
        for method in spec.methods:
            steps += of_seed.method_steps(method)
    title = " · ".join([spec.task, *labels_in_words(spec.train), describe_grid(spec)])
    return Plan(title, spec.task, tuple(unique(steps)), "sweep")


def unique(steps: Iterable[Step]) -> list[Step]:
    """Return each run once, in the first of its roles."""
    found: dict[str, Step] = {}
    for step in steps:
        found.setdefault(step.recipe.run_id, step)
    return list(found.values())


def joined(plans: Sequence[Plan]) -> Plan:
    """Return the runs of several studies of a task as one, each once: what they cost together."""
    steps = unique(step for plan in plans for step in plan.steps)
    return Plan(plans[0].title, plans[0].task, tuple(steps), "sweep")


def cell_steps(spec: SweepSpec, method: str, lam: float, sparsity: float, seed: int) -> list[Step]:
    """Return one cell's steps after those that it needs: teacher, trial student, scores."""
    of_seed, params = _SeedSteps(spec, seed), spec.params(method)
    trial = of_seed.student(method, params, of_seed.dense)
    before = [Step("teacher", spec.teacher), Step("trial_student", trial)]
    if sparsity == 0:
        return before
    scores = of_seed.scores(trial)
    sparse = of_seed.sparse("student", method, params, scores.run_id, lam, sparsity)
    return [*before, Step("scores", scores), *sparse]


@dataclass(frozen=True)
class _SeedSteps:
    """The steps of one seed."""

    spec: SweepSpec
    seed: int

    @property
    def dense(self) -> str:
        return self.spec.teacher.run_id

    def plain_student(self) -> Recipe:
        """Return the student that learns from gold labels alone."""
        return self.student("fine_tuning", FineTuningParams(), self.dense)

    def answer_controls(self) -> Iterator[Step]:
        """Yield students of something else than the teacher's answers, and the baselines."""
        spec = self.spec
        for name in spec.answer_controls:
            params = spec.control_params(name)
            if name in BASELINES:
                made = recipes.baseline(spec.task, name, spec.train, params, self.seed)
            else:
                card, variant = control_variant(name)
                shape = recipes.started(spec.student, variant.start)
                made = self.student(card.name, params, self.dense, shape=shape)
            yield Step(f"{name}_student", made)

    def method_steps(self, method: str) -> Iterator[Step]:
        """Yield a method's students: of the dense teacher, of sparse ones, and the controls."""
        spec, params = self.spec, self.spec.params(method)
        trial = self.student(method, params, self.dense)
        yield Step("trial_student", trial)
        if spec.positive_sparsities:
            scores = self.scores(trial)
            yield Step("scores", scores)
            for role, lams in (("student", spec.lams), ("lam_control", spec.control_lambdas)):
                for lam in lams:
                    for sparsity in spec.positive_sparsities:
                        yield from self.sparse(role, method, params, scores.run_id, lam, sparsity)
            yield from self.mask_controls(method, params)

    def sparse(
        self, role: str, method: str, params: MethodParams, scores: str, lam: float, sparsity: float
    ) -> Iterator[Step]:
        """Yield one cell: the teacher pruned at λ and sparsity, and its student."""
        teacher = self.pruned("scores", sparsity, scores, lam)
        yield Step("sparse_teacher", teacher)
        yield Step(role, self.student(method, params, teacher.run_id))

    def mask_controls(self, method: str, params: MethodParams) -> Iterator[Step]:
        """Yield students of teachers that lost as many units by the rankings that are controls."""
        for card in self.spec.control_rankings:
            for sparsity in self.spec.positive_sparsities:
                teacher = self.pruned(card.name, sparsity)
                yield Step(f"{card.role}_teacher", teacher)
                yield Step(f"{card.role}_student", self.student(method, params, teacher.run_id))

    def scores(self, trial: Recipe) -> Recipe:
        """Return the scores of the dense teacher for a trial student."""
        spec = self.spec
        length = spec.train.max_length
        return recipes.score(spec.task, self.dense, trial.run_id, spec.score, length)

    def pruned(self, kind: str, sparsity: float, scores: str = "", lam: float = 0.5) -> Recipe:
        """Return a masked teacher; only a random mask depends on the seed."""
        params = self.spec.mask.changed({"kind": kind, "lam": lam, "sparsity": sparsity})
        seed = self.seed if rankings.find(kind).origin == "chance" else 0
        length = self.spec.train.max_length
        return recipes.prune(self.spec.task, self.dense, scores, params, length, seed)

    def student(
        self, method: str, params: MethodParams, teacher: str, shape: StudentParams | None = None
    ) -> Recipe:
        """Return a student of a teacher, or of gold labels alone."""
        spec = self.spec
        return recipes.distil(
            spec.task,
            method,
            teacher,
            spec.train,
            params,
            shape or spec.student,
            self.dense,
            self.seed,
        )


# --- read back -------------------------------------------------------------------------------


def cells(plan: Plan) -> pd.DataFrame:
    """Return one row per student of a study, finished or not, with its place in the grid.

    Columns: run, role, method, ranking (see `teacher_kinds.KINDS`), lam (NaN unless scores
    rank), sparsity (0 for dense, NaN with no soft labels), attempt (of earlier versions, which
    tried the dense teacher several times), seed, teacher, scores (run ids, or empty) and
    chosen_from (whether λ and sparsity may be chosen from it).
    """
    by_id = {step.recipe.run_id: step.recipe for step in plan.steps}
    rows = [_cell(step, by_id) for step in plan.steps if step.role in STUDENT_ROLES]
    return pd.DataFrame(rows, columns=list(COLUMNS))


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
    control = step.role.removesuffix("_student")
    if step.role == "plain_student" or control in ANSWER_CONTROLS:
        return row | ({"ranking": control} if control in ANSWER_CONTROLS else {})
    teacher = recipe.inputs["teacher"]
    row |= {"teacher": teacher, "ranking": "dense", "sparsity": 0.0}
    made = by_id.get(teacher)
    if made is None or made.stage != "prune":
        return row
    mask = made.params["mask"]
    row |= {"ranking": made.variant, "sparsity": mask["sparsity"]}
    if made.variant == "scores":
        row |= {"lam": mask["lam"], "scores": made.inputs["scores"]}
    return row


def spec_of(plan: Plan) -> SweepSpec:
    """Return the request behind a study, read off its recipes."""
    first = {step.role: step.recipe for step in reversed(plan.steps)}
    found, trial = cells(plan), first["trial_student"]
    grid = found[found["role"] == "student"]
    trials = {s.recipe.method: s.recipe for s in plan.steps if s.role == "trial_student"}
    masks = [recipe.params["mask"] for recipe in first.values() if recipe.stage == "prune"]
    scores = first.get("scores")
    return SweepSpec(
        task=plan.task,
        teacher=first["teacher"],
        methods=tuple(trials),
        lams=tuple(float(lam) for lam in grid["lam"].unique()) or DEFAULT_LAMBDAS,
        sparsities=(0.0, *(float(sparsity) for sparsity in grid["sparsity"].unique())),
        seeds=tuple(int(seed) for seed in found["seed"].unique()),
        train=TrainParams.of(trial.params["train"]),
        student=StudentParams.of(trial.params["student"]),
        score=ScoreParams.of(scores.params["score"] if scores else {}),
        mask=MaskParams.of({name: masks[0][name] for name in SHARED_MASK_FIELDS} if masks else {}),
        controls=_controls(found),
        changes={name: recipe.params["method"] for name, recipe in trials.items()},
    )


def _controls(found: pd.DataFrame) -> tuple[str, ...]:
    """Return which controls a study has; λ = 0 and 1 are on its grid or beside it."""
    present = set(found["role"])
    lams = set(found.loc[found["ranking"] == "scores", "lam"])
    names = [name for name, role in ROLE_OF_CONTROL.items() if role in present]
    return (*names, *(["extreme_lambdas"] if not lams or lams.issuperset(EXTREME_LAMBDAS) else []))
