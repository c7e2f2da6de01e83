"""The command `predict`: a model's answers for any texts, row by row."""

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
from pydantic import Field
from tqdm import tqdm

from sparsekd.catalog.parameters import TrainParams
from sparsekd.cli.models import note_assumption
from sparsekd.cli.options import DeviceRequest, Repeated
from sparsekd.cli.output import note, output
from sparsekd.cli.scores import MAX_LENGTH, MODEL_HELP
from sparsekd.cli.tasks import describe
from sparsekd.errors import BadInput, Cancelled, Incompatible
from sparsekd.runs import jobs, references
from sparsekd.runs.records import Recipe
from sparsekd.system.wording import counted
from sparsekd.tasks import TaskCard
from sparsekd.tasks.answers import chunks, writing
from sparsekd.tasks.answers.chunks import RowChunks
from sparsekd.tasks.columns import check_columns, text_columns

STREAM = "-"


class PredictRequest(DeviceRequest):
    """One model, and the texts that it answers."""

    model: str = Field(description=f"{MODEL_HELP}, or hub:<id>")
    task: str | None = Field(
        None,
        description="task whose labels and text columns count (default: that of the model's run); "
        "without --input, its own texts are answered",
    )
    input: str | None = Field(
        None,
        description="parquet, csv, tsv or jsonl file, or - for standard input: a text per line, or "
        "JSON objects; of other columns than the texts, row and id are passed on",
    )
    text_column: Annotated[tuple[str, ...], Repeated] = Field(
        (), description="text column of the input, where not inferred; twice for pairs"
    )
    split: str = Field(
        "training",
        description="without --input: train, selection, both of them (training), validation … or "
        "all",
    )
    train_examples: int = Field(
        0, ge=0, description="of the split train, what a student is trained on; 0 = all"
    )
    out: str = Field(description="parquet, csv or jsonl file, or - for JSON objects on output")
    without_logits: bool = Field(
        False,
        description="leave out the logits: a student of such answers is that of the model only up "
        "to rounding",
    )
    max_length: int | None = Field(
        None, description=f"tokens kept of a text (default: as the model's run, else {MAX_LENGTH})"
    )


def predict(request: PredictRequest) -> None:
    """Write a model's answer for each row: label, probabilities and logits.

    Raises:
        Cancelled: it was interrupted; then no file is written.
    """
    _check(request)
    answering = Answering(request)
    start = time.monotonic()
    try:
        answering.write()
    except KeyboardInterrupt as stop:
        kept = "" if request.out == STREAM else f" {request.out} is not written."
        raise Cancelled(f"Stopped after {answering.rows:,} rows.{kept}") from stop
    seconds = time.monotonic() - start
    speed = answering.rows / max(seconds, 1e-9)
    rows = counted(answering.rows, "row")
    text = f"{rows} in {seconds:.1f} s ({speed:,.0f} rows/s) in {request.out}"
    if request.out == STREAM:
        note(text)
    else:
        facts = {"out": request.out, "rows": answering.rows, "seconds": seconds}
        output(request, facts, text)


def _check(request: PredictRequest) -> None:
    if request.out == STREAM and request.as_json:
        raise BadInput("--json and --out - both want standard output.", "Give one of the two.")
    if request.out != STREAM:
        writing.check_format(Path(request.out))
    if request.input is None and request.task is None:
        raise BadInput("There is nothing to answer.", "Name texts with --input, or a --task.")
    if request.input is None and request.text_column:
        raise BadInput("--text-column is for --input.", "A task has its columns already.")


class Answering:
    """A model's answers for a file or for a task's texts; `rows` counts those written."""

    def __init__(self, request: PredictRequest) -> None:
        self.request, self.rows = request, 0
        self.model = references.model(request.model)
        made = references.made(request.model)
        task = request.task or (made.task if made else None)
        self.card = references.task(task) if task else None
        if self.card:
            note(describe(self.card))
            note_assumption(self.model, self.card)
        self.max_length = request.max_length or _length(made)
        jobs.check_device(request.device)
        self.device = jobs.devices()[0].name if request.device == "auto" else request.device

    def write(self) -> None:
        """Write the answers as they come, with a bar on a terminal."""
        with (
            self._opened() as source,
            tqdm(unit=" rows", leave=False, disable=None, smoothing=0.05) as bar,
        ):
            frames = self._of_task(bar) if source is None else self._of_rows(source, bar)
            if self.request.out == STREAM:
                writing.write_lines(sys.stdout, self._counted(frames))
            else:
                writing.write_file(Path(self.request.out), self._counted(frames))

    def _opened(self) -> AbstractContextManager[RowChunks | None]:
        if self.request.input is None:
            return nullcontext()
        if self.request.input == STREAM:
            return nullcontext(chunks.open_stream(sys.stdin.buffer))
        return chunks.open_file(Path(self.request.input))

    def _counted(self, frames: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for frame in frames:
            yield frame
            self.rows += len(frame)

    def _of_rows(self, source: RowChunks, bar: "tqdm[Any]") -> Iterable[pd.DataFrame]:
        from sparsekd.stages import predictions

        texts = _texts(source, self.request.text_column, self.card)

        def on_rows(done: int) -> None:
            share = source.share()
            bar.total = source.total or (round(done / share) if share else None)
            bar.update(done - bar.n)

        predictor = predictions.Predictor.load(self.model, self.card, self.max_length, self.device)
        with_logits = not self.request.without_logits
        return predictions.of_rows(predictor, source, texts, with_logits, on_rows)

    def _of_task(self, bar: "tqdm[Any]") -> Iterable[pd.DataFrame]:
        from sparsekd.stages import predictions

        values = {"max_length": self.max_length, "train_examples": self.request.train_examples}

        def on_progress(event: dict[str, int]) -> None:
            bar.total = event["total"]
            bar.update(event["done"] - bar.n)

        return predictions.of_task(
            self.model,
            references.task(self.request.task or ""),
            self.request.split,
            TrainParams.of(values),
            self.device,
            not self.request.without_logits,
            on_progress,
        )


def _length(made: Recipe | None) -> int:
    """Return the length that a run read its texts at; the default of any other model."""
    params = made.params if made else {}
    return int(params.get("max_length") or params.get("train", {}).get("max_length", MAX_LENGTH))


def _texts(source: RowChunks, named: Sequence[str], card: TaskCard | None) -> tuple[str, ...]:
    """Return the text columns of the input: those named, those of the task, or inferred ones.

    Raises:
        NotFound: one is missing; Incompatible: one text where the task has two, or two for one.
    """
    if named:
        check_columns(source.columns, named, source.name)
        found = tuple(named)
    elif card and set(card.text) <= set(source.columns):
        found = card.text
    else:
        found = text_columns(source.columns)
    if card and len(found) != len(card.text):
        raise Incompatible(
            f"{source.name} has {' and '.join(found)}, an example of {card.name} "
            f"{' and '.join(card.text)}.",
            "Name the columns with --text-column, twice for pairs; on standard input, pairs are "
            "JSON objects.",
        )
    return found
