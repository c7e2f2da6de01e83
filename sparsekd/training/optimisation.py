"""AdamW, its learning-rate schedule, and its moments as named tensors."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.optim import AdamW

from sparsekd.catalog.parameters import TrainParams


def adamw(modules: Iterable[nn.Module], params: TrainParams) -> AdamW:
    """Return a fused AdamW that decays matrices, not vectors (biases and layer norms).

    Source: Yang, Zhang, Song, EMNLP 2022, arXiv 2210.03923 (reference scripts).
    """
    weights = [
        weight
        for module in modules
        for weight in module.parameters()
        if weight.requires_grad and weight.numel()
    ]
    groups = [
        {"params": [w for w in weights if w.ndim >= 2], "weight_decay": params.weight_decay},
        {"params": [w for w in weights if w.ndim < 2], "weight_decay": 0.0},
    ]
    return AdamW(groups, lr=params.learning_rate, eps=params.epsilon, fused=True)


def weights_of(optimiser: AdamW) -> list[Tensor]:
    """Return every tensor that the optimiser updates, in its order."""
    return [weight for group in optimiser.param_groups for weight in group["params"]]


def learning_rate_at(step: int, steps: int, params: TrainParams) -> float:
    """Return the learning rate: linear warm-up, then linear decay, never 0 in the planned steps.

    `step` counts from 0: the last step of the warm-up and the one after it are at the peak.
    """
    warmup = round(params.warmup * steps)
    if step < warmup:
        return params.learning_rate * (step + 1) / warmup
    return params.learning_rate * (steps - step) / max(1, steps - warmup)


def moments(optimiser: AdamW) -> dict[str, Tensor]:
    """Return the optimiser's state as tensors named "index/kind", by the index of the weight."""
    return {
        f"{index}/{kind}": value
        for index, weight in enumerate(weights_of(optimiser))
        for kind, value in optimiser.state.get(weight, {}).items()
    }


def set_moments(optimiser: AdamW, values: dict[str, Tensor]) -> None:
    """Restore the state that `moments` returned."""
    weights = weights_of(optimiser)
    for name, value in values.items():
        index, kind = name.split("/")
        weight = weights[int(index)]
        fresh = torch.empty_like(value if kind == "step" else weight, device=weight.device)
        optimiser.state[weight][kind] = fresh.copy_(value)
