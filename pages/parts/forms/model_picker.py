"""A choice of the checkpoint that a model starts from."""

import streamlit as st

from pages.parts.shell import frame
from sparsekd.catalog import families
from sparsekd.runs import references
from sparsekd.tasks.cards import TaskCard
from sparsekd.tasks.demo import DEMO_CHECKPOINTS

HUB, FOLDER = "Model from the hub", "A folder on this machine"
DEMOS = {f"{title} (from scratch)": name for name, title in DEMO_CHECKPOINTS.items()}


def choose_checkpoint(card: TaskCard) -> str | None:
    """Draw the choice, and return the checkpoint as a recipe stores it; None while it is open."""
    sources = list(DEMOS) if card.origin == "demo" else []
    sources += [HUB, FOLDER] if frame.is_local_only() else [HUB]
    key = f"checkpoint.kind.{sources[0]}"
    source = st.pills("Start from", sources, default=sources[0], required=True, key=key)
    if source in DEMOS:
        return DEMOS[source]
    example = "google-bert/bert-base-uncased" if source == HUB else "/models/my-bert"
    text = st.text_input(
        "Hub id" if source == HUB else "Checkpoint folder",
        placeholder=example,
        key=f"checkpoint.{source}",
        help=f"{families.titles()}, with weights as safetensors.",
    ).strip()
    if not text:
        st.caption(f"Name a checkpoint, for example {example}.")
        return None
    return references.hub_model(text) if source == HUB else resolve_model(text)


def resolve_model(text: str) -> str:
    """Return a typed model as a recipe stores it; from other machines only a hub id or a demo.

    Raises:
        BadInput, NotFound: no such folder, or no checkpoint in it; not a hub id.
    """
    here = text in DEMO_CHECKPOINTS or (text and frame.is_local_only())
    return references.model(text) if here else references.hub_model(text)
