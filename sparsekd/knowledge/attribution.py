"""Attribution of a model's output to tokens, heads and neurons.

The output is the log-odds of one class, log p / (1 − p), for a regression the number itself; the
baseline is the same text with every word replaced by the mask token. Models are expected in eval
mode.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from captum.attr import LayerIntegratedGradients
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from sparsekd.catalog import families
from sparsekd.data import Batch, Encoded
from sparsekd.errors import BadInput
from sparsekd.knowledge.gradients import PassOptions
from sparsekd.models import architectures
from sparsekd.models.gates import Taps, cls_only, frozen, tapped
from sparsekd.models.memory import enough_memory

HINT = "Take a shorter text, or fewer examples."
STEPS = 32
MAX_STEPS = 128
TOLERANCE = 0.01  # of the difference explained: where the delta is larger, steps are doubled
SMALLEST_DIFFERENCE = 0.1  # log-odds; smaller differences count as this large
TOKENS = 2048

Matrix = NDArray[np.float32]


@dataclass(frozen=True)
class TokenValues:
    """Each token's contribution to the change of the output from `start` (all masked) to `output`.

    `delta` is the convergence error: the values' sum minus the difference; 0 for an exact integral.

    Shapes: values (T,).
    """

    values: NDArray[np.float64]
    output: float
    start: float
    delta: float
    steps: int


def log_odds(logits: Tensor, target: Tensor) -> Tensor:
    """Return log p / (1 − p) of each example's target class; the number itself for a regression.

    Shapes: logits (B, C), target (B,) -> (B,).
    """
    if logits.shape[1] == 1:
        return logits[:, 0]
    own = logits.gather(1, target[:, None])
    others = logits.scatter(1, target[:, None], -torch.inf)
    return own[:, 0] - others.logsumexp(dim=1)


def masked_words(ids: Tensor, tokenizer: PreTrainedTokenizerBase) -> Tensor:
    """Replace every word by the mask token; special tokens stay.

    A padding token instead would shift positions in families that count them without padding.

    Shapes: (B, T) -> (B, T).
    Raises:
        BadInput: the tokenizer has no mask token.
    """
    mask, unknown = tokenizer.mask_token_id, tokenizer.unk_token_id
    if mask is None:
        raise BadInput(
            "The tokenizer has no mask token, which the baseline text is made of.",
            f"Use the tokenizer of a checkpoint of {families.titles()}.",
        )
    special = torch.tensor([each for each in tokenizer.all_special_ids if each != unknown])
    return torch.where(torch.isin(ids, special.to(ids)), ids, int(mask))


def of_tokens(
    model: PreTrainedModel, batch: Batch, baseline: Tensor, target: int, steps: int = 0
) -> TokenValues:
    """Compute integrated gradients on the embeddings of one example, summed over dimensions.

    Args:
        baseline: The ids of the baseline text.
        steps: Points on the path; 0 doubles them until the sum is within 1 % of the difference.

    Shapes: batch (1, T), baseline (1, T).
    Source: Sundararajan, Taly, Yan, ICML 2017, arXiv 1703.01365; captum's implementation.
    Raises:
        BadInput: NaN or infinite attributions. Unavailable: memory ran out.
    """
    wanted = torch.tensor([target], device=batch.input_ids.device)
    tries = [steps] if steps else _doubling(STEPS, MAX_STEPS)
    with enough_memory(HINT), frozen(model), cls_only(model):
        for count in tries:
            found = _integrated(model, batch, baseline, wanted, count)
            if abs(found.delta) <= TOLERANCE * max(
                abs(found.output - found.start), SMALLEST_DIFFERENCE
            ):
                break
    _finite(found.values)
    return found


def _finite(*found: NDArray[Any]) -> None:
    if not all(np.isfinite(values).all() for values in found):
        raise BadInput(
            "The attributions are NaN or infinite.",
            "The model has diverged: train it again with a lower learning rate.",
        )


def _doubling(first: int, last: int) -> list[int]:
    return [first * 2**power for power in range((last // first).bit_length())]


def _integrated(
    model: PreTrainedModel, batch: Batch, baseline: Tensor, target: Tensor, steps: int
) -> TokenValues:
    def output(ids: Tensor, mask: Tensor, segments: Tensor) -> Tensor:
        seen = Batch(batch.rows, ids, mask, segments, batch.labels)
        logits = model(**seen.inputs(model)).logits.float()
        return log_odds(logits, target.expand(len(ids)))

    beside = (batch.attention_mask, batch.token_type_ids)
    values, delta = LayerIntegratedGradients(output, architectures.embeddings(model)).attribute(
        batch.input_ids,
        baselines=baseline,
        additional_forward_args=beside,
        n_steps=steps,
        internal_batch_size=max(1, TOKENS // batch.input_ids.shape[1]),
        return_convergence_delta=True,
    )
    with torch.no_grad():
        end, start = (float(output(ids, *beside)) for ids in (batch.input_ids, baseline))
    per_token = values[0].double().sum(dim=-1).cpu().numpy()
    return TokenValues(per_token, end, start, float(delta), steps)


# --- heads and neurons ------------------------------------------------------------------------


def gradient_activation(
    model: PreTrainedModel, data: Encoded, options: PassOptions | None = None
) -> tuple[Matrix, Matrix]:
    """Return the mean over examples of |Σ_tokens activation · gradient| of the gold log-odds.

    Shapes: -> heads (L, H), neurons (L, F).
    Raises:
        Incompatible: layers of different sizes, as after pruning. BadInput: NaN; no examples.
    """

    def one(batch: Batch, taps: Taps) -> tuple[list[Tensor], list[Tensor]]:
        return taps.gate_gradients(_slopes(model, batch, taps))

    return _mean_absolute(model, data, one, options or PassOptions())


def conductance(
    model: PreTrainedModel,
    data: Encoded,
    tokenizer: PreTrainedTokenizerBase,
    steps: int,
    options: PassOptions | None = None,
) -> tuple[Matrix, Matrix]:
    """Return the mean over examples of each unit's |conductance| of the gold class's log-odds.

    The values are those of captum's LayerConductance along the path from the embeddings of the
    masked text to those of the text, for all layers from one pass instead of one pass per layer.

    Shapes: -> heads (L, H), neurons (L, F).
    Source: Dhamdhere, Sundararajan, Yan, ICLR 2019, arXiv 1805.12233.
    Raises:
        Incompatible: layers of different sizes, as after pruning. BadInput: NaN; no examples.
    """

    def one(batch: Batch, taps: Taps) -> tuple[list[Tensor], list[Tensor]]:
        baseline = masked_words(batch.input_ids, tokenizer)
        return conductances(model, batch, baseline, taps, steps)

    return _mean_absolute(model, data, one, options or PassOptions())


def conductances(
    model: PreTrainedModel, batch: Batch, baseline: Tensor, taps: Taps, steps: int
) -> tuple[list[Tensor], list[Tensor]]:
    """Return each example's conductance of every unit, summed over tokens and a head's columns.

    Shapes: baseline (B, T) -> heads[l] (B, H_l), neurons[l] (B, F_l).
    """
    end = embeddings(model, batch)
    start = embeddings(model, _with_ids(batch, baseline))
    before: list[Tensor] = []
    slopes: list[Tensor] = []
    sums: list[Tensor] = []
    for share in _path(steps + 1):
        with embedded(model, start + share * (end - start)):
            following = _slopes(model, batch, taps)
        now = [tap.detach() for tap in taps.tensors()]
        if before:
            moved = [
                slope * (after - earlier)
                for slope, after, earlier in zip(slopes, now, before, strict=True)
            ]
            sums = [old + new for old, new in zip(sums, moved, strict=True)] if sums else moved
        before, slopes = now, list(following)
    layers, size = len(taps.heads), taps.head_size
    per_column = [each.sum(dim=1) for each in sums]
    heads = [each.reshape(len(each), -1, size).sum(dim=2) for each in per_column[:layers]]
    return heads, per_column[layers:]


def _path(points: int) -> list[float]:
    """Return captum's points on the path, from 0 to 1: the Gauss–Legendre nodes."""
    nodes, _ = np.polynomial.legendre.leggauss(points)
    return [float(share) for share in (1 + nodes) / 2]


