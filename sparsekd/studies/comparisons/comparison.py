"""Comparisons of methods: the runs that a fair one needs.

Every student has the same initial weights (all but "no teacher at all"), data, seeds, budget and
number of attempts: one, or one for each setting that is tried.
"""

from dataclasses import dataclass

from sparsekd.catalog.baselines import BASELINES
from sparsekd.catalog.methods.vanilla import VanillaParams
from sparsekd.catalog.parameters import MethodParams, TrainParams
from sparsekd.catalog.stage_parameters import StudentParams
from sparsekd.errors import BadInput
from sparsekd.runs.records import Plan, Recipe, Step
from sparsekd.studies import recipes, roles
from sparsekd.studies.comparisons.comparison_spec import (
    ComparisonSpec,
    assistant_shape,
    check,
    check_changes,
    of_each_teacher,
)
from sparsekd.studies.comparisons.settings import check_tuning, settings, tuned_in_words
from sparsekd.studies.comparisons.variants import StudentVariant, parse
from sparsekd.system.wording import counted


def plan(spec: ComparisonSpec) -> Plan:
    """Return the teachers, then for each seed every variant's student after what it needs.

    A sparse teacher is StarK's: scored for a trial student of the same seed, by vanilla
    distillation, whichever method learns from it. What several variants need is made once, with
    the training that is not tuned. Of several fine-tunings of the teacher each has its own of all
    that, on the same seeds.

    Raises:
        BadInput: no seed, no method, or two names of the same student; and see `parse`, `check`,
            `check_tuning`, `of_each_teacher`.
    """
    variants = [parse(name) for name in dict.fromkeys(spec.methods)]
    if not spec.seeds or not variants:
        raise BadInput("A comparison needs a method and a seed.", "Name some: --methods vanilla")
    if all(variant.card.name in BASELINES or variant.start for variant in variants):
        raise BadInput("Only baselines are named, and no student.", "Add a method: vanilla")
    check_changes(spec)
    for variant in variants:
        check(spec, variant)
    if spec.tune:
        check_tuning(spec)
        # What needs nothing comes first: it may be another one's trial student, and keeps its place
        # among its own tries.
        variants.sort(key=lambda variant: bool(variant.source))
    pooled = of_each_teacher(spec)
    steps = [step for each in pooled for step in _teachers(each, variants)]
    for seed in spec.seeds:
        for each in pooled:
            of_seed = _SeedSteps(each, seed)
            for variant in variants:
                steps += of_seed.student(variant)
    seeds = counted(len(spec.seeds), "seed")
    teachers = f"{len(pooled)} teachers" if len(pooled) > 1 else ""
    parts = [spec.task, f"{len(variants)} methods", seeds, teachers, tuned_in_words(spec)]
    title = " · ".join(part for part in parts if part)
    return Plan(title, spec.task, _unique(steps), "comparison")


def _teachers(spec: ComparisonSpec, variants: list[StudentVariant]) -> list[Step]:
    """Return the first teacher, and the others as far as some variant learns from them.

    Answers are there already: they have no step.
    """
    last = max(roles.teacher_number(variant.source) or 1 for variant in variants)
    if any(variant.card.most_teachers > 1 and not variant.source for variant in variants):
        last = len(spec.teachers)
    names = ["teacher", *(f"teacher_{number}" for number in range(2, last + 1))]
    models = zip(names, spec.teachers, strict=False)
    return [Step(name, model) for name, model in models if isinstance(model, Recipe)]


def _unique(steps: list[Step]) -> tuple[Step, ...]:
    """Return each run once, at its first place, under the name by which it is compared.

    Raises:
        BadInput: two of the compared names mean one student.
    """
    compared: dict[str, Step] = {}
    for step in steps:
        same = compared.get(step.recipe.run_id)
        if same and roles.is_compared(step.role) and same.role != step.role:
            raise BadInput(f"{same.role} and {step.role} are the same student.", "Name one.")
        if roles.is_compared(step.role):
            compared[step.recipe.run_id] = step
    found = {step.recipe.run_id: compared.get(step.recipe.run_id, step) for step in steps}
    return tuple(found.values())


@dataclass(frozen=True)
class _SeedSteps:
    """The steps of one seed."""

    spec: ComparisonSpec
    seed: int

    def student(self, variant: StudentVariant) -> list[Step]:
        """Return a variant's student in each setting, after the steps that make its teachers."""
        name, task, found = variant.card.name, self.spec.task, settings(self.spec, variant)
        if name in BASELINES:
            made = [recipes.baseline(task, name, *setting, self.seed) for setting in found]
            return [Step(variant.name, recipe) for recipe in made]
        before, teachers = self.teachers(variant)
        shape = recipes.started(self.spec.student, variant.start)
        students = [self.distil(name, teachers, params, shape, train) for train, params in found]
        return [*before, *(Step(variant.name, recipe) for recipe in students)]

    def teachers(self, variant: StudentVariant) -> tuple[list[Step], list[str]]:
        """Return the steps before a variant's student, and the ids of its teachers."""
        names = self.spec.references
        number = roles.teacher_number(variant.source)
        if number:
            return [], [names[number - 1]]
        if variant.source == "random_mask":
            step = Step("random_mask_teacher", self.prune("", "random"))
            return [step], [step.recipe.run_id]
        if variant.source == "assistant":
            step = Step("assistant", self.vanilla(assistant_shape(self.spec)))
            return [step], [step.recipe.run_id]
        if variant.source:
            before = self.sparse()
            dense = names[:1] if variant.source == "dense_and_sparse" else []
            return before, [*dense, before[-1].recipe.run_id]
        return [], names if variant.card.most_teachers > 1 else names[:1]

    def sparse(self) -> list[Step]:
        """Return StarK's steps to a sparse teacher."""
        spec, trial = self.spec, self.vanilla(self.spec.student)
        teacher, length = spec.first.run_id, spec.train.max_length
        scores = recipes.score(spec.task, teacher, trial.run_id, spec.score, length)
        return [
            Step("trial_student", trial),
            Step("scores", scores),
            Step("sparse_teacher", self.prune(scores.run_id, "scores")),
        ]

    def prune(self, scores: str, kind: str) -> Recipe:
        spec = self.spec
        params = spec.mask.model_copy(update={"kind": kind})
        teacher, length = spec.first.run_id, spec.train.max_length
        return recipes.prune(spec.task, teacher, scores, params, length, self.seed)

    def vanilla(self, shape: StudentParams) -> Recipe:
        """Return a trial student or an assistant, which is not compared: vanilla distillation."""
        teacher = [self.spec.first.run_id]
        params = VanillaParams.of(dict(self.spec.changes.get("vanilla", {})))
        return self.distil("vanilla", teacher, params, shape, self.spec.train)

    def distil(
        self,
        method: str,
        teachers: list[str],
        params: MethodParams,
        shape: StudentParams,
        train: TrainParams,
    ) -> Recipe:
        spec, (first, *others) = self.spec, teachers
        return recipes.distil(
            spec.task,
            method,
            first,
            train,
            params,
            shape,
            spec.first.run_id,
            self.seed,
            others,
        )
