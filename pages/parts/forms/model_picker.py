"""A model that somebody chooses or types, as a recipe stores it."""

import re

import streamlit as st

from pages.parts.shell import frame
from sparsekd.catalog import families
from sparsekd.errors import BadInput
from sparsekd.runs import references
from sparsekd.tasks.cards import TaskCard
from sparsekd.tasks.demo import DEMO_CHECKPOINTS

HUB_ID = re.compile(r"[\w.-]{1,96}(/[\w.-]{1,96})?")
HUB, FOLDER = "Model from the hub", "A folder on this machine"
DEMOS = {f"{title} (from scratch)": name for name, title in DEMO_CHECKPOINTS.items()}


def choose(card: TaskCard) -> str | None:
    """The model to start from, as a recipe stores it; None while it is not named."""
    kinds = list(DEMOS) if card.origin == "demo" else []
    kinds += [HUB, FOLDER] if frame.is_local_only() else [HUB]
    kind = st.pills(
        "Start from", kinds, default=kinds[0], required=True, key=f"checkpoint.kind.{kinds[0]}"
    )
    if kind in DEMOS:
        return DEMOS[kind]
    example = "google-bert/bert-base-uncased" if kind == HUB else "/models/my-bert"
    text = st.text_input(
        "Hub id" if kind == HUB else "Checkpoint folder",
        placeholder=example,
        key=f"checkpoint.{kind}",
        help=f"{families.titles()}, with weights as safetensors.",
    ).strip()
    if not text:
        st.caption(f"Name a checkpoint, for example {example}.")
        return None
    return hub(text) if kind == HUB else typed(text)


def hub(text: str) -> str:
    """A model of the hub.

    Raises:
        BadInput: not the form of a hub id.
    """
    if not HUB_ID.fullmatch(text):
        raise BadInput(
            f"{text!r} is no hub id.", "Hub ids look like google-bert/bert-base-uncased."
        )
    return f"hub:{text}"


def typed(text: str) -> str:
    """A local folder or a hub id; from visitors of other machines a hub id only.

    Raises:
        BadInput, NotFound: no such folder, or no checkpoint in it; not the form of a hub id.
    """
    return references.model(text) if text and frame.is_local_only() else hub(text)
