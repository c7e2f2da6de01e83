"""The commands `finetune` and `distil`: one teacher, one student."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from sparsekd.catalog.methods import find
from sparsekd.catalog.parameters import TrainParams
from sparsekd.catalog.stage_parameters import StudentParams
from sparsekd.cli.models import (
    LABEL_ORDER_HELP,
    check_answers,
    copy_out,
    label_names,
    start_checkpoint,
    student_values,
)
from sparsekd.cli.options import DeviceRequest, MethodParams, Repeated, Student, Train
from sparsekd.cli.output import note, output, run_facts
from sparsekd.cli.progress import metrics_text, run_one
from sparsekd.cli.study import METHOD_HELP
from sparsekd.cli.tasks import TaskRequest
from sparsekd.runs import references
from sparsekd.runs.records import Run
from sparsekd.studies import majority, recipes, teacher_choices
from sparsekd.tasks import TaskCard
from sparsekd.tasks.demo import DEMO_CHECKPOINTS


class TrainRequest(DeviceRequest, TaskRequest):
    """A request that trains one model."""

    seed: int = Field(0, description="seed of weights, order and dropout")
    out: Path | None = Field(None, description="also copy the model to this folder")
    train: Train = Field({})


class FinetuneRequest(TrainRequest):
    """One teacher."""

    checkpoint: str | None = Field(
        None,
        description=f"local folder or hub id; demo tasks also: {', '.join(DEMO_CHECKPOINTS)}",
    )
    label_order: str = Field("", description=LABEL_ORDER_HELP)


class DistilRequest(TrainRequest):
    """One student."""

    teacher: Annotated[tuple[str, ...], Repeated] = Field(
        description="run id or folder of a trained model, or a file of answers (see: predict); "
        "again for each further teacher"
    )
    init: str | None = Field(
        None,
        description="model whose layers the student gets (default: the first teacher's, dense); "
        "a student of answers needs it, or --student-choice checkpoint",
    )
    method: str = Field("vanilla", description=METHOD_HELP)
    student: Student = Field({})
    method_params: MethodParams = Field({})


def finetune(request: FinetuneRequest) -> None:
    """Fine-tune a checkpoint: the teacher; with --epochs 0 a classifier as it is."""
    card = request.card()
    checkpoint = start_checkpoint(request.checkpoint, card)
    defaults, _, _ = recipes.defaults(references.origin(checkpoint))
    train = defaults.changed(dict(request.train))
    order = label_names(request.label_order)
    recipe = recipes.finetune(card.name, checkpoint, train, request.seed, order)
    _print(request, card, run_one(recipe, request.device))


def distil(request: DistilRequest) -> None:
    """Train a student of a dense or sparse teacher, or of several."""
    card = request.card()
    method = find(request.method)
    teacher, *others = (references.teacher(text, card) for text in request.teacher)
    recipes.check_teachers(method, [teacher, *others])
    values = student_values(request.student)
    init = (
        references.model(request.init)
        if request.init
        else recipes.start_of([teacher, *others], StudentParams.of(values))
    )
    _, students, student = recipes.defaults(references.origin(init))
    recipe = recipes.distil(
        card.name,
        method.name,
        teacher,
        students.changed(dict(request.train)),
        method.params.of(dict(request.method_params)),
        student.changed(values),
        init,
        request.seed,
        others,
    )
    check_answers(recipe.teachers, card, TrainParams.of(recipe.params["train"]))
    _print(request, card, run_one(recipe, request.device))


def _print(request: TrainRequest, card: TaskCard, run: Run) -> None:
    model = run.folder / "model"
    if request.out:
        copy_out(model, request.out)
    lines = [f"Run {run.id}: {metrics_text(run)}; model in {request.out or model}"]
    lines += [majority.quality_in_words(run, card, split) for split in card.validation]
    lines.append(teacher_choices.in_words(run.outcome.facts))
    about = majority.facts(run, card)
    output(request, run_facts(run) | about, "\n".join(line for line in lines if line))
    for warning in about["warnings"]:
        note(f"Warning: {warning}")
