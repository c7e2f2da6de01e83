"""Tokenizers of the demo tasks: one token per word of the grammars, or one or two pieces."""

from collections.abc import Callable

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from sparsekd.tasks.demo import NAMES, vocabulary

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
STEM = 4  # letters of a word's first piece


def demo_tokenizer() -> PreTrainedTokenizerFast:
    """Return an uncased tokenizer of all demo words, with segments; other words are [UNK]."""
    inputs = ["input_ids", "token_type_ids", "attention_mask"]
    return _tokenizer(_words(), "[CLS] $A [SEP] $B:1 [SEP]:1", inputs)


def demo_piece_tokenizer() -> PreTrainedTokenizerFast:
    """Return a tokenizer that splits longer demo words into stem and ending, without segments.

    The ending is the longest match after the stem, so that different words have different pieces.
    """
    words = _words()
    pieces = {word[:STEM] for word in words} | {f"##{w[STEM:]}" for w in words if w[STEM:]}
    return _tokenizer(pieces, "[CLS] $A [SEP] $B [SEP]", ["input_ids", "attention_mask"])


DEMO_TOKENIZERS: dict[str, Callable[[], PreTrainedTokenizerFast]] = {
    "words": demo_tokenizer,
    "pieces": demo_piece_tokenizer,
}
"""The tokenizers that demo checkpoints name."""


def _words() -> set[str]:
    return {word for name in NAMES for word in vocabulary(name)}


def _tokenizer(pieces: set[str], pair: str, inputs: list[str]) -> PreTrainedTokenizerFast:
    ids = {word: number for number, word in enumerate((*SPECIAL, *sorted(pieces)))}
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair=pair,
        special_tokens=[("[CLS]", ids["[CLS]"]), ("[SEP]", ids["[SEP]"])],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=512,
        model_input_names=inputs,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    )
