"""Tokens as readable text."""

from transformers import PreTrainedTokenizerBase

from sparsekd.catalog import families


def readable_tokens(tokenizer: PreTrainedTokenizerBase, ids: list[int]) -> list[str]:
    """Return tokens as text, decoded where the tokenizer marks the beginnings of words."""
    tokens = [str(each) for each in tokenizer.convert_ids_to_tokens(ids)]
    special = set(tokenizer.all_special_tokens)
    if not any(token.startswith(families.word_marks()) for token in tokens):
        return tokens

    def text(token: str) -> str:
        return tokenizer.convert_tokens_to_string([token]).strip() or token

    return [token if token in special else text(token) for token in tokens]
