"""Tokenizers and tokens as text."""

import json

from transformers import PreTrainedTokenizerBase

from sparsekd.catalog import families

PLACES = ("name_or_path", "vocab_file", "merges_file", "tokenizer_file", "is_local", "backend")
"""Settings of a tokenizer that say where it is from, not how it reads."""


def readable_tokens(tokenizer: PreTrainedTokenizerBase, ids: list[int]) -> list[str]:
    """Return tokens as text, decoded where the tokenizer marks the beginnings of words."""
    tokens = [str(each) for each in tokenizer.convert_ids_to_tokens(ids)]
    special = set(tokenizer.all_special_tokens)
    if not any(token.startswith(families.word_marks()) for token in tokens):
        return tokens

    def text(token: str) -> str:
        return tokenizer.convert_tokens_to_string([token]).strip() or token

    return [token if token in special else text(token) for token in tokens]


def description(tokenizer: PreTrainedTokenizerBase) -> str:
    """Return a text that differs where a tokenizer would read texts differently."""
    if tokenizer.is_fast:
        return str(tokenizer.backend_tokenizer.to_str())
    given = tokenizer.init_kwargs.items()
    settings = {name: repr(value) for name, value in given if name not in PLACES}
    facts = [type(tokenizer).__name__, tokenizer.get_vocab(), settings]
    merges = getattr(tokenizer, "bpe_ranks", {})
    return json.dumps([*facts, sorted(map(repr, merges))], sort_keys=True)
