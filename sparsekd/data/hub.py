"""Tasks from the Hugging Face hub, through `datasets`, which only this module imports."""

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
    """Read the raw train and validation frames of a hub task, from the cache when offline.

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
    """Return whether the hub responds within a few seconds."""
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
    """Use the cache alone; otherwise the libraries retry for half a minute."""
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
    """Return the error for a hub task that cannot be loaded."""
    columns = ", ".join((*card.text, card.label))
    first = (reason.splitlines() or ["unknown reason"])[0]
    return Unavailable(
        f"{card.name} cannot be loaded from the hub ({card.location}): {first}.",
        "Check the network; or use a local folder with files train and validation "
        f"(parquet, csv, tsv or jsonl) and the columns {columns}; or a demo task.",
    )
