"""Recipes: one function for each stage, and how models are trained by default."""

from collections.abc import Mapping, Sequence
from typing import Any

from sparsekd.catalog import rankings
from sparsekd.catalog.method_card import MethodCard
from sparsekd.catalog.methods import find
from sparsekd.catalog.parameters import MethodParams, TrainParams
from sparsekd.catalog.stage_parameters import (
    OF_TEACHER,
    AblateParams,
    AttributeParams,
    ExportParams,
    MaskParams,
    MeasureParams,
    ProbeParams,
    ScoreParams,
    StudentParams,
)
from sparsekd.errors import BadInput, Incompatible
from sparsekd.runs import references, store
from sparsekd.runs.answer_files import is_answers
from sparsekd.runs.records import Recipe
from sparsekd.tasks import class_weights
from sparsekd.tasks.demo import DEMO_CHECKPOINTS, DEMO_STUDENT, DEMO_TEACHERS


def finetune(
    task: str,
    checkpoint: str,
    train: TrainParams,
    seed: int = 0,
    label_order: Sequence[str] = (),
) -> Recipe:
    """Return the fine-tuning of a checkpoint on the task's gold labels: a teacher.

    With 0 epochs the checkpoint is a finished classifier, which becomes the teacher as it is.

    Args:
        label_order: The labels of its outputs in their order, where they have no names.

    Raises:
        Incompatible: class weights for labels that are numbers.
        BadInput: a label order for a model that is trained, or a demo model that is not.
    """
    _check_class_weights(task, train)
    params: dict[str, Any] = {"train": train.values()}
    if train.epochs:
        if label_order:
            raise BadInput(
                "A label order is for a classifier that is used as it is.",
                "Train it for 0 epochs (--epochs 0), or leave --label-order out.",
            )
        return Recipe("finetune", task, "fine_tuning", {"checkpoint": checkpoint}, params, seed)
    if checkpoint in DEMO_CHECKPOINTS:
        raise BadInput(
            f"{DEMO_CHECKPOINTS[checkpoint]} is untrained: it cannot be used as it is.",
            "Train it for at least one epoch (--epochs).",
        )
    # Nothing else plays a part: one classifier is one teacher.
    params = {"train": TrainParams(epochs=0, max_length=train.max_length).values()}
    params |= {"label_order": list(label_order)} if label_order else {}
    return Recipe("finetune", task, "fine_tuning", {"checkpoint": checkpoint}, params)


def _check_trained(train: TrainParams) -> None:
    if not train.epochs:
        raise BadInput("A student is trained for at least one epoch.", "Raise epochs (--epochs).")


def distil(
    task: str,
    method: str,
    teacher: str,
    train: TrainParams,
    method_params: MethodParams,
    student: StudentParams,
    init: str = "",
    seed: int = 0,
    others: Sequence[str] = (),
) -> Recipe:
    """Return the distillation of a student from one teacher or several.

    The student is initialised from `init`, else from `teacher`. A student of a sparse teacher
    starts from the dense one: that is the rewinding. Where the entropy of a sparse teacher is
    matched, the student learns from `init`, the dense one.

    Raises:
        BadInput: too few or too many teachers for the method, or one of them twice; answers for a
            method that reads layers, or nothing for a student of answers to start from; a teacher
            whose pre-trained checkpoint is not known, for a student that starts from that; no
            sparse teacher whose entropy would be matched.
        Incompatible: class weights for labels that are numbers.
    """
    _check_class_weights(task, train)
    _check_trained(train)
    check_teachers(find(method), [teacher, *others])
    if method_params.answer_control == "untrained" and is_answers(teacher):
        raise BadInput(
            f"{teacher.split('#')[0]} holds answers: an untrained model of its shape is unknown.",
            "Choose a teacher with weights, or another control.",
        )
    if not init:
        init = start_of([teacher, *others], student) if is_answers(teacher) else teacher
    check_start(student, init)
    params = {
        "train": train.values(),
        "method": method_params.values(),
        "student": student.values(),
    }
    inputs = {"teacher": teacher, "init": init}
    if method_params.answer_control == "matched_entropy":
        if init == teacher or is_answers(teacher):
            raise BadInput(
                f"{teacher.split('#')[0]} is no sparse teacher, so there is no entropy to match.",
                "Choose a sparse teacher; in a comparison: vanilla:matched_entropy.",
            )
        inputs = {"teacher": init, "init": init, "entropy_of": teacher}
    inputs |= {f"teacher_{number}": name for number, name in enumerate(others, start=2)}
    return Recipe("distil", task, method, inputs, params, seed)


