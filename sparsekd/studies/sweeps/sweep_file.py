"""Trade-off studies declared in a YAML or JSON file, or by the options of the command line."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, field_validator

from sparsekd.catalog import rankings
from sparsekd.catalog.parameters import Params, TrainParams
from sparsekd.catalog.stage_parameters import MaskParams, ScoreParams, StudentParams
from sparsekd.errors import BadInput, NotFound
from sparsekd.runs import references
from sparsekd.runs.records import Recipe
from sparsekd.studies import recipes
from sparsekd.studies.sweeps.label_axes import with_labels
from sparsekd.studies.sweeps.sweep_spec import (
    DEFAULT_LAMBDAS,
    DEFAULT_SEEDS,
    DEFAULT_SPARSITIES,
    RENAMED_CONTROLS,
    SWEEP_CONTROLS,
    SweepSpec,
    check,
)
from sparsekd.studies.teacher_kinds import ANSWER_CONTROLS
from sparsekd.tasks import TaskCard
from sparsekd.tasks.demo import DEMO_CHECKPOINT

ALL_LABELS = "all"
FORMATS = (".yaml", ".yml", ".json")


class SweepFile(Params):
    """A trade-off study: every task with every student, on the same grid.

    Where a list stands, one value may stand alone.
    """

    task: tuple[str, ...] = Field(
        min_length=1, description="Names on the menu, or folders of files."
    )
    teacher: str = Field(
        "", description="Fine-tuning run, local checkpoint or hub id; empty on a demo task."
    )
    methods: tuple[str, ...] = Field(("vanilla",), description="Methods of one teacher.")
    lam: tuple[float, ...] = Field(DEFAULT_LAMBDAS, description="λ to try.")
    sparsity: tuple[float, ...] = Field(
        DEFAULT_SPARSITIES, description="Sparsities to try; 0, the dense teacher, always is."
    )
    seeds: tuple[int, ...] = Field(
        DEFAULT_SEEDS, description="How many seeds, or which: five for a claim."
    )
    controls: tuple[str, ...] = Field(
        SWEEP_CONTROLS,
        description=f"plain: no soft labels; {', '.join(rankings.CONTROLS)}: other masks; "
        f"extreme_lambdas: λ = 0 and λ = 1. By name only: {', '.join(ANSWER_CONTROLS)}.",
    )
    labelled: tuple[int, ...] = Field(
        (),
        description="Gold labels of the students, a fifth of them for selection: one study for "
        "each number; the other texts are unlabelled; 0 or all keeps all. The teacher has all, "
        "unless teacher_train says otherwise.",
    )
    label_noise: tuple[float, ...] = Field(
        (),
        description="Shares of the gold labels that are replaced by another class, of teacher and "
        "students: one study for each. A teacher that is a finished run stays as it is.",
    )
    student: tuple[dict[str, Any], ...] = Field(({},), description="Parameters of each student.")
    train: dict[str, Any] = Field({}, description="Training parameters.")
    teacher_train: dict[str, Any] = Field({}, description="Those of the teacher that differ.")
    score: dict[str, Any] = Field({}, description="How units are scored.")
    mask: dict[str, Any] = Field({}, description="How masks are made, beyond λ and sparsity.")
    set: dict[str, dict[str, Any]] = Field({}, description="Parameters of methods, by method.")

    @field_validator(
        "task", "methods", "lam", "sparsity", "controls", "student", "label_noise", mode="before"
    )
    @classmethod
    def _alone(cls, value: Any) -> Any:
        return [value] if isinstance(value, str | int | float | Mapping) else value

    @field_validator("labelled", mode="before")
    @classmethod
    def _all(cls, value: Any) -> Any:
        values = [value] if isinstance(value, str | int) else value
        return [0 if one == ALL_LABELS else one for one in values]

    @field_validator("controls", mode="after")
    @classmethod
    def _current(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(RENAMED_CONTROLS.get(name, name) for name in names)

    @field_validator("seeds", mode="before")
    @classmethod
    def _counted(cls, value: Any) -> Any:
        return list(range(value)) if isinstance(value, int) and value > 0 else value


def read(path: Path) -> SweepFile:
    """Read a study file.

    Raises:
        NotFound: there is none, or it has an unknown key (with the nearest names);
        BadInput: it cannot be read, or a value is not usable.
    """
    if path.suffix not in FORMATS:
        raise BadInput(f"{path} is no study file.", f"It ends in {', '.join(FORMATS)}.")
    try:
        text = path.read_text(encoding="utf-8")
        values = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except FileNotFoundError as error:
        raise NotFound(f"There is no study file {path}.", "Check the name.") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError, json.JSONDecodeError) as error:
        reason = " ".join(str(error).split())
        raise BadInput(f"{path} cannot be read: {reason}.", "It is YAML or JSON text.") from error
    if not isinstance(values, dict):
        raise BadInput(f"{path} holds no keys.", "Write task, lam, sparsity, seeds … as keys.")
    return SweepFile.of({str(name): value for name, value in values.items()})


def expand(declared: SweepFile, cards: Mapping[str, TaskCard] | None = None) -> list[SweepSpec]:
    """Return one request per task, student, number of labels and label noise.

    `cards` are tasks that are known already.

    Raises:
        SparseKDError: a task, model, method or parameter is not usable; see `check`.
    """
    found = []
    for text in declared.task:
        card = (cards or {}).get(text) or references.task(text)
        teacher = _teacher(declared, card)
        students, student = _defaults(teacher)
        for values in declared.student:
            spec = SweepSpec(
                task=card.name,
                teacher=teacher,
                methods=declared.methods,
                lams=declared.lam,
                sparsities=declared.sparsity,
                seeds=declared.seeds,
                train=students.changed(declared.train),
                student=student.changed(_student(values)),
                score=ScoreParams.of(declared.score),
                mask=MaskParams.of(declared.mask),
                controls=declared.controls,
                changes=declared.set,
            )
            finished = bool(declared.teacher) and references.made(declared.teacher) is not None
            found += with_labels(spec, declared.labelled, declared.label_noise, finished)
    for spec in found:
        check(spec)
    return found


def _teacher(declared: SweepFile, card: TaskCard) -> Recipe:
    """Return a fine-tuning run's recipe, or the fine-tuning of a checkpoint.

    Raises:
        BadInput: none is named and the task has none of its own, or it belongs to another task.
    """
    text = declared.teacher
    if not text and card.origin != "demo":
        raise BadInput(
            f"{card.name} needs a teacher.",
            "Name a fine-tuning run, a local folder or a hub id as teacher.",
        )
    made = references.made(text) if text else None
    if made is None:
        checkpoint = references.model(text or DEMO_CHECKPOINT)
        own, _, _ = recipes.defaults(references.origin(checkpoint))
        train = recipes.teacher_training(own, declared.train, declared.teacher_train)
        return recipes.finetune(card.name, checkpoint, train)
    if made.stage != "finetune":
        raise BadInput(
            f"The teacher {text} is not a fine-tuned one.",
            "Name a dense one: the study makes the sparse ones.",
        )
    if made.task != card.name:
        raise BadInput(f"The teacher {text} learned {made.task}, not {card.name}.", "Name another.")
    return made


def _defaults(teacher: Recipe) -> tuple[TrainParams, StudentParams]:
    """Return the default training of students, and the default student."""
    _, train, student = recipes.defaults(references.origin(teacher.inputs["checkpoint"]))
    return train, student


def _student(values: Mapping[str, Any]) -> dict[str, Any]:
    """Name a checkpoint by its fingerprint, so that a change is noticed."""
    checkpoint = values.get("checkpoint")
    return dict(values) | ({"checkpoint": references.model(checkpoint)} if checkpoint else {})
