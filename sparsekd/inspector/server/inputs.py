"""A user's text as model input, whatever the text is."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from sparsekd.data import Batch, Encoded, encode
from sparsekd.data.tokens import readable_tokens
from sparsekd.errors import BadInput
from sparsekd.inspector.server.model_cache import LoadedModel
from sparsekd.models import architectures


@dataclass(frozen=True)
class TokenisedInput:
    """One example, also as a batch of one, and the facts that responses report of it."""

    encoded: Encoded
    batch: Batch
    tokens: list[str]
    special: list[bool]
    cut: int
    unknown: int

    def facts(self) -> dict[str, Any]:
        """Return the fields of a `TokenisedResponse`."""
        return {
            "tokens": self.tokens,
            "special": self.special,
            "cut": self.cut,
            "unknown": self.unknown,
        }


def tokenise(loaded: LoadedModel, texts: tuple[str, ...], max_length: int) -> TokenisedInput:
    """Tokenise one example; tokens beyond the maximum length are cut off and counted.

    Raises:
        BadInput: an empty text, one without a single known character, or the wrong number of
            texts.
    """
    check(loaded, texts)
    tokenizer = loaded.tokenizer
    encoded = encode(frame([texts]), tokenizer, input_length(loaded, max_length))
    ids = encoded.ids.tolist()
    special_ids = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
    special = [each in special_ids for each in ids]
    if all(special):
        raise BadInput("The tokenizer drops every character of the text.", "Enter a sentence.")
    full_length = len(tokenizer(*texts, verbose=False)["input_ids"])
    unknown = sum(each == tokenizer.unk_token_id for each in ids)
    batch = encoded.batch(np.arange(1), loaded.model.device)
    return TokenisedInput(
        encoded, batch, readable_tokens(tokenizer, ids), special, full_length - len(ids), unknown
    )


def check(loaded: LoadedModel, texts: tuple[str, ...]) -> None:
    """Refuse texts that are not an example of the model's task.

    Raises:
        BadInput: an empty text, or the wrong number of texts.
    """
    expected = 2 if loaded.card.pair else 1
    if len(texts) != expected:
        raise BadInput(
            f"{loaded.card.name} takes {expected} text{'s' * (expected > 1)}, not {len(texts)}.",
            "Enter a pair of texts." if expected == 2 else "Enter one text.",
        )
    if not all(text.strip() for text in texts):
        raise BadInput("The text is empty.", "Enter a sentence; for a pair, two.")


def frame(rows: list[tuple[str, ...]]) -> pd.DataFrame:
    """Return texts as rows of a task, with a dummy label."""
    columns = ["text", "pair"][: len(rows[0])]
    return pd.DataFrame(rows, columns=columns).assign(label=0)


def input_length(loaded: LoadedModel, max_length: int) -> int:
    """Return the requested length, at most the model's maximum."""
    return min(max_length, architectures.max_tokens(loaded.model))
