"""Which runs a request needs, in order. StarK is such an order of work, not a loss."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sparsekd.catalog.card import Card
from sparsekd.catalog.methods import find
from sparsekd.catalog.methods.fine_tuning import FineTuningParams
from sparsekd.catalog.methods.vanilla import VanillaParams
from sparsekd.catalog.parameters import Params, TrainParams
from sparsekd.catalog.stage_parameters import (
    AblateParams,
    AttributeParams,
    ExportParams,
    MaskParams,
    MeasureParams,
    ProbeParams,
    ScoreParams,
    StudentParams,
)
from sparsekd.errors import BadInput
from sparsekd.runs.records import Plan, Recipe, Step
from sparsekd.tasks.demo import DEMO_CHECKPOINT, DEMO_CHECKPOINTS, DEMO_STUDENT, DEMO_TEACHERS


def finetune(task: str, checkpoint: str, train: TrainParams, seed: int = 0) -> Recipe:
    """A teacher: a checkpoint trained on the task's gold labels."""
    params = {"train": train.values()}
    return Recipe("finetune", task, "fine_tuning", {"checkpoint": checkpoint}, params, seed)


def distil(
    task: str,
    method: str,
    teacher: str,
    train: TrainParams,
    method_params: Params,
    student: StudentParams,
    init: str = "",
    seed: int = 0,
    others: Sequence[str] = (),
    attempt: int = 0,
) -> Recipe:
    """A student of one teacher or several; its first weights come from `init`, else from `teacher`.

    A student of a sparse teacher starts from the dense one: that is the rewinding. A further
    `attempt` differs in its random draws alone.

    Raises:
        BadInput: too few or too many teachers for the method, or one of them twice.
    """
    check_teachers(find(method), [teacher, *others])
    params = {
        "train": train.values(),
        "method": method_params.values(),
        "student": student.values(),
    }
    inputs = {"teacher": teacher, "init": init or teacher}
    inputs |= {f"teacher_{number}": name for number, name in enumerate(others, start=2)}
    return Recipe("distil", task, method, inputs, params, seed, attempt)


def check_teachers(card: Card, teachers: Sequence[str]) -> None:
    """Refuse a number of teachers that the method cannot use.

    Raises:
        BadInput: with the number it takes. A method without teachers ignores the one whose
            layers its student starts from.
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


def score(task: str, teacher: str, student: str, params: ScoreParams, max_length: int) -> Recipe:
    """Expressiveness and friendliness of every head and neuron of `teacher` for `student`."""
    inputs = {"teacher": teacher, "student": student}
    return Recipe("score", task, "", inputs, {"score": params.values(), "max_length": max_length})


def prune(
    task: str, teacher: str, scores: str, params: MaskParams, max_length: int, seed: int = 0
) -> Recipe:
    """The teacher without the units that a mask removes; `seed` draws a random mask.

    Raises:
        BadInput: nothing would be left of the heads or of the neurons.
    """
    if 1 in (params.sparsity, params.neuron_sparsity):
        raise BadInput("A sparsity of 1 empties every layer.", "Choose a sparsity below 1.")
    inputs = {"teacher": teacher} | ({"scores": scores} if params.kind == "scores" else {})
    values = {"mask": params.values(), "max_length": max_length}
    return Recipe("prune", task, "", inputs, values, seed, variant=params.kind)


def probe(
    task: str, teacher: str, student: str, scores: str, params: ProbeParams, max_length: int
) -> Recipe:
    """The masked teacher's quality and distance to the trial student, over λ and sparsity."""
    inputs = {"teacher": teacher, "student": student, "scores": scores}
    return Recipe("probe", task, "", inputs, {"probe": params.values(), "max_length": max_length})


def export(task: str, model: str, params: ExportParams, mask: str = "") -> Recipe:
    """A model to use elsewhere, first pruned by a kept mask where one is named."""
    inputs = {"model": model} | ({"mask": mask} if mask else {})
    values = {"export": params.values()}
    return Recipe("export", task, "", inputs, values, variant=params.format)


