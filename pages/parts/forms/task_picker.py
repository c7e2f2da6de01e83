"""A choice of the task, and a preview of its data."""

import json
from pathlib import Path

import streamlit as st

from pages.parts.shell import frame, url_state
from sparsekd.errors import BadInput
from sparsekd.runs import overlaps as overlap_records
from sparsekd.runs import references, uploads
from sparsekd.tasks import TASKS, TaskCard, files, overlaps, summary
from sparsekd.tasks.cards import BY_COLUMN, BY_TEXT
from sparsekd.tasks.groups import CHANCE
from sparsekd.tasks.metrics import METRICS
from sparsekd.tasks.summary import Splits

BUILT_IN, HUB, REGISTERED = "Built-in demo", "GLUE from the hub", "My folders"
TYPED, UPLOADED = "A folder on this machine", "Upload files"
SHARES = (0.1, files.SHARE, 0.3)
ORIGINS = {"demo": BUILT_IN, "hub": HUB, "folder": REGISTERED}


def choose_task() -> TaskCard | None:
    """Draw the choice of a task, and return its card; None while the choice is open."""
    menu = references.cards()
    wanted = url_state.read().task
    origins = [BUILT_IN, HUB, REGISTERED, UPLOADED]
    if frame.is_local_only():
        origins.insert(3, TYPED)
    start = ORIGINS[menu[wanted].origin] if wanted in menu else BUILT_IN
    origin = st.pills(
        "Source of the task", origins, default=start, required=True, key="task.origin"
    )
    if origin == TYPED:
        return _choose_folder()
    if origin == UPLOADED:
        return _upload_files()
    names = [name for name, card in menu.items() if ORIGINS[card.origin] == origin]
    if not names:
        st.caption("No folder is registered yet: name one, or upload files.")
        return None
    key = f"task.name.{origin}"
    if key not in st.session_state and wanted in names:
        st.session_state[key] = wanted
    name = st.selectbox("Task", names, format_func=lambda name: menu[name].title, key=key)
    url_state.write(task="" if name == next(iter(TASKS)) else name)
    chosen: TaskCard = menu[name]
    return _choose_columns(chosen.location, chosen) if chosen.origin == "folder" else chosen


def _choose_folder() -> TaskCard | None:
    text = st.text_input(
        "Folder",
        key="task.folder",
        placeholder="/data/my-task",
        help="With a train and a validation file: parquet, csv, tsv, jsonl, json, also .gz.",
    ).strip()
    if not text:
        st.caption("Name a folder with a train file, and a validation file where there is one.")
        return None
    return _choose_columns(text)


def _upload_files() -> TaskCard | None:
    """Draw two uploads, and return the task that they make."""
    limit = uploads.MAX_BYTES >> 20
    left, right = st.columns(2)
    given = {
        split: place.file_uploader(
            f"{split.capitalize()} file",
            list(files.TASK_KINDS),
            key=f"task.{split}",
            max_upload_size=limit,
            help=f"At most {limit} MB.",
        )
        for split, place in (("train", left), ("validation", right))
    }
    contents = {
        split: (file.name, file.getvalue()) for split, file in given.items() if file is not None
    }
    if "train" not in contents:
        st.caption("Upload a train file: one text column or two, and a label column.")
        return None
    return _choose_columns(uploads.keep_uploads(contents))


def _choose_columns(location: str, card: TaskCard | None = None) -> TaskCard | None:
    """Draw columns and metric of a folder's task, and return the task with these.

    None while the folder has no validation file and no share of train is chosen instead.

    Raises:
        SparseKDError: the files are not usable, or the columns are ambiguous and not chosen.
    """
    columns = _column_names(location)
    share = card.validation_share if card else _choose_share(location)
    if share is None:
        return None
    trouble = None
    if card is None:
        try:
            card = references.task(location, validation_share=share)
        except BadInput as error:  # the visitor chooses the columns instead
            trouble = error
    texts, labels, metric, groups = _draw_columns(location, columns, card)
    same = card and (texts, labels) == (card.text, card.label_columns)
    if card and same and metric is None and groups == card.groups:
        return card
    if trouble and not (texts and labels):
        raise trouble
    if not texts:
        raise BadInput("No text column is chosen.", "Choose one, or two for a pair.")
    return references.task(
        location, texts, labels or None, metric, groups=groups, validation_share=share
    )


def _choose_share(location: str) -> float | None:
    """Draw the share of train that is held out where there is no validation file.

    None while it is not chosen, 0 where there is a file.
    """
    if files.has_validation(Path(location).expanduser()):
        return 0.0
    return st.pills(
        "No validation file: share of the labelled training rows to hold out for validation",
        SHARES,
        format_func=lambda share: f"{share:.0%}",
        key=f"task.{location}.share",
        help="Drawn with seed 0, by class where there are enough rows; another share is another "
        "task.",
    )