def _slopes(model: PreTrainedModel, batch: Batch, taps: Taps) -> tuple[Tensor, ...]:
    """Return the gradients of the gold log-odds at the gate sites of one forward pass."""
    with torch.enable_grad():
        logits = model(**batch.inputs(model)).logits.float()
        return torch.autograd.grad(log_odds(logits, batch.labels).sum(), taps.tensors())


def embeddings(model: PreTrainedModel, batch: Batch) -> Tensor:
    """Return the output of the embeddings: the first layer's input.

    Shapes: -> (B, T, D).
    """
    seen: list[Tensor] = []
    site = architectures.embeddings(model)
    hook = site.register_forward_hook(lambda _site, _inputs, out: seen.append(out))
    try:
        with torch.no_grad():
            model(**batch.inputs(model))
    finally:
        hook.remove()
    return seen[0]


@contextmanager
def embedded(model: PreTrainedModel, values: Tensor) -> Iterator[None]:
    """Replace the output of the embeddings by `values` (B, T, D)."""

    def instead(_site: nn.Module, _inputs: Any, _out: Tensor) -> Tensor:
        return values

    hook = architectures.embeddings(model).register_forward_hook(instead)
    try:
        yield
    finally:
        hook.remove()


def _with_ids(batch: Batch, ids: Tensor) -> Batch:
    return Batch(batch.rows, ids, batch.attention_mask, batch.token_type_ids, batch.labels)


def _mean_absolute(
    model: PreTrainedModel, data: Encoded, one: Any, options: PassOptions
) -> tuple[Matrix, Matrix]:
    """Return the mean over examples of the absolute values that `one` returns for a batch."""
    if not len(data):
        raise BadInput("There are no examples to attribute.", "Choose another split.")
    layers, heads, neurons = architectures.shape(model).grid()
    sums = torch.zeros(layers, heads), torch.zeros(layers, neurons)
    done = 0
    with ExitStack() as stack:
        for guard in (enough_memory(HINT), frozen(model), cls_only(model)):
            stack.enter_context(guard)
        taps = stack.enter_context(tapped(model))
        for rows in options.batches(data.lengths, 4 * layers * (heads + neurons), model.device):
            found = one(data.batch(rows, model.device), taps)
            for total, per_layer in zip(sums, found, strict=True):
                total += torch.stack([each.abs().sum(dim=0) for each in per_layer]).cpu()
            done += len(rows)
            options.advance(done, len(data))
    of_heads, of_neurons = ((total / len(data)).numpy() for total in sums)
    _finite(of_heads, of_neurons)
    return of_heads, of_neurons
