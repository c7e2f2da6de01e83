"""Tasks on the command line: the options that name one, and the command `tasks`."""

from typing import Annotated, Literal

from pydantic import Field

from sparsekd.cli.options import Option, Repeated, Request
from sparsekd.cli.output import note, output, table_text
from sparsekd.errors import BadInput
from sparsekd.runs import overlaps as overlap_records
from sparsekd.runs import references
from sparsekd.tasks import TASKS, TaskCard, demo, overlaps
from sparsekd.tasks.cards import BY_COLUMN, BY_TEXT
from sparsekd.tasks.files import SHARE
from sparsekd.tasks.glue import GROUPED
from sparsekd.tasks.groups import CHANCE
from sparsekd.tasks.metrics import METRICS
from sparsekd.tasks.overlaps import EXAMPLES, Overlap
from sparsekd.tasks.summary import label_words, reading_words, selection_words

SHOWN = 20  # labels in words
Selection = Literal["plain", "grouped"]
SELECTIONS: dict[Selection, str] = {"plain": "", "grouped": BY_TEXT}


class ColumnsRequest(Request):
    """The columns and the metric of a folder's files, where they are not inferred."""

    text_column: Annotated[tuple[str, ...], Repeated] = Field(
        (), description="text column of a folder's files, where not inferred; twice for pairs"
    )
    label_column: Annotated[tuple[str, ...], Repeated] = Field(
        (),
        description="label column, where not inferred; again for each label where several labels "
        "for each text have a column of 0 and 1 each",
    )
    metric: str | None = Field(None, description=f"one of {', '.join(METRICS)}")
    leak: bool = Field(False, description="accept validation texts among the unlabelled ones")
    selection: Selection | None = Field(
        None,
        description="how the selection split is drawn: row by row (plain), or in groups of texts "
        "that contain one another or are shared (grouped); another split is another task. "
        "Default: plain; of a folder, grouped where over 5% of a plain one overlaps with training",
    )
    validation_share: float = Field(
        0.0,
        description="share of a folder's labelled training rows that is held out as its validation "
        f"split, where it has no file for one, such as {SHARE:g}; another share is another task",
    )
    group_column: str | None = Field(
        None, description="column of a folder's train file whose equal values are one group"
    )

    def card_of(self, task: str) -> TaskCard:
        """Return the card of a task by its name or folder."""
        return references.task(
            task,
            self.text_column or None,
            self.label_column or None,
            self.metric,
            self.leak,
            self._groups(),
            self.validation_share,
        )

    def _groups(self) -> str | None:
        if self.group_column is None:
            return None if self.selection is None else SELECTIONS[self.selection]
        if self.selection == "plain":
            raise BadInput(
                "--group-column stands beside --selection plain.", "Give one of the two."
            )
        return f"{BY_COLUMN}{self.group_column}"


class TaskRequest(ColumnsRequest):
    """A request about one task."""

    task: str = Field(description="name of a task (see: tasks), or a folder of files")

    def card(self) -> TaskCard:
        """Return the task's card, and print how the task is read."""
        card = self.card_of(self.task)
        note(describe(card))
        warning = overlap_records.warning(card)
        if warning:
            note(warning)
        return card


class TasksRequest(ColumnsRequest):
    """All tasks, or one."""

    name: Annotated[str, Option("<name>", {"nargs": "?"})] = Field(
        "", description="one task or folder, as a run would read it"
    )


def tasks(request: TasksRequest) -> None:
    """List the tasks, or show one as a run would read it."""
    if request.name:
        card = request.card_of(request.name)
        if card.origin == "demo":
            demo.generate(card.name)  # a grammar that is too small fails here
        found = overlap_records.of_task(card)
        rows = None if found is None else [each.to_json() for each in found]
        text = f"{describe(card)}\n\n{describe_overlaps(card, found)}{describe_twin(card)}"
        output(request, card.to_json() | {"overlaps": rows}, text)
        return
    cards = references.cards()
    lines = [f"{name:28} {card.title} ({', '.join(card.metrics)})" for name, card in cards.items()]
    output(request, [card.to_json() for card in cards.values()], "\n".join(lines))


def describe(card: TaskCard) -> str:
    """Return the columns, classes and metrics of a task in one line, and how its files are read."""
    labels = ", ".join(card.labels[:SHOWN]) or "a number"
    labels += f" and {card.classes - SHOWN:,} more" if card.classes > SHOWN else ""
    what = f"any of {labels}" if card.multilabel else labels
    return (
        f"Task {card.name}: text {' + '.join(card.text)}, label {label_words(card)} ({what}), "
        f"metric {', '.join(card.metrics)}"
        + (f"; {card.unlabelled:,} training texts have no label" if card.unlabelled else "")
        + (f"; selection split: {selection_words(card)}" if card.groups else "")
        + "".join(f"\n  {words}" for words in reading_words(card))
    )


def describe_overlaps(card: TaskCard, found: list[Overlap] | None) -> str:
    """Return how much of each split overlaps with training, with examples."""
    if found is None:
        return "Overlap with training: computed by the first run, which reads the data."
    shown = overlaps.table(found).assign(share=[f"{each.share:.1%}" for each in found])
    lines = [f"Overlap with training (short: texts of under {CHANCE} words):", table_text(shown)]
    lines += [
        f"{each.split}: {text!r} {overlaps.KINDS[kind]}"
        + (f": {training!r}" if training != text else "")
        for each in found
        for kind, text, training in each.examples[:EXAMPLES]
    ]
    return "\n".join([*lines, overlaps.sentence(card, found)]).strip()


def describe_twin(card: TaskCard) -> str:
    """Return the name of the same task with groups kept together; empty where it has none."""
    twin = f"{card.name}{GROUPED}"
    if twin not in TASKS:
        return ""
    return f"\n\n{twin} is the same task with related texts kept together in its selection split."
