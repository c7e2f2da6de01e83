"""The peak memory of a training, an evaluation and a scoring, in bytes, counted from shapes.

All are upper bounds for texts of `length` tokens throughout, without what a library keeps outside
torch's allocator. What autograd keeps of a layer was read off transformers' encoders: per token,
the inputs of its matrices, its queries, keys, values and contexts, and the inputs of LayerNorm and
GELU. On CUDA a training computes in bfloat16 (autocast), elsewhere in float32.
"""

from collections.abc import Mapping

from sparsekd.system import budgets
from sparsekd.units.shape import ModelShape, parameters

FLOAT, HALF = 4, 2
WORKSPACE = {"cuda": 64 * 2**20}  # of cuBLAS, in torch's allocator
Reads = Mapping[str, int]
"""The number of layers whose internal states a method compares, by state."""


def weights(shape: ModelShape) -> int:
    """Return the bytes of a model's weights."""
    return FLOAT * parameters(shape)


def training(
    shape: ModelShape,
    batch: int,
    length: int,
    kind: str,
    reads: Reads | None = None,
    dropout: bool = True,
    episodes: bool = False,
) -> int:
    """Return the peak of a training: AdamW, the best weights so far, one step or one evaluation.

    Gradients come as activations go, so that the larger of the two counts.

    Args:
        reads: Layers whose states a method compares with a teacher's.
        episodes: Whether the first weights are kept, to start again from them.
    """
    own = weights(shape)
    matrices = own - FLOAT * _embedding_rows(shape) * shape.embedding
    kept = saved(shape, batch, length, kind, dropout) + _backward(shape, batch, length, kind)
    kept += compared(shape, batch, length, reads or {})
    if kind == "cuda":
        kept += matrices * HALF // FLOAT  # autocast's copies in bfloat16
    largest = 2 * FLOAT * _embedding_rows(shape) * shape.embedding
    step = max(kept, own + min(largest, kept)) + own // max(1, shape.layers)
    after = max(evaluation(shape, length, kind) - own, own)  # or the copy of the best weights
    permanent = own * (5 if episodes else 4)  # weights, two moments, the best weights
    return permanent + max(step, after) + WORKSPACE.get(kind, 0)


def evaluation(shape: ModelShape, length: int, kind: str) -> int:
    """Return the peak of a pass without gradients: the weights, and one layer's activations."""
    tokens = max(budgets.tokens(kind), length)
    width = max(shape.heads) * shape.head_size
    attention = 6 * width + 2 * shape.hidden + length
    feed_forward = 2 * max(shape.neurons) + 4 * shape.hidden
    layer = FLOAT * tokens * max(attention, feed_forward, 5 * shape.embedding)
    return weights(shape) + layer + WORKSPACE.get(kind, 0)


def scoring(shape: ModelShape, length: int, kind: str) -> int:
    """Return the peak of a pass that differentiates the logits by every gate, in float32."""
    tokens = max(budgets.gradient_tokens(kind), length)
    values = 0
    for heads, neurons in zip(shape.heads, shape.neurons, strict=True):
        width = heads * shape.head_size
        values += 6 * width + 3 * neurons + 2 * shape.hidden + length + heads
    widest = 2 * max(shape.neurons) + 4 * shape.embedding + 4 * shape.hidden
    block = min(
        budgets.GRADIENT_BLOCK,
        FLOAT * sum(shape.units) * max(1, shape.classes - 1) * -(-tokens // length) * 3,
    )
    return weights(shape) + FLOAT * tokens * (values + widest) + 2 * block + WORKSPACE.get(kind, 0)


def cached(
    shape: ModelShape, rows: int, length: int, kind: str, reads: Reads, teachers: int = 1
) -> int:
    """Return the most that a training caches of one teacher's states: all of them, or none.

    Attention has one value per head and pair of tokens, in float16 like the other states.
    """
    heads = max(shape.heads)
    values = reads.get("attention", 0) * heads * length * length
    values += reads.get("hidden", 0) * length * shape.hidden
    values += reads.get("values", 0) * length * heads * shape.head_size
    values += 2 * reads.get("cls", 0) * shape.hidden  # in float32
    return min(HALF * rows * values, budgets.cache_bytes(kind) // teachers)


def observed(shape: ModelShape, length: int, kind: str, reads: Reads) -> int:
    """Return the peak of the pass that fills a teacher's cache, without the cache."""
    tokens = max(budgets.tokens(kind), length)
    return evaluation(shape, length, kind) + _states(shape, tokens, length, reads)


def saved(shape: ModelShape, batch: int, length: int, kind: str, dropout: bool) -> int:
    """Return the bytes that autograd keeps of a batch until the backward pass.

    Only CUDA's attention kernels draw dropout without keeping the T × T probabilities.
    """
    tokens, total = batch * length, 0
    for heads, neurons in zip(shape.heads, shape.neurons, strict=True):
        width = heads * shape.head_size
        if kind == "cuda":
            # bfloat16 inputs of each matrix, LayerNorm's in float32, dropout's masks in bytes
            token = 18 * shape.hidden + 8 * width + 4 * neurons + FLOAT * heads + HALF * length
        else:
            values = 4 * width + 4 * shape.hidden + 2 * neurons + heads + length + 4
            values += 2 * shape.hidden + 3 * heads * length if dropout else 0
            token = FLOAT * values
        total += tokens * token
    return total + FLOAT * tokens * 4 * max(shape.embedding, shape.hidden)


def compared(shape: ModelShape, batch: int, length: int, reads: Reads) -> int:
    """Return the bytes of the states of student and teacher that a method compares in a step."""
    return 4 * _states(shape, batch * length, length, reads) // 2


def _states(shape: ModelShape, tokens: int, length: int, reads: Reads) -> int:
    """Return the bytes of twice the states that are read: scores and probabilities."""
    heads = max(shape.heads)
    values = 2 * reads.get("attention", 0) * heads * length
    values += 2 * reads.get("values", 0) * heads * (length + shape.head_size)
    values += 2 * reads.get("hidden", 0) * shape.hidden
    return FLOAT * tokens * values


def _backward(shape: ModelShape, batch: int, length: int, kind: str) -> int:
    """Return the bytes of the gradients of one layer's widest activations."""
    pairs = 0 if kind == "cuda" else max(shape.heads) * length
    return FLOAT * batch * length * max(max(shape.neurons), pairs)


def _embedding_rows(shape: ModelShape) -> int:
    return shape.vocabulary + shape.positions + shape.segments
