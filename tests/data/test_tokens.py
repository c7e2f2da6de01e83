"""Tokens of the three kinds of tokenizers as readable text."""

from transformers import RobertaTokenizer, XLMRobertaTokenizer

from sparsekd.data import demo_piece_tokenizer
from sparsekd.data.tokens import readable_tokens

SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]


def test_word_pieces_are_shown_as_they_are() -> None:
    tokenizer = demo_piece_tokenizer()
    tokens = readable_tokens(tokenizer, tokenizer("the acting")["input_ids"])
    assert tokens == ["[CLS]", "the", "acti", "##ng", "[SEP]"]


def test_byte_level_tokens_are_decoded() -> None:
    pieces = [*SPECIAL, "Ã", "©", "t", "Ã©", "Ã©t", "Ġ", "ĠÃ©t", "<mask>"]
    merges = [("Ã", "©"), ("Ã©", "t"), ("Ġ", "Ã©t")]
    tokenizer = RobertaTokenizer(vocab={each: i for i, each in enumerate(pieces)}, merges=merges)
    tokens = readable_tokens(tokenizer, tokenizer("ét ét")["input_ids"])
    assert tokens == ["<s>", "ét", "ét", "</s>"]


def test_sentencepiece_tokens_lose_the_mark_of_a_word_s_beginning() -> None:
    pieces = [*SPECIAL, "▁", "▁good", "▁fil", "m", "<mask>"]
    tokenizer = XLMRobertaTokenizer(vocab=[(each, -float(i)) for i, each in enumerate(pieces)])
    tokens = readable_tokens(tokenizer, tokenizer("good film")["input_ids"])
    assert tokens == ["<s>", "good", "fil", "m", "</s>"]