def measure(
    task: str, model: str, params: MeasureParams, device: str, mask: str = "", repeat: int = 0
) -> Recipe:
    """Speed and size of a model dense, masked and pruned; `repeat` asks for a new measurement.

    The device decides the result, so it is part of the recipe.
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
    """Each head, and each group of neurons, of `teacher` removed alone.

    A student adds the distance to it; scores rank the neurons, which else their weights do.
    """
    given = {"student": student, "scores": scores}
    inputs = {"teacher": teacher} | {role: name for role, name in given.items() if name}
    values = params.values() | ({} if scores else {"lam": AblateParams().lam})
    return Recipe("ablate", task, "", inputs, {"ablate": values, "max_length": max_length})


def attribute(task: str, teacher: str, params: AttributeParams, max_length: int) -> Recipe:
    """Attributions of every head and neuron of `teacher`, to be compared with scores."""
    values = params.values()
    if params.kind != "conductance":
        values["steps"] = AttributeParams().steps  # it takes none: the same run whatever is asked
    made = {"attribute": values, "max_length": max_length}
    return Recipe("attribute", task, "", {"teacher": teacher}, made, variant=params.kind)


@dataclass(frozen=True)
class Study:
    """What a StarK study is asked to be: one teacher, one way to make students, several seeds."""

    task: str
    checkpoint: str
    teacher: TrainParams = field(default_factory=TrainParams)
    train: TrainParams = field(default_factory=TrainParams)
    student: StudentParams = field(default_factory=StudentParams)
    method: str = "vanilla"
    method_params: Params = field(default_factory=VanillaParams)
    score: ScoreParams = field(default_factory=ScoreParams)
    mask: MaskParams = field(default_factory=MaskParams)
    seeds: tuple[int, ...] = (0,)
    finetuned: Recipe | None = None
    """A teacher that exists already, instead of fine-tuning `checkpoint`."""


def stark(study: Study) -> Plan:
    """Teacher; then, for each seed, trial student, scores, sparse teacher, student, and controls.

    Every student has the same initialisation, data, budget and number of tries: one. λ and the
    sparsity are given, so the reported data chooses nothing.

    Source: Yang, Zhang, Song, EMNLP 2022, arXiv 2210.03923.
    """
    if not study.seeds:
        raise BadInput("A study needs at least one seed.", "Give --seeds 1 or more.")
    teacher = study.finetuned or finetune(study.task, study.checkpoint, study.teacher)
    steps = [Step("teacher", teacher)]
    for seed in study.seeds:
        steps += _one_seed(study, teacher.run_id, seed)
    mask = study.mask
    title = f"{study.task} · λ {mask.lam:g} · sparsity {mask.sparsity:g} · "
    title += f"{len(study.seeds)} seed{'s' if len(study.seeds) > 1 else ''}"
    return Plan(title, study.task, tuple(steps))


def _one_seed(study: Study, teacher: str, seed: int) -> list[Step]:
    length = study.train.max_length

    def student_of(source: str, method: str, params: Params) -> Recipe:
        return distil(study.task, method, source, study.train, params, study.student, teacher, seed)

    def pruned(kind: str) -> Recipe:
        params = study.mask.model_copy(update={"kind": kind})
        return prune(study.task, teacher, scores.run_id, params, length, seed)

    plain = student_of(teacher, "fine_tuning", FineTuningParams())
    trial = student_of(teacher, study.method, study.method_params)
    scores = score(study.task, teacher, trial.run_id, study.score, length)
    sparse, chance = pruned("scores"), pruned("random")
    return [
        Step("plain_student", plain),
        Step("trial_student", trial),
        Step("scores", scores),
        Step("sparse_teacher", sparse),
        Step("student", student_of(sparse.run_id, study.method, study.method_params)),
        Step("random_mask_teacher", chance),
        Step("random_mask_student", student_of(chance.run_id, study.method, study.method_params)),
    ]


def defaults(checkpoint: str) -> tuple[TrainParams, TrainParams, StudentParams]:
    """How teacher and students are trained unless asked otherwise, and what a student is.

    A demo model, which starts from nothing, needs a larger step size than a checkpoint does.
    """
    if checkpoint not in DEMO_CHECKPOINTS:
        return TrainParams(), TrainParams(), StudentParams()
    teacher = TrainParams.of(DEMO_TEACHERS[checkpoint]["train"])
    student = TrainParams.of(DEMO_STUDENT["train"])
    return teacher, student, StudentParams(layers=DEMO_STUDENT["layers"])


def demo_study(task: str = "demo/sentiment", seeds: tuple[int, ...] = (0,)) -> Study:
    """The whole study on a built-in task, small enough to watch."""
    teacher, student, shape = defaults(DEMO_CHECKPOINT)
    return Study(task, DEMO_CHECKPOINT, teacher, student, shape, seeds=seeds)


def command(plan: Plan) -> str:
    """The command line that repeats a StarK study: only what differs from the defaults."""
    recipes = {step.role: step.recipe for step in reversed(plan.steps)}
    teacher, student = recipes["teacher"], recipes["student"]
    checkpoint = teacher.inputs["checkpoint"]
    own, students, shape = defaults(checkpoint)
    words = ["python", "-m", "sparsekd", "study", "--task", plan.task]
    if checkpoint != DEMO_CHECKPOINT:
        words += ["--teacher", typed(checkpoint)]
    seeds = sorted({step.seed for step in plan.steps if step.role == "student"})
    words += ["--seeds", str(len(seeds))] if len(seeds) > 1 else []
    words += ["--method", student.method] if student.method != "vanilla" else []
    method = find(student.method).params()
    words += options("student-", student.params["student"], shape.values())
    words += options("", recipes["sparse_teacher"].params["mask"], MaskParams().values())
    words += options("", student.params["method"], method.values())
    words += options("", student.params["train"], students.values())
    # What is said of the students is said of the teacher too, unless it has words of its own.
    common = own.changed(changed(student.params["train"], students.values()))
    words += options("teacher-", teacher.params["train"], common.values())
    words += options("score-", recipes["scores"].params["score"], ScoreParams().values())
    return shlex.join(words)


def changed(values: dict[str, Any], usual: dict[str, Any]) -> dict[str, Any]:
    """Those of the values that are not the usual ones."""
    return {name: values[name] for name in usual if values[name] != usual[name]}


def options(prefix: str, values: dict[str, Any], usual: dict[str, Any]) -> list[str]:
    """The words that set what is not as usual."""
    return [
        word
        for name, value in changed(values, usual).items()
        for word in (f"--{prefix}{name.replace('_', '-')}", f"{value}")
    ]


def typed(checkpoint: str) -> str:
    """A stored reference as a person would type it."""
    if checkpoint in DEMO_CHECKPOINTS:
        return checkpoint
    kind, _, rest = checkpoint.partition(":")
    return rest.rpartition("#")[0] if kind == "folder" else rest or checkpoint
