"""Attribution of a model's output to tokens, heads and neurons.

The output is the log-odds of one class or label, log p / (1 − p), for a regression the number
itself; the baseline is the same text with every word replaced by the mask token. Models are
expected in eval mode.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from sparsekd.catalog import families
from sparsekd.data import Batch, Encoded
from sparsekd.errors import BadInput
from sparsekd.knowledge.gradients import PassOptions
from sparsekd.models import architectures
from sparsekd.models.classifiers import labels_of
from sparsekd.models.gates import Taps, cls_only, frozen, tapped
from sparsekd.models.memory import enough_memory

HINT = "Take a shorter text, or fewer examples."
STEPS = 32
MAX_STEPS = 128
TOLERANCE = 0.01  # of the difference explained: where the delta is larger, steps are doubled
SMALLEST_DIFFERENCE = 0.1  # log-odds; smaller differences count as this large
TOKENS = 2048

Matrix = NDArray[np.float32]
UnitValues = Callable[[Batch, Taps], tuple[list[Tensor], list[Tensor]]]


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


def log_odds(logits: Tensor, target: Tensor, multilabel: bool = False) -> Tensor:
    """Return log p / (1 − p) of each example's target class; the number itself for a regression.

    With several labels, of the target label: its logit.

    Shapes: logits (B, C), target (B,) -> (B,).
    """
    if logits.shape[1] == 1:
        return logits[:, 0]
    own = logits.gather(1, target[:, None])
    if multilabel:
        return own[:, 0]
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
        steps: Points on the path; 0 doubles them until the sum is within 1% of the difference.

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
    from captum.attr import LayerIntegratedGradients  # only here: rankings do without it

    def output(ids: Tensor, mask: Tensor, segments: Tensor) -> Tensor:
        seen = Batch(batch.rows, ids, mask, segments, batch.labels)
        logits = model(**seen.inputs(model)).logits.float()
        return log_odds(logits, target.expand(len(ids)), multilabel)

    multilabel = labels_of(model.config)[1] == "labels"
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
    per_token = values[0].cpu().double().sum(dim=-1).numpy()
    return TokenValues(per_token, end, start, float(delta), steps)


# --- heads and neurons ------------------------------------------------------------------------


def gold_gradients(model: PreTrainedModel, batch: Batch, taps: Taps) -> tuple[Tensor, ...]:
    """Return the gradients of `gold_log_odds` at the gate sites of one forward pass."""
    with torch.enable_grad():
        logits = model(**batch.inputs(model)).logits.float()
        return torch.autograd.grad(gold_log_odds(logits, batch.labels).sum(), taps.tensors())


def gold_log_odds(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the log-odds of each example's gold class; the number itself for a regression.

    With several labels, the mean over labels of the log-odds of what is right, z or −z: a choice
    of this project.

    Shapes: logits (B, C), labels (B,), with several labels (B, C) -> (B,).
    """
    if labels.ndim == 2:
        return ((2 * labels - 1) * logits).mean(-1)
    return log_odds(logits, labels)


def mean_absolute(
    model: PreTrainedModel, data: Encoded, of_batch: UnitValues, options: PassOptions
) -> tuple[Matrix, Matrix]:
    """Return the mean over examples of the absolute values of every unit.

    Args:
        of_batch: Returns the values of a batch: heads[l] (B, H_l), neurons[l] (B, F_l).

    Shapes: -> heads (L, H), neurons (L, F).
    Raises:
        Incompatible: layers of different sizes, as after pruning. BadInput: NaN; no examples.
    """
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
            found = of_batch(data.batch(rows, model.device), taps)
            for total, per_layer in zip(sums, found, strict=True):
                total += torch.stack([each.abs().sum(dim=0) for each in per_layer]).cpu()
            done += len(rows)
            options.advance(done, len(data))
    of_heads, of_neurons = ((total / len(data)).numpy() for total in sums)
    _finite(of_heads, of_neurons)
    return of_heads, of_neurons
