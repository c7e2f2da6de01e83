"""Which task, and what it looks like before anything is trained on it."""

import hashlib
import json
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from pages.parts.shell import frame, url_state
from sparsekd.errors import BadInput
from sparsekd.runs import references, store
from sparsekd.system.files import replace
from sparsekd.system.wording import counted
from sparsekd.tasks import TASKS, TaskCard, demo, files, local
from sparsekd.tasks.metrics import METRICS
from sparsekd.tasks.splits import overlap

BUILT_IN, HUB, REGISTERED = "Built-in demo", "GLUE from the hub", "My folders"
TYPED, UPLOADED = "A folder on this machine", "Upload two files"
LARGEST = 32 << 20  # bytes of one uploaded file
SAMPLES = 5

Frames = dict[str, pd.DataFrame]


def choose() -> TaskCard | None:
    """The task the visitor wants; None while it is not named yet."""
    menu = references.cards()
    wanted = url_state.read().task
    origins = [BUILT_IN, HUB, REGISTERED, UPLOADED]
    if frame.is_local_only():
        origins.insert(3, TYPED)
    start = _origin(menu[wanted]) if wanted in menu else BUILT_IN
    origin = st.pills(
        "Where the task comes from", origins, default=start, required=True, key="task.origin"
    )
    if origin == TYPED:
        return _typed()
    if origin == UPLOADED:
        return _uploaded()
    names = [name for name, card in menu.items() if _origin(card) == origin]
    if not names:
        st.caption("No folder is registered yet: name one, or upload two files.")
        return None
    key = f"task.name.{origin}"
    if key not in st.session_state and wanted in names:
        st.session_state[key] = wanted
    name = st.selectbox("Task", names, format_func=lambda name: menu[name].title, key=key)
    url_state.write(task="" if name == next(iter(TASKS)) else name)
    chosen: TaskCard = menu[name]
    return _described(chosen.location, chosen) if chosen.origin == "folder" else chosen


def _origin(card: TaskCard) -> str:
    return {"demo": BUILT_IN, "hub": HUB, "folder": REGISTERED}[card.origin]


def _typed() -> TaskCard | None:
    text = st.text_input(
        "Folder",
        key="task.folder",
        placeholder="/data/my-task",
        help="It holds a file train and a file validation: parquet, csv, tsv or jsonl.",
    ).strip()
    if not text:
        st.caption("Name a folder with a file train and a file validation.")
        return None
    return _described(text)


def _uploaded() -> TaskCard | None:
    """A task from two uploaded files, kept under the hash of what they hold."""
    kinds = list(files.KINDS)
    left, right = st.columns(2)
    words = f"At most {LARGEST >> 20} MB each, UTF-8."
    train = left.file_uploader("Training file", kinds, key="task.train", help=words)
    validation = right.file_uploader("Validation file", kinds, key="task.validation", help=words)
    if train is None or validation is None:
        st.caption("Give both files: a column of text (or two), and a column of labels.")
        return None
    given = {"train": train, "validation": validation}
    for name, file in given.items():
        if file.size > LARGEST:
            raise BadInput(
                f"The {name} file holds {file.size / 2**20:.1f} MB; "
                f"the limit is {LARGEST >> 20} MB.",
                "Give a sample of the rows, or name a folder on the server's machine.",
            )
    return _described(keep({n: (f.name, f.getvalue()) for n, f in given.items()}))


def keep(given: dict[str, tuple[str, bytes]]) -> str:
    """Store uploaded files under our own names, and return their folder.

    Raises:
        BadInput: another kind of file.
    """
    digest = hashlib.sha256()
    for name, (_, content) in sorted(given.items()):
        digest.update(f"{name}:{len(content)}:".encode() + content)
    folder = store.home() / "uploads" / digest.hexdigest()[:16]
    for name, (original, content) in given.items():
        kind = original.rsplit(".", 1)[-1].lower()
        if kind not in files.KINDS:
            raise BadInput(f"{original} is not {', '.join(files.KINDS)}.", "Convert it first.")
        path = folder / f"{name}.{kind}"
        if not path.exists():
            replace(path, partial(Path.write_bytes, data=content))
    return str(folder)


def _described(location: str, card: TaskCard | None = None) -> TaskCard:
    """A folder's task: as its files suggest, or with the columns and metric that are named here.

    Raises:
        SparseKDError: the files are not usable, or do not say which columns are meant.
    """
    columns = _columns(location)
    card, trouble = (card, None) if card else _guessed(location)
    texts, label, metric = _ask_columns(location, columns, card)
    if card and metric is None and (texts, label) == (card.text, card.label):
        return card
    if trouble and not (texts and label):
        raise trouble
    if not texts:
        raise BadInput("No text column is chosen.", "Choose one, or two for a pair.")
    return references.task(location, texts, label, metric)