def baseline(
    task: str, name: str, train: TrainParams, method_params: MethodParams, seed: int = 0
) -> Recipe:
    """Return the training of a baseline, on the gold labels that a student of `seed` knows.

    Of the training parameters only those that draw examples and labels, and the weights of the
    classes, decide the result.
    """
    _check_class_weights(task, train)
    values = train.values()
    names = ("train_examples", "labelled", "label_noise", "class_weights")
    drawn = {n: values[n] for n in names if n in values}
    params = {"train": drawn, "method": method_params.values()}
    return Recipe("baseline", task, name, {}, params, seed)


def _check_class_weights(task: str, train: TrainParams) -> None:
    card = references.cards().get(task) if train.class_weights != "none" else None
    if card is not None:
        class_weights.check(card, train.class_weights)


def check_start(student: StudentParams, init: str) -> None:
    """Check that the pre-trained checkpoint of a student that starts from it is known.

    That of a teacher that is only planned is.

    Raises:
        BadInput: it is not; see `references.pretrained`.
    """
    if student.choice == "pretrained" and (":" in init or store.get_many([init])):
        references.pretrained(init)


def started(student: StudentParams, start: Mapping[str, Any]) -> StudentParams:
    """Return the student with the initial weights of a variant, where it has its own.

    Raises:
        Incompatible: the student is not made of its teacher's layers: then nothing tells the two
            apart.
    """
    if start and student.choice not in OF_TEACHER:
        raise Incompatible(
            f"No teacher at all: the student (initial weights: {student.choice}) is not made of "
            "its teacher's layers, so it has no counterpart in the pre-trained checkpoint.",
            f"Leave this control out, or set --student-choice to {', '.join(OF_TEACHER)}.",
        )
    return student.changed(dict(start))


def check_teachers(card: MethodCard, teachers: Sequence[str]) -> None:
    """Check that the method can use this number of teachers.

    A method without teachers ignores the one whose layers its student starts from.

    Raises:
        BadInput: too few or too many, or one of them twice.
    """
    count = len(teachers)
    least, most = max(1, card.least_teachers), max(1, card.most_teachers)
    if not least <= count <= most:
        wanted = f"{least}" if least == most else f"{least} to {most}"
        raise BadInput(
            f"{card.title} learns from {wanted} teacher{'s' if most > 1 else ''}, not {count}.",
            "Name each one: --teacher A --teacher B." if most > 1 else "Choose one teacher.",
        )
    if len(set(teachers)) < count:
        raise BadInput("A teacher is named twice.", "Name different teachers.")
    answers = [name for name in teachers if is_answers(name)]
    if answers and card.reads:
        raise BadInput(
            f"{card.title} reads its teacher's layers; {answers[0].split('#')[0]} has none.",
            "Choose a method that learns from logits, such as vanilla, or a teacher with weights.",
        )


def start_of(teachers: Sequence[str], student: StudentParams) -> str:
    """Return the model that a student starts from: the first teacher's, dense.

    Answers have no layers: then it is the first further teacher that is a model, or the student's
    own checkpoint.

    Raises:
        BadInput: none of these is there.
    """
    models = [name for name in teachers if not is_answers(name)]
    if models:
        return references.dense(models[0])
    if student.choice == "checkpoint" and student.checkpoint:
        return student.checkpoint
    raise BadInput(
        f"{teachers[0].split('#')[0]} holds answers: it has no layers to start a student from.",
        "Name a model with --init, or a checkpoint: --student-choice checkpoint "
        "--student-checkpoint FOLDER.",
    )


def score(task: str, teacher: str, student: str, params: ScoreParams, max_length: int) -> Recipe:
    """Return the scoring of every head and neuron of `teacher` for `student`."""
    inputs = {"teacher": teacher, "student": student}
    return Recipe("score", task, "", inputs, {"score": params.values(), "max_length": max_length})


