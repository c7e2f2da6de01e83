"""Tasks from the Hugging Face hub, through `datasets`, which is imported only here."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import pandas as pd

from sparsekd.errors import Unavailable
from sparsekd.tasks.cards import TaskCard

SECONDS = 5.0


def read(card: TaskCard) -> dict[str, pd.DataFrame]:
    """The raw train and validation frames of a hub task, from the local cache where offline.

    Raises:
        Unavailable: the hub cannot be reached and the data is not cached.
    """
    from datasets import load_dataset
    from datasets.exceptions import DatasetsError

    repository, _, configuration = card.location.partition(":")
    try:
        with nullcontext() if reachable() else offline():
            splits = load_dataset(repository, configuration)
        return {name: splits[name].to_pandas() for name in ("train", *card.validation)}
    except (OSError, DatasetsError, KeyError, ValueError) as error:
        raise unavailable(card, str(error)) from error


def reachable() -> bool:
    """Whether the hub answers within a few seconds."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    try:
        with urlopen(Request(constants.ENDPOINT, method="HEAD"), timeout=SECONDS):
            return True
    except (URLError, TimeoutError, OSError):
        return False


@contextmanager
def offline() -> Iterator[None]:
    """Only the cache is asked: without this, the libraries retry for half a minute."""
    import datasets.config
    from huggingface_hub import constants

    places: tuple[Any, ...] = (datasets.config, constants)
    before = [place.HF_HUB_OFFLINE for place in places]
    try:
        for place in places:
            place.HF_HUB_OFFLINE = True
        yield
    finally:
        for place, value in zip(places, before, strict=True):
            place.HF_HUB_OFFLINE = value


def unavailable(card: TaskCard, reason: str) -> Unavailable:
    """The error for a hub task that cannot be had."""
    columns = ", ".join((*card.text, card.label))
    first = (reason.splitlines() or ["no reason was given"])[0]
    return Unavailable(
        f"{card.name} cannot be loaded from the hub ({card.location}): {first}.",
        "Check the network, or give a local folder instead, with files train and validation "
        f"(parquet, csv, tsv or jsonl) and the columns {columns}; or take a demo task.",
    )
