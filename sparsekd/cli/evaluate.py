"""The command `evaluate`: one model on one split, class by class, and beside its teacher."""

from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import Field
from tqdm import tqdm

from sparsekd.cli.models import LABEL_ORDER_HELP, label_names, note_assumption
from sparsekd.cli.options import DeviceRequest
from sparsekd.cli.output import note, output, table_text
from sparsekd.cli.scores import MAX_LENGTH, MODEL_HELP
from sparsekd.cli.tasks import TaskRequest
from sparsekd.errors import BadInput
from sparsekd.runs import jobs, references
from sparsekd.runs.outputs import Outputs
from sparsekd.studies.agreement import example_agreement
from sparsekd.system.files import atomic_write
from sparsekd.tasks import TaskCard, agreement, calibration, classes, label_orders, majority
from sparsekd.tasks.labels import is_labelled, label_values


class EvaluateRequest(DeviceRequest, TaskRequest):
    """One evaluation."""

    model: str = Field(description=MODEL_HELP)
    label_order: str = Field("", description=LABEL_ORDER_HELP)
    split: str = Field(
        "validation", description="train, selection, validation, or test, a file that no run reads"
    )
    max_length: int = Field(MAX_LENGTH, description="tokens kept of a text")
    teacher: str | None = Field(None, description="a model to say how far this one agrees with it")
    examples: Path | None = Field(
        None, description="csv file for every text with both answers; needs --teacher"
    )


def evaluate(request: EvaluateRequest) -> None:
    """Evaluate one model on one split: metrics, calibration, each class, and its teacher beside it.

    Raises:
        BadInput: --examples without --teacher.
    """
    if request.examples and not request.teacher:
        raise BadInput("--examples compares two models.", "Name the other one with --teacher.")
    card = request.card()
    jobs.check_device(request.device)
    order = label_names(request.label_order)
    assumed = note_assumption(references.model(request.model), card, order)
    metrics, kept = _evaluate(request, card, request.model, order)
    loss = metrics.pop("loss")
    facts = {
        "task": card.name,
        "split": request.split,
        "metrics": metrics,
        "loss": loss,
        "examples": len(kept[1]),
    }
    text = " ".join(f"{name} {value:.4f}" for name, value in metrics.items())
    text += f" loss {loss:.4f} on {len(kept[1])} examples of {request.split}"
    more, words = _answers(card, kept)
    found, line, warning = _majority(card, request.split, kept)
    more, words = more | found, f"{line}\n{words}"
    if request.teacher:
        _, of_teacher = _evaluate(request, card, request.teacher)
        found, line = _beside_teacher(card, of_teacher, kept)
        more, words = more | found, f"{words}\n{line}"
        if request.examples:
            _write_examples(request, card, of_teacher, kept, request.examples)
    output(request, facts | more, f"{text}\n{words}".rstrip())
    if warning:
        note(f"Warning: {warning}")
    if warning and assumed and card.kind == "classes":
        note(_better_order(card, kept))


def _better_order(card: TaskCard, kept: Outputs) -> str:
    """Return the order of labels that the answers fit best, where it is not the assumed one."""
    found, accuracy = label_orders.best_order(card, *kept)
    if found == card.labels:
        return "No other order of the labels is more accurate on these texts."
    return f"With --label-order {','.join(found)} the accuracy would be {accuracy:.4f}."


def _evaluate(
    request: EvaluateRequest, card: TaskCard, name: str, order: tuple[str, ...] = ()
) -> tuple[dict[str, float], Outputs]:
    """Return a model's metrics with its answers, under a progress bar."""
    from sparsekd.stages.folders import evaluate_model

    model = references.model(name)
    device = jobs.devices()[0].name if request.device == "auto" else request.device
    with tqdm(total=1.0, leave=False, disable=None, bar_format="{bar} {percentage:3.0f}%") as bar:

        def on_progress(event: dict[str, int]) -> None:
            bar.update(event["done"] / event["total"] - bar.n)

        return evaluate_model(
            model, card, request.split, request.max_length, device, on_progress, order
        )


def _answers(card: TaskCard, kept: Outputs) -> tuple[dict[str, Any], str]:
    """Return calibration and classes of the answers, also as text; a regression has none."""
    if card.regression:
        return {}, ""
    sure, correct = calibration.confidences(card, *kept)
    error, chance = calibration.error(sure, correct), calibration.chance_error(sure)
    table = classes.by_class(card, *kept)
    facts = {
        "calibration": {"error": error, "chance": chance, "confidence": float(sure.mean())},
        "classes": table.to_dict("records"),
    }
    words = f"calibration error {error:.4f} (of a perfectly calibrated model: {chance:.4f})"
    return facts, f"{words}\n{table_text(table)}"


def _majority(card: TaskCard, split: str, kept: Outputs) -> tuple[dict[str, Any], str, str]:
    """Return the majority baseline's metrics, the model beside it as text, and a warning."""
    from sparsekd.data import load

    means = majority.label_means(card, label_values(load(card)["train"]["label"]))
    rows = is_labelled(kept[1])
    answers, labels = kept[0][rows], kept[1][rows]
    found = majority.standing(card, means, answers, labels)
    warning = found.warning(card.kind)
    facts = {
        "majority": majority.scores(card, means, labels),
        "warnings": [warning] if warning else [],
    }
    return facts, found.in_words(card, means, split) if len(means) else "", warning


def _beside_teacher(card: TaskCard, teacher: Outputs, kept: Outputs) -> tuple[dict[str, Any], str]:
    """Return the agreement with a teacher, in all and by class, and the same as text."""
    found = agreement.agreement(card, teacher[0], *kept)
    table = agreement.by_class(card, teacher[0], *kept)
    words = ", ".join(f"{name} {value:.4f}" for name, value in found.items() if value == value)
    words = f"with the teacher: {words}"
    facts = {"agreement": found, "agreement_by_class": table.to_dict("records")}
    return facts, f"{words}\n{table_text(table)}" if len(table) else words


def _write_examples(
    request: EvaluateRequest, card: TaskCard, teacher: Outputs, kept: Outputs, path: Path
) -> None:
    """Write every example with both answers; the first is the teacher's."""
    from sparsekd.data import load_split

    texts = load_split(card, request.split)
    table: pd.DataFrame = example_agreement(card, teacher, kept, texts)
    atomic_write(path, lambda beside: table.to_csv(beside, index=False))
