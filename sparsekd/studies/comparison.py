"""Methods side by side: which names there are, and the runs that a fair comparison needs.

Every student has the same first weights, data, seeds, budget and number of tries: one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sparsekd.catalog.methods import variants
from sparsekd.catalog.methods.vanilla import VanillaParams
from sparsekd.catalog.parameters import Params, TrainParams
from sparsekd.catalog.stage_parameters import MaskParams, ScoreParams, StudentParams
from sparsekd.errors import BadInput, Incompatible, SparseKDError, unknown
from sparsekd.runs import references
from sparsekd.runs.depth import depth, layers_of
from sparsekd.runs.records import Plan, Recipe, Step
from sparsekd.studies import recipes, roles
from sparsekd.studies.variants import Way, menu, read
from sparsekd.tasks.demo import DEMO_CHECKPOINTS

ALL = "all"
DEMO_LAYERS = 2  # of a demo student here: one layer leaves relations nothing to match
LAYERED = ("bottom", "every", "top", "random")


@dataclass(frozen=True)
class Comparison:
    """What is compared: ways by name, on the same task, student, seeds and budget.

    `teachers` are recipes of models, the first one dense: every student starts from its layers.
    `assistant_layers` 0 means half way between teacher and student. `changes` sets parameters of
    methods, by method and parameter.
    """

    task: str
    methods: tuple[str, ...]
    teachers: tuple[Recipe, ...]
    train: TrainParams = field(default_factory=TrainParams)
    student: StudentParams = field(default_factory=StudentParams)
    score: ScoreParams = field(default_factory=ScoreParams)
    mask: MaskParams = field(default_factory=MaskParams)
    seeds: tuple[int, ...] = (0,)
    assistant_layers: int = 0
    changes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def usual(checkpoint: str) -> tuple[TrainParams, StudentParams]:
    """How students are trained unless asked otherwise, and what a student is."""
    _, train, student = recipes.defaults(checkpoint)
    if checkpoint in DEMO_CHECKPOINTS:
        student = student.changed({"layers": DEMO_LAYERS})
    return train, student


def chosen(asked: Comparison) -> tuple[Comparison, dict[str, str]]:
    """The comparison with "all" spelt out, and what of "all" does not fit, with the reasons."""
    if ALL not in asked.methods:
        return asked, {}
    _check_changes(asked)
    named = [name for name in asked.methods if name != ALL]
    left_out = {}
    for name in menu(len(asked.teachers)):
        try:
            check(asked, read(name))
        except SparseKDError as reason:
            left_out[name] = str(reason)
    rest = [name for name in menu(len(asked.teachers)) if name not in left_out]
    names = tuple(dict.fromkeys([*rest, *named]))
    return replace(asked, methods=names), {n: why for n, why in left_out.items() if n not in named}


# --- what fits -------------------------------------------------------------------------------


def check(asked: Comparison, way: Way) -> None:
    """Refuse, before anything runs, what cannot fit.

    Raises:
        BadInput: too few teachers, or no room for an assistant; Incompatible: layers that the
            method cannot match.
    """
    number = roles.teacher_number(way.source)
    if number and number > len(asked.teachers):
        raise BadInput(
            f"{way.name} needs {number} teachers, not {len(asked.teachers)}.",
            "Name each one: --teacher A --teacher B.",
        )
    if way.source == "assistant":
        assistant(asked)
    if way.source in ("", "dense_and_sparse") and way.card.most_teachers > 1:
        count = 2 if way.source else len(asked.teachers)
        recipes.check_teachers(way.card, [str(place) for place in range(count)])
    _check_layers(asked, way)


def _check_changes(asked: Comparison) -> None:
    """Refuse parameters that are changed for no known method, or to no usable value."""
    for name in asked.changes:
        if name not in variants():
            raise unknown("method", name, variants())
        read(name).params(asked.changes)


def _check_layers(asked: Comparison, way: Way) -> None:
    """Refuse layer counts that a method cannot match; unknown counts are left to the run."""
    student, teacher = depths(asked, way)
    card = way.card
    if student is not None and student < card.least_layers:
        raise Incompatible(
            f"{card.title} needs a student of {card.least_layers} layers or more, not {student}.",
            f"Choose --student-layers {card.least_layers} or more.",
        )
    if student and teacher and card.divides and teacher % student:
        fits = [str(n) for n in range(card.least_layers, teacher + 1) if not teacher % n]
        raise Incompatible(
            f"{card.title}: the teacher has {teacher} layers, the student {student}.",
            f"Choose {' or '.join(fits)} layers for the student.",
        )


def depths(asked: Comparison, way: Way) -> tuple[int | None, int | None]:
    """Layers of a way's student and of the teacher that it looks at; None where unknown."""
    number = roles.teacher_number(way.source) or 1
    teacher = depth(asked.teachers[number - 1])
    student = _student_depth(asked)
    if way.source == "assistant" and teacher and student:
        shape = assistant(asked)
        teacher = shape.layers if shape.choice in LAYERED else teacher
    return student, teacher


def _student_depth(asked: Comparison) -> int | None:
    shape = asked.student
    if shape.choice in LAYERED:
        return shape.layers
    if shape.choice == "checkpoint":
        return layers_of(references.model(shape.checkpoint))
    return depth(asked.teachers[0])


