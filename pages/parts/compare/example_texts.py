"""The texts of a split, beside the answers to them."""

import pandas as pd
import streamlit as st

from pages.parts.explain.ask_inspector import ask
from pages.parts.shell import frame
from sparsekd.errors import SparseKDError
from sparsekd.inspector import requests
from sparsekd.inspector.protocol import TextsResponse
from sparsekd.tasks import summary
from sparsekd.tasks.cards import TaskCard


def split_texts(card: TaskCard, split: str) -> pd.DataFrame | None:
    """Return the texts and labels of a split; None, with an error box, where they are gone."""
    try:
        return _hub_texts(card, split) if card.origin == "hub" else _own_texts(card, split)
    except SparseKDError as error:
        frame.show_error(error)
        return None


def _hub_texts(card: TaskCard, split: str) -> pd.DataFrame:
    found = ask(requests.texts(card.name, split), TextsResponse)
    columns = ["text", "pair"][: len(card.text)]
    return pd.DataFrame(found.texts, columns=columns).assign(label=found.labels)


@st.cache_data(max_entries=8, show_spinner=False)
def _own_texts(card: TaskCard, split: str) -> pd.DataFrame:
    return (summary.read_splits(card) or {})[split]
