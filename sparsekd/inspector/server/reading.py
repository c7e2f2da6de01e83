"""A visitor's text as a model reads it, whatever the text is."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from transformers import PreTrainedTokenizerBase

from sparsekd.data import Batch, encode
from sparsekd.errors import BadInput
from sparsekd.inspector.server.model_cache import Warm
from sparsekd.models import architectures


@dataclass(frozen=True)
class Reading:
    """One example as a batch of one, and what to say about it."""

    batch: Batch
    tokens: list[str]
    special: list[bool]
    cut: int
    unknown: int

    def facts(self) -> dict[str, Any]:
        """What answers repeat."""
        return {
            "tokens": self.tokens,
            "special": self.special,
            "cut": self.cut,
            "unknown": self.unknown,
        }


def read(warm: Warm, texts: tuple[str, ...], max_length: int) -> Reading:
    """Tokenise one example; what exceeds the model's length is cut off and counted.

    Raises:
        BadInput: an empty text, one that leaves no token, or one too few or too many.
    """
    check(warm, texts)
    tokenizer = warm.tokenizer
    encoded = encode(frame([texts]), tokenizer, fitting(warm, max_length))
    ids = encoded.ids.tolist()
    special_ids = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
    special = [each in special_ids for each in ids]
    if all(special):
        raise BadInput(
            "No token is left of the text: the tokenizer drops every character of it.",
            "Type a sentence.",
        )
    whole = len(tokenizer(*texts, verbose=False)["input_ids"])
    unknown = sum(each == tokenizer.unk_token_id for each in ids)
    batch = encoded.batch(np.arange(1), warm.model.device)
    return Reading(batch, names(tokenizer, ids), special, whole - len(ids), unknown)


def check(warm: Warm, texts: tuple[str, ...]) -> None:
    """Refuse texts that are no example of the model's task.

    Raises:
        BadInput: an empty text, or not as many as the task has.
    """
    wanted = 2 if warm.card.pair else 1
    if len(texts) != wanted:
        raise BadInput(
            f"{len(texts)} texts were given; {warm.card.name} reads {wanted}.",
            "Give a pair." if wanted == 2 else "Give one text.",
        )
    if not all(text.strip() for text in texts):
        raise BadInput("The text is empty.", "Type a sentence; of a pair, both.")


def frame(rows: list[tuple[str, ...]]) -> pd.DataFrame:
    """Texts as a task's rows; the labels are not meant."""
    columns = ["text", "pair"][: len(rows[0])]
    return pd.DataFrame(rows, columns=columns).assign(label=0)


def fitting(warm: Warm, max_length: int) -> int:
    """As many tokens as asked for, or as the model has positions for."""
    config = warm.model.config
    positions = architectures.shape(warm.model).positions
    if config.model_type == "roberta":  # its positions begin behind the padding's
        positions -= int(config.pad_token_id) + 1
    return min(max_length, positions)


def names(tokenizer: PreTrainedTokenizerBase, ids: list[int]) -> list[str]:
    """Tokens as people can read them: byte-level ones are decoded, the others stay."""
    tokens = [str(each) for each in tokenizer.convert_ids_to_tokens(ids)]
    special = set(tokenizer.all_special_tokens)
    if not any(token.startswith("Ġ") for token in tokens):
        return tokens
    return [
        token if token in special else tokenizer.convert_tokens_to_string([token]).strip() or token
        for token in tokens
    ]  # fmt: skip
