"""The request for a comparison: its variants and teachers, and which of them do not fit."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sparsekd.catalog import methods
from sparsekd.catalog.parameters import TrainParams
from sparsekd.catalog.stage_parameters import LAYERED, MaskParams, ScoreParams, StudentParams
from sparsekd.errors import BadInput, Incompatible, SparseKDError, unknown
from sparsekd.runs import references
from sparsekd.runs.depth import depth, layers_of
from sparsekd.runs.records import Recipe
from sparsekd.studies import recipes, roles
from sparsekd.studies.comparisons.variants import StudentVariant, all_names, parse
from sparsekd.tasks.demo import DEMO_CHECKPOINTS

ALL = "all"
DEMO_LAYERS = 2  # of a demo student here: with one layer there are no relations to match


@dataclass(frozen=True)
class ComparisonSpec:
    """A request for a comparison: variants by name, on one task, student, seeds and budget.

    `teachers` are recipes of models, the first one dense: every student starts from its layers.
    Further ones may be references of answers, which have no layers.
    `assistant_layers` 0 means half way between teacher and student. `changes` sets parameters of
    methods, by method and parameter. `tune` has the values that are tried of a parameter, with
    every variant that has it; see `settings`. `fine_tunings` counts those of each teacher, with
    other seeds: the comparison is made with each, and pooled.
    """

    task: str
    methods: tuple[str, ...]
    teachers: tuple[Recipe | str, ...]
    train: TrainParams = field(default_factory=TrainParams)
    student: StudentParams = field(default_factory=StudentParams)
    score: ScoreParams = field(default_factory=ScoreParams)
    mask: MaskParams = field(default_factory=MaskParams)
    seeds: tuple[int, ...] = (0,)
    assistant_layers: int = 0
    changes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    tune: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    fine_tunings: int = 1

    @property
    def first(self) -> Recipe:
        """Return the recipe of the first teacher.

        Raises:
            BadInput: it is a file of answers.
        """
        first = self.teachers[0]
        if isinstance(first, str):
            raise BadInput(
                f"The first teacher is {first.split('#')[0]}, which has no layers.",
                "Name a dense model first: students start from its layers.",
            )
        return first

    @property
    def references(self) -> list[str]:
        """Return the references of all teachers: run ids, and those of answers."""
        return [each if isinstance(each, str) else each.run_id for each in self.teachers]


def of_each_teacher(spec: ComparisonSpec) -> list[ComparisonSpec]:
    """Return the request for each fine-tuning of its teachers; the first has those it names.

    A checkpoint that it names twice gets twice as many seeds, all different.

    Raises:
        BadInput: no fine-tuning is asked for; or several, and a teacher is a file of answers, or a
            model whose fine-tuning is not known here.
    """
    if spec.fine_tunings < 1:
        raise BadInput(f"{spec.fine_tunings} teachers are none.", "Give --teachers 2 or more.")
    if spec.fine_tunings == 1:
        return [spec]
    stride: dict[str, int] = {}
    for teacher in spec.teachers:
        if isinstance(teacher, str) or teacher.stage != "finetune" or teacher.as_it_is:
            name = teacher.split("#")[0] if isinstance(teacher, str) else teacher.run_id
            raise BadInput(
                f"{name} cannot be fine-tuned again with another seed.",
                "Name a checkpoint or a fine-tuning run, or leave --teachers out.",
            )
        stride[_but_seed(teacher)] = stride.get(_but_seed(teacher), 0) + 1
    models = [each for each in spec.teachers if isinstance(each, Recipe)]
    return [
        replace(
            spec,
            teachers=tuple(
                replace(each, seed=each.seed + number * stride[_but_seed(each)]) for each in models
            ),
        )
        for number in range(spec.fine_tunings)
    ]


def _but_seed(teacher: Recipe) -> str:
    return replace(teacher, seed=0).to_json()


def defaults(checkpoint: str) -> tuple[TrainParams, StudentParams]:
    """Return the default training of students, and the default student."""
    _, train, student = recipes.defaults(checkpoint)
    if checkpoint in DEMO_CHECKPOINTS:
        student = student.changed({"layers": DEMO_LAYERS})
    return train, student


def expand_all(spec: ComparisonSpec) -> tuple[ComparisonSpec, dict[str, str]]:
    """Return the request with "all" written out, and the variants that do not fit with reasons."""
    if ALL not in spec.methods:
        return spec, {}
    check_changes(spec)
    named = [name for name in spec.methods if name != ALL]
    left_out = {}
    for name in all_names(len(spec.teachers)):
        try:
            check(spec, parse(name))
        except SparseKDError as reason:
            left_out[name] = str(reason)
    rest = [name for name in all_names(len(spec.teachers)) if name not in left_out]
    names = tuple(dict.fromkeys([*rest, *named]))
    return replace(spec, methods=names), {n: why for n, why in left_out.items() if n not in named}


# --- what fits -------------------------------------------------------------------------------


def check(spec: ComparisonSpec, variant: StudentVariant) -> None:
    """Check that a variant fits teachers and student, before any run starts.

    Raises:
        BadInput: too few teachers, or no room for an assistant; Incompatible: layers that the
            method cannot match, or a student that starts as the variant would.
    """
    card = references.cards().get(spec.task)
    if card and card.regression and variant.params(spec.changes).needs_classes:
        raise Incompatible(
            f"{roles.title(variant.name)}: the labels of {card.name} are numbers, not classes.",
            "Choose a classification task, or another variant.",
        )
    recipes.check_start(recipes.started(spec.student, variant.start), spec.first.run_id)
    matched = variant.params(spec.changes).answer_control == "matched_entropy"
    if matched and variant.source not in ("sparse_teacher", "random_mask"):
        raise BadInput(
            f"{variant.name} matches the entropy of no sparse teacher.",
            "vanilla:matched_entropy, or vanilla:matched_entropy:random_mask",
        )
    number = roles.teacher_number(variant.source)
    if number and number > len(spec.teachers):
        raise BadInput(
            f"{variant.name} needs {number} teachers, not {len(spec.teachers)}.",
            "Name each one: --teacher A --teacher B.",
        )
    if number:
        recipes.check_teachers(variant.card, [spec.references[number - 1]])
    if variant.source == "assistant":
        assistant_shape(spec)
    if variant.source in ("", "dense_and_sparse") and variant.card.most_teachers > 1:
        count = 2 if variant.source else len(spec.teachers)
        recipes.check_teachers(variant.card, [str(place) for place in range(count)])
    _check_layers(spec, variant)


def check_changes(spec: ComparisonSpec) -> None:
    """Check that parameters are changed for known methods, and to usable values.

    Raises:
        NotFound, BadInput: they are not.
    """
    for name in spec.changes:
        if name not in methods.variants():
            raise unknown("method", name, methods.variants())
        parse(name).params(spec.changes)


def _check_layers(spec: ComparisonSpec, variant: StudentVariant) -> None:
    """Check layer counts, as far as they are known before the run."""
    student, teacher = layer_counts(spec, variant)
    card = variant.card
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


def layer_counts(spec: ComparisonSpec, variant: StudentVariant) -> tuple[int | None, int | None]:
    """Return the layers of a variant's student and of its teacher; None where unknown."""
    number = roles.teacher_number(variant.source) or 1
    teacher = _depth(spec.teachers[number - 1])
    student = _student_depth(spec)
    if variant.source == "assistant" and teacher and student:
        shape = assistant_shape(spec)
        teacher = shape.layers if shape.choice in LAYERED else teacher
    return student, teacher