def _draw_columns(
    location: str, columns: list[str], card: TaskCard | None
) -> tuple[tuple[str, ...], tuple[str, ...], str | None, str | None]:
    key = f"task.{location}.{card.name if card else ''}"
    with st.expander(
        "Columns, metric and selection split", icon=":material/view_column:", expanded=card is None
    ):
        left, middle, right = st.columns(3)
        texts = left.multiselect(
            "Text columns",
            columns,
            card.text if card else None,
            max_selections=2,
            key=f"{key}.text",
            help="One, or two for a pair of texts that are read together.",
        )
        labels = middle.multiselect(
            "Label columns",
            columns,
            card.label_columns if card else None,
            key=f"{key}.label",
            help="One; or a column of 0 and 1 for each label, where a text may have several.",
        )
        metric = right.selectbox(
            "Metric",
            [None, *METRICS],
            key=f"{key}.metric",
            format_func=lambda name: METRICS[name].title if name else "what fits the labels",
            help="Used for early stopping. A correlation makes the task a regression.",
        )
        splits = ["", BY_TEXT, *(f"{BY_COLUMN}{name}" for name in columns)]
        groups = st.selectbox(
            "Selection split",
            splits if card else [None, *splits],
            splits.index(card.groups) if card else 0,
            key=f"{key}.groups",
            format_func=_split_title,
            help="Whole groups keep phrases of one sentence, pairs with one premise, or rows of "
            "one value together, so that choices cannot favour memory. Another split is another "
            "task.",
        )
    return tuple(texts), tuple(labels), metric, groups


def _split_title(groups: str | None) -> str:
    if groups is None:
        return "what fits the texts"
    if groups.startswith(BY_COLUMN):
        return f"whole groups of equal {groups.removeprefix(BY_COLUMN)}"
    return "whole groups of texts" if groups else "row by row"


@st.cache_data(max_entries=16, show_spinner=False)
def _column_names(location: str) -> list[str]:
    return summary.column_names(location)


# --- preview ---------------------------------------------------------------------------------


def read_splits(card: TaskCard) -> Splits | None:
    """Return the task's rows by split, cached; None where the hub provides them later."""
    return _read_splits(json.dumps(card.to_json(), sort_keys=True))


@st.cache_data(max_entries=8, show_spinner="Reading the task …")
def _read_splits(card: str) -> Splits | None:
    return summary.read_splits(TaskCard.from_json(json.loads(card)))


def draw_preview(card: TaskCard) -> None:
    """Draw columns, labels, metrics, sizes and sample rows of a task."""
    splits = read_splits(card)
    facts = summary.facts(card, splits)
    lines = [f"**{name}** {frame.plain(words)}" for name, words in facts.items()]
    st.markdown("  \n".join(lines))
    if splits is None:
        st.caption("The rows are downloaded when the run starts, or read from the cache offline.")
    _draw_overlaps(card)
    if splits is None:
        return
    left, right = st.columns([2, 1], gap="large")
    with left:
        st.markdown("**Sample rows**")
        rows = summary.sample_rows(card, splits["train"])
        st.dataframe(rows, width="stretch", hide_index=True, key="sample")
    with right:
        st.markdown("**Labels**")
        table = summary.label_table(card, splits)
        st.dataframe(table, width="stretch", hide_index=True, key="labels")


def _draw_overlaps(card: TaskCard) -> None:
    """Draw how much of the selection and validation splits overlaps with training."""
    with st.spinner("Comparing the splits …"):
        found = overlap_records.of_task(card)
    if found is None:  # of a hub task whose data no run has read yet
        return
    words = overlaps.sentence(card, found)
    if words:
        st.warning(frame.plain(words), icon=":material/content_copy:")
    shares = ", ".join(f"{each.share:.1%} of {each.split}" for each in found)
    with st.expander(f"Overlap with training: {frame.plain(shares)}", icon=":material/join_inner:"):
        st.dataframe(
            overlaps.table(found),
            width="stretch",
            hide_index=True,
            key="overlaps",
            column_config={
                "duplicates": st.column_config.NumberColumn(help="Are training texts."),
                "shared": st.column_config.NumberColumn(help="Share one text with a pair."),
                "contained": st.column_config.NumberColumn(help="Stand inside a longer text."),
                "short": st.column_config.NumberColumn(
                    help=f"Of these, texts of fewer than {CHANCE} words, which recur by chance."
                ),
                "share": st.column_config.NumberColumn(format="percent"),
            },
        )
        examples = overlaps.example_table(found)
        if len(examples):
            st.dataframe(examples, width="stretch", hide_index=True, key="overlap.examples")
