"""Models and files as the command line names them: run ids, folders, hub ids, paths."""

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sparsekd.catalog.parameters import TrainParams
from sparsekd.checkpoints import classifier
from sparsekd.cli.output import note
from sparsekd.errors import BadInput, NotFound
from sparsekd.runs import answer_files, references, store
from sparsekd.runs.records import Run, Stage
from sparsekd.system.files import disk_error
from sparsekd.tasks import TaskCard
from sparsekd.tasks.demo import DEMO_CHECKPOINT

LABEL_ORDER_HELP = (
    "labels of the outputs of a classifier without names (LABEL_0 …), in their order, with commas "
    "(default: the task's order)"
)
FILES: dict[Stage, str] = {"score": "scores.npz", "attribute": "scores.npz"}
FILES |= {"prune": "mask.npz", "ablate": "ablation.npz"}


def start_checkpoint(text: str | None, card: TaskCard) -> str:
    """Return the reference of the checkpoint to fine-tune; of a demo task it need not be named.

    Raises:
        BadInput: none is named and the task has none of its own.
    """
    if text:
        return references.model(text)
    if card.origin != "demo":
        raise BadInput(
            f"{card.name} needs a checkpoint to start from.",
            "Name a local folder or a hub id with --teacher (finetune: --checkpoint).",
        )
    return DEMO_CHECKPOINT


def label_names(text: str) -> tuple[str, ...]:
    """Return the labels that --label-order names."""
    return tuple(name.strip() for name in text.split(",")) if text else ()


def note_assumption(reference: str, card: TaskCard, label_order: Iterable[str] = ()) -> str:
    """Print and return which order of labels is assumed of a model from outside; else empty."""
    found = None if tuple(label_order) else references.inspected(reference)
    words = classifier.assumption(found.labels[0], card) if found and found.outputs else ""
    if words:
        note(words)
    return words


def check_answers(teachers: Iterable[str], card: TaskCard, train: TrainParams) -> None:
    """Read the teachers that are answers now, so that what is wrong is said before a run starts.

    Raises:
        BadInput: they do not fit the task's training texts.
    """
    names = [name for name in teachers if answer_files.is_answers(name)]
    if not names:
        return
    from sparsekd.stages import inputs

    for name in names:
        logits = inputs.training_logits(name, card, train, "cpu")
        note(f"{name.split('#')[0]}: answers for {len(logits):,} training texts")


def student_values(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the given student parameters; a checkpoint is stored with its fingerprint."""
    values = dict(given)
    if values.get("checkpoint"):
        values["checkpoint"] = references.model(values["checkpoint"])
    return values


def run_of(text: str, *stages: Stage) -> Run:
    """Return the run with an id or its first letters.

    Raises:
        NotFound: there is none; BadInput: it is of another stage.
    """
    run = store.get(text)
    if run.recipe.stage not in stages:
        wanted = " or ".join(stages)
        raise BadInput(
            f"Run {run.id} is a {run.recipe.stage} run, not {wanted}.",
            "Name another one: python -m sparsekd runs list",
        )
    return run


def file_of(text: str, *stages: Stage, name: str = "") -> Path:
    """Return a file by its path, or the one that a run of these stages has left.

    Args:
        name: Of the run's file, where it is not the usual one of its stage.

    Raises:
        NotFound, BadInput: neither a file nor such a run.
    """
    path = Path(text)
    if path.exists() or path.suffix or "/" in text:
        return path
    run = run_of(text, *stages)
    found = run.folder / (name or FILES[run.recipe.stage])
    if not found.exists():
        raise NotFound(f"Run {run.id} has left no {found.name}.", f"It is {run.state}.")
    return found


def copy_out(source: Path, target: Path) -> None:
    """Copy a run's file or folder to where --out names it.

    Raises:
        Unavailable: it cannot be written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            shutil.copyfile(source, target)
    except OSError as error:
        raise disk_error(target, error) from error