def _student_depth(spec: ComparisonSpec) -> int | None:
    shape = spec.student
    if shape.choice in LAYERED:
        return shape.layers
    if shape.choice == "checkpoint":
        return layers_of(references.model(shape.checkpoint))
    return depth(spec.first)


def _depth(teacher: Recipe | str) -> int | None:
    """Return the layers of a teacher; None of answers, or where unknown."""
    return None if isinstance(teacher, str) else depth(teacher)


def assistant_shape(spec: ComparisonSpec) -> StudentParams:
    """Return the model between teacher and student: like the student, but of middle size.

    Raises:
        BadInput: no size lies between them, or the teacher's size is not known here.

    Source: Mirzadeh et al., AAAI 2020, arXiv 1902.03393; the size half way between is ours.
    """
    shape = spec.student
    if shape.choice == "pruned":
        return shape.changed({"sparsity": shape.sparsity / 2})
    choice = shape.choice if shape.choice in LAYERED else "every"
    if spec.assistant_layers:
        return StudentParams(choice=choice, layers=spec.assistant_layers)
    student, teacher = _student_depth(spec), depth(spec.first)
    if student is None or teacher is None:
        raise BadInput(
            "How many layers lie between teacher and student is not known here.",
            "Set --assistant-layers.",
        )
    if teacher - student < 2:
        raise BadInput(
            f"No assistant fits between a teacher of {teacher} layers and a student of {student}.",
            "Choose a shallower student.",
        )
    return StudentParams(choice=choice, layers=(teacher + student) // 2)
