"""A choice of a file of answers that takes the teacher's place."""

from pathlib import Path

import streamlit as st

from pages.parts.shell import frame
from sparsekd.runs import answer_files, references
from sparsekd.runs.records import Run
from sparsekd.runs.uploads import MAX_BYTES
from sparsekd.tasks.cards import TaskCard
from sparsekd.tasks.files import KINDS

HELP = (
    "One row per training text: the text, and logit_<label> or probability_<label> for each class, "
    "a label, or several annotators' labels. `python -m sparsekd predict` writes such files."
)


def choose_answers(card: TaskCard, cloned: Run | None) -> str:
    """Draw the choice, and return the answers as a recipe stores them; empty for none.

    Raises:
        BadInput: the file has no answers for this task.
    """
    own = cloned.recipe.inputs["teacher"] if cloned else ""
    own = own if answer_files.is_answers(own) else ""
    mark = cloned.id if cloned else ""
    with st.expander("Learn from a file of answers instead", icon=":material/upload_file:"):
        file = st.file_uploader(
            "File of answers",
            list(KINDS),
            key=f"answers.file.{mark}",
            max_upload_size=MAX_BYTES >> 20,
            help=HELP,
        )
        path = ""
        if frame.is_local_only():
            path = st.text_input(
                "Or a file on this machine",
                placeholder="/data/answers.parquet",
                key=f"answers.path.{mark}",
            ).strip()
    kept = own
    if file:
        kept = answer_files.keep_upload(file.name, file.getvalue())
    elif path:
        kept = answer_files.keep(Path(path).expanduser())
    if not kept:
        return ""
    reference = references.teacher(kept, card)
    name = frame.plain(reference.split("#")[0].removeprefix(answer_files.PREFIX))
    st.caption(f"The student learns from {name}; its layers come from the teacher above.")
    return reference
