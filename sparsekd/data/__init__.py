"""Data: from a task's card to batches of token ids."""

from sparsekd.data.batches import Batch, bucketed, packed, upload
from sparsekd.data.encoding import Encoded, encode
from sparsekd.data.loading import load, load_split
from sparsekd.data.tokens import description
from sparsekd.data.words import DEMO_TOKENIZERS, demo_piece_tokenizer, demo_tokenizer

__all__ = [
    "DEMO_TOKENIZERS",
    "Batch",
    "Encoded",
    "bucketed",
    "demo_piece_tokenizer",
    "demo_tokenizer",
    "description",
    "encode",
    "load",
    "load_split",
    "packed",
    "upload",
]