def assistant(asked: Comparison) -> StudentParams:
    """The model between teacher and student: as the student, but of middle size.

    Raises:
        BadInput: nothing lies between them, or the teacher's size is not known here.

    Source: Mirzadeh et al., AAAI 2020, arXiv 1902.03393; the size half way between is ours.
    """
    shape = asked.student
    if shape.choice == "pruned":
        return shape.changed({"sparsity": shape.sparsity / 2})
    choice = shape.choice if shape.choice in LAYERED else "every"
    if asked.assistant_layers:
        return StudentParams(choice=choice, layers=asked.assistant_layers)
    student, teacher = _student_depth(asked), depth(asked.teachers[0])
    if student is None or teacher is None:
        raise BadInput(
            "How many layers lie between teacher and student is not known here.",
            "Say --assistant-layers.",
        )
    if teacher - student < 2:
        raise BadInput(
            f"No assistant fits between a teacher of {teacher} layers and a student of {student}.",
            "Choose a shallower student.",
        )
    return StudentParams(choice=choice, layers=(teacher + student) // 2)


# --- the plan --------------------------------------------------------------------------------


def plan(asked: Comparison) -> Plan:
    """Teachers, made once; then, for each seed, every way's student after what it needs.

    A sparse teacher is StarK's: scored for a trial student of the same seed, by vanilla
    distillation, whichever method learns from it. What several ways need is made once.

    Raises:
        BadInput: no seed, no method, or two names of the same student; and see `read`, `check`.
    """
    ways = [read(name) for name in dict.fromkeys(asked.methods)]
    if not asked.seeds or not ways:
        raise BadInput("A comparison needs a method and a seed.", "Name some: --methods vanilla")
    _check_changes(asked)
    for way in ways:
        check(asked, way)
    steps = _teachers(asked, ways)
    for seed in asked.seeds:
        work = _Seed(asked, seed)
        for way in ways:
            steps += work.student(way)
    several = "s" if len(asked.seeds) > 1 else ""
    title = f"{asked.task} · {len(ways)} methods · {len(asked.seeds)} seed{several}"
    return Plan(title, asked.task, _unique(steps), "comparison")


def _teachers(asked: Comparison, ways: list[Way]) -> list[Step]:
    """The first teacher, and the others as far as some way learns from them."""
    last = max(roles.teacher_number(way.source) or 1 for way in ways)
    if any(way.card.most_teachers > 1 and not way.source for way in ways):
        last = len(asked.teachers)
    names = ["teacher", *(f"teacher_{number}" for number in range(2, last + 1))]
    return [Step(name, model) for name, model in zip(names, asked.teachers, strict=False)]


def _unique(steps: list[Step]) -> tuple[Step, ...]:
    """Each run once, at its first place, under the name by which it is compared.

    Raises:
        BadInput: two of the compared names mean one student.
    """
    compared: dict[str, Step] = {}
    for step in steps:
        same = compared.get(step.recipe.run_id)
        if same and roles.competes(step.role) and same.role != step.role:
            raise BadInput(f"{same.role} and {step.role} are the same student.", "Name one.")
        if roles.competes(step.role):
            compared[step.recipe.run_id] = step
    found = {step.recipe.run_id: compared.get(step.recipe.run_id, step) for step in steps}
    return tuple(found.values())


@dataclass(frozen=True)
class _Seed:
    """The steps of one seed."""

    asked: Comparison
    seed: int

    def student(self, way: Way) -> list[Step]:
        """One way's student, after the steps that make its teachers."""
        before, teachers = self.teachers(way)
        params = way.params(self.asked.changes)
        return [*before, Step(way.name, self.distil(way.card.name, teachers, params))]

    def teachers(self, way: Way) -> tuple[list[Step], list[str]]:
        """What has to be made first, and who then teaches."""
        names = [recipe.run_id for recipe in self.asked.teachers]
        number = roles.teacher_number(way.source)
        if number:
            return [], [names[number - 1]]
        if way.source == "random_mask":
            step = Step("random_mask_teacher", self.prune("", "random"))
            return [step], [step.recipe.run_id]
        if way.source == "assistant":
            step = Step("assistant", self.vanilla(assistant(self.asked)))
            return [step], [step.recipe.run_id]
        if way.source:
            before = self.sparse()
            dense = names[:1] if way.source == "dense_and_sparse" else []
            return before, [*dense, before[-1].recipe.run_id]
        return [], names if way.card.most_teachers > 1 else names[:1]

    def sparse(self) -> list[Step]:
        """StarK's way to a sparse teacher."""
        asked, trial = self.asked, self.vanilla(self.asked.student)
        teacher, length = asked.teachers[0].run_id, asked.train.max_length
        scores = recipes.score(asked.task, teacher, trial.run_id, asked.score, length)
        pruned = self.prune(scores.run_id, "scores")
        roles_of = ("trial_student", "scores", "sparse_teacher")
        return [Step(r, one) for r, one in zip(roles_of, (trial, scores, pruned), strict=True)]

    def prune(self, scores: str, kind: str) -> Recipe:
        asked = self.asked
        params = asked.mask.model_copy(update={"kind": kind})
        teacher, length = asked.teachers[0].run_id, asked.train.max_length
        return recipes.prune(asked.task, teacher, scores, params, length, self.seed)

    def vanilla(self, shape: StudentParams) -> Recipe:
        """A trial student or an assistant: whom no comparison speaks of, taught by vanilla."""
        teacher = [self.asked.teachers[0].run_id]
        params = VanillaParams.of(dict(self.asked.changes.get("vanilla", {})))
        return self.distil("vanilla", teacher, params, shape)

    def distil(
        self, method: str, teachers: list[str], params: Params, shape: StudentParams | None = None
    ) -> Recipe:
        asked, (first, *others) = self.asked, teachers
        init = asked.teachers[0].run_id
        return recipes.distil(
            asked.task, method, first, asked.train, params, shape or asked.student, init,
            self.seed, others,
        )  # fmt: skip