def prune(
    task: str, teacher: str, scores: str, params: MaskParams, max_length: int, seed: int = 0
) -> Recipe:
    """Return the pruning of the teacher by a mask; `seed` draws a random one.

    Raises:
        BadInput: no heads or no neurons would be left.
    """
    if 1 in (params.sparsity, params.neuron_sparsity):
        raise BadInput("A sparsity of 1 empties every layer.", "Choose a sparsity below 1.")
    inputs = {"teacher": teacher} | ({"scores": scores} if params.kind == "scores" else {})
    values = {"mask": params.values(), "max_length": max_length}
    return Recipe("prune", task, "", inputs, values, seed, variant=params.kind)


def probe(
    task: str, teacher: str, student: str, scores: str, params: ProbeParams, max_length: int
) -> Recipe:
    """Return the evaluation of the masked teacher over λ and sparsity.

    It measures the metrics, and the distance to the trial student.
    """
    inputs = {"teacher": teacher, "student": student, "scores": scores}
    return Recipe("probe", task, "", inputs, {"probe": params.values(), "max_length": max_length})


def export(task: str, model: str, params: ExportParams, mask: str = "") -> Recipe:
    """Return the export of a model, which is first pruned where a mask is named."""
    inputs = {"model": model} | ({"mask": mask} if mask else {})
    values = {"export": params.values()}
    return Recipe("export", task, "", inputs, values, variant=params.format)


def measure(
    task: str, model: str, params: MeasureParams, device: str, mask: str = "", repeat: int = 0
) -> Recipe:
    """Return a measurement of speed and size of a model dense, masked and pruned.

    The device decides the result, so it is part of the recipe. Another `repeat` measures again.
    """
    inputs = {"model": model} | ({"mask": mask} if mask else {})
    values = {"measure": params.values(), "device": device}
    return Recipe("measure", task, "", inputs, values, repeat=repeat)


def ablate(
    task: str,
    teacher: str,
    params: AblateParams,
    max_length: int,
    student: str = "",
    scores: str = "",
) -> Recipe:
    """Return the ablation of each head and of each group of neurons of `teacher`.

    With a student the distance to it is measured too. Scores rank the neurons at `params.lam`;
    without scores `params.ranking` does, which the recipe names where it is not the default.
    """
    given = {"student": student, "scores": scores}
    inputs = {"teacher": teacher} | {role: name for role, name in given.items() if name}
    values = params.values() | ({} if scores else {"lam": AblateParams().lam})
    if scores or params.ranking == AblateParams().ranking:
        del values["ranking"]
    return Recipe("ablate", task, "", inputs, {"ablate": values, "max_length": max_length})


def attribute(task: str, teacher: str, params: AttributeParams, max_length: int) -> Recipe:
    """Return the attribution of the teacher's answers to its heads and neurons."""
    values = params.values()
    if not rankings.find(params.kind).takes_steps:
        values["steps"] = AttributeParams().steps  # it has no steps: the same run whatever they are
    made = {"attribute": values, "max_length": max_length}
    return Recipe("attribute", task, "", {"teacher": teacher}, made, variant=params.kind)


def teacher_training(
    own: TrainParams, students: Mapping[str, Any], teacher: Mapping[str, Any]
) -> TrainParams:
    """Return a teacher's training: its defaults, changed as the students' and then by its own.

    `labelled` is the budget of the students: a teacher keeps all labels, unless its own say
    otherwise. Label noise is part of the data, the same for both.
    """
    shared = {name: value for name, value in students.items() if name != "labelled"}
    return own.changed({**shared, **teacher})


def defaults(checkpoint: str) -> tuple[TrainParams, TrainParams, StudentParams]:
    """Return the default training of teacher and students, and the default student.

    A demo model is trained from scratch and needs a larger learning rate than a checkpoint.
    """
    if checkpoint not in DEMO_CHECKPOINTS:
        return TrainParams(), TrainParams(), StudentParams()
    teacher = TrainParams.of(DEMO_TEACHERS[checkpoint]["train"])
    student = TrainParams.of(DEMO_STUDENT["train"])
    return teacher, student, StudentParams(layers=DEMO_STUDENT["layers"])