def _guessed(location: str) -> tuple[TaskCard | None, BadInput | None]:
    """What the files suggest, or why they suggest nothing: then the visitor names the columns."""
    try:
        return references.task(location), None
    except BadInput as trouble:
        return None, trouble


def _ask_columns(
    location: str, columns: list[str], card: TaskCard | None
) -> tuple[tuple[str, ...], str | None, str | None]:
    key = f"task.{location}.{card.name if card else ''}"
    with st.expander("Columns and metric", icon=":material/view_column:", expanded=card is None):
        left, middle, right = st.columns(3)
        texts = left.multiselect(
            "Text columns", columns, card.text if card else None, max_selections=2,
            key=f"{key}.text", help="One, or two for a pair of texts that are read together.",
        )  # fmt: skip
        label = middle.selectbox(
            "Label column", columns, columns.index(card.label) if card else None,
            key=f"{key}.label",
        )  # fmt: skip
        metric = right.selectbox(
            "Metric", [None, *METRICS], key=f"{key}.metric",
            format_func=lambda name: METRICS[name].title if name else "what fits the labels",
            help="Decides early stopping. A correlation makes the task a regression.",
        )  # fmt: skip
    return tuple(texts), label, metric


@st.cache_data(max_entries=16, show_spinner=False)  # type: ignore[untyped-decorator]
def _columns(location: str) -> list[str]:
    paths = files.find(Path(location).expanduser())["train"]
    return [str(name) for name in files.table(paths).columns]


# --- what it looks like ----------------------------------------------------------------------


def frames(card: TaskCard) -> Frames | None:
    """The task's rows; None where they come from the hub when a run begins."""
    if card.origin == "hub":
        return None
    found: Frames = _frames(json.dumps(card.to_json(), sort_keys=True))
    return found


@st.cache_data(max_entries=8, show_spinner="Reading the task …")  # type: ignore[untyped-decorator]
def _frames(card: str) -> Frames:
    found = TaskCard.from_json(json.loads(card))
    return demo.generate(found.name) if found.origin == "demo" else local.read(found)


def preview(card: TaskCard) -> int | None:
    """Columns, labels, metric, sizes and sample rows; returns the number of training rows."""
    found = frames(card)
    metrics = ", ".join(METRICS[name].title for name in card.metrics)
    columns = " and ".join(card.text)
    facts = {
        "Reads": f"{columns} → {card.label}",
        "Scored by": metrics,
        "Source": card.source,
    }
    if found is None:
        facts["Labels"] = ", ".join(card.labels) or "a number"
        _facts(facts)
        st.caption("Rows come from the hub when the run begins (or from its cache, offline).")
        return None
    facts["Rows"] = ", ".join(f"{len(rows):,} {name}" for name, rows in found.items())
    _facts(facts)
    twice = overlap(found)
    if twice:
        st.warning(
            f"{counted(twice, 'validation row')} also stand in the training data: "
            "validation scores will look better than they are.",
            icon=":material/content_copy:",
        )
    left, right = st.columns([2, 1], gap="large")
    with left:
        st.markdown("**Sample rows**")
        st.dataframe(_sample(card, found["train"]), width="stretch", hide_index=True, key="sample")
    with right:
        st.markdown("**Labels**")
        st.dataframe(_labels(card, found), width="stretch", hide_index=True, key="labels")
    return len(found["train"])


def _facts(facts: dict[str, str]) -> None:
    lines = [f"**{name}** {frame.plain(words)}" for name, words in facts.items()]
    st.markdown("  \n".join(lines))


def _sample(card: TaskCard, rows: pd.DataFrame) -> pd.DataFrame:
    shown = rows.head(SAMPLES)
    if card.labels:
        names = [card.labels[int(label)] for label in shown["label"]]
        shown = shown.assign(label=names)
    return shown


def _labels(card: TaskCard, found: Frames) -> pd.DataFrame:
    """How often each class occurs in each split; for numbers their range."""
    if card.regression:
        rows: list[dict[str, Any]] = [
            {"split": name, "least": part["label"].min(), "mean": part["label"].mean(),
             "most": part["label"].max()}
            for name, part in found.items()
        ]  # fmt: skip
        return pd.DataFrame(rows)
    counts = {name: Counter(part["label"].tolist()) for name, part in found.items()}
    return pd.DataFrame(
        [
            {"label": label} | {name: counts[name][place] for name in found}
            for place, label in enumerate(card.labels)
        ]
    )
