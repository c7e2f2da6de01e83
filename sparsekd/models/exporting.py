"""Exports: full-size models with zeros, ONNX graphs, and the check that they agree."""

import copy
import logging
import runpy
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import (
    AutoModelForSequenceClassification,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as progress

from sparsekd.data.batches import takes_segments
from sparsekd.errors import Incompatible
from sparsekd.models import architectures, load_pruned
from sparsekd.models.gates import gated
from sparsekd.models.pruning import resize
from sparsekd.units.shape import ModelShape, UnitMask

LOADER = Path(load_pruned.__file__)
ONNX = "model.onnx"
ONE_FILE = (
    2**30
)  # bytes of weights in the ONNX file, whose limit is 2 GiB; larger models have a second file
SIZES = ((3, 11), (1, 4), (5, 24))  # batch and length of the inputs on which an export is checked
TOLERANCE = 1e-4

Inputs = dict[str, Tensor]
Runner = Callable[[Inputs], Tensor]


def widened(smaller: PreTrainedModel, mask: UnitMask | None = None) -> PreTrainedModel:
    """Restore a pruned model's full sizes, with zeros where units were removed.

    Plain `from_pretrained` loads the result. A block without units has no output bias, so that
    its output is LayerNorm(input).

    Args:
        mask: The original indices of the kept units; without it they come first in their layer.

    Shapes: mask.heads (L, H), mask.neurons (L, F), true = kept.
    Source: Yang, Zhang, Song, EMNLP 2022, arXiv 2210.03923 (a block without units).

    Raises:
        Incompatible: the mask does not keep as many units as the model has.
    """
    wide, shape = copy.deepcopy(smaller), full_shape(smaller.config)
    for number, layer in enumerate(architectures.layers(wide)):
        size, (_, heads, neurons) = layer.head_size, shape.grid()
        kept = _places(_row(mask, "heads", number), layer.heads, f"heads of layer {number}")
        columns = (kept[:, None] * size + torch.arange(size)).flatten()
        for projection in (layer.query, layer.key, layer.value):
            _spread(projection, heads * size, rows=columns)
        _spread(layer.head_site, heads * size, columns=columns)
        kept = _places(_row(mask, "neurons", number), layer.neurons, f"neurons of layer {number}")
        _spread(layer.expansion, neurons, rows=kept)
        _spread(layer.neuron_site, neurons, columns=kept)
    return wide


def full_shape(config: PretrainedConfig) -> ModelShape:
    """Return the sizes of an unpruned classifier of this configuration."""
    with torch.device("meta"):
        return architectures.shape(AutoModelForSequenceClassification.from_config(config))


def to_onnx(model: PreTrainedModel, path: Path) -> None:
    """Write an ONNX graph from token ids to logits; batch and length are dynamic.

    Inputs `input_ids`, `attention_mask` and, for models with segments, `token_type_ids`, int64
    (B, T); output `logits` float32 (B, C).
    """
    example = sample_inputs(model, 2, 6)
    free = {0: torch.export.Dim("batch"), 1: torch.export.Dim("tokens")}
    with _quiet():
        program = torch.onnx.export(
            _Logits(model, tuple(example)).eval(),
            tuple(example.values()),
            dynamo=True,
            dynamic_shapes=(tuple(dict(free) for _ in example),),
            input_names=list(example),
            output_names=["logits"],
            verbose=False,
        )
    weights = sum(each.numel() * each.element_size() for each in model.parameters())
    if program is None:  # allowed by its type, but not with dynamo=True
        raise Incompatible("torch cannot export this model to ONNX.", "Choose the pruned format.")
    program.save(path, external_data=weights > ONE_FILE)


def sample_inputs(model: PreTrainedModel, examples: int, tokens: int, seed: int = 0) -> Inputs:
    """Return random token ids of decreasing lengths, in two segments where the model has them.

    Shapes: -> (B, T).
    """
    shape, config = architectures.shape(model), model.config
    tokens = min(tokens, architectures.max_tokens(model))
    padding = config.pad_token_id or 0
    drawn = torch.Generator().manual_seed(seed)
    ids = torch.randint(shape.vocabulary - 1, (examples, tokens), generator=drawn)
    ids += ids >= padding  # every id except the padding's
    lengths = torch.linspace(tokens, max(1, tokens // 2), examples).long()
    places = torch.arange(tokens).expand(examples, tokens)
    real = places < lengths[:, None]
    made = {"input_ids": torch.where(real, ids, padding), "attention_mask": real.long()}
    if takes_segments(model):
        made["token_type_ids"] = ((places > tokens // 2) & real).long()
    return made


def fitting(tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel) -> PreTrainedTokenizerBase:
    """Copy the tokenizer and make it return the model's inputs by default, with segments or not.

    Without them a model that was trained on pairs would read both texts as one.
    """
    same = copy.deepcopy(tokenizer)
    names = list(sample_inputs(model, 1, 4))
    same.model_input_names = names
    same.init_kwargs["model_input_names"] = names  # what is saved
    return same


def runner(model: PreTrainedModel) -> Runner:
    """Return the function from inputs to logits."""

    @torch.no_grad()
    def run(inputs: Inputs) -> Tensor:
        logits: Tensor = model(**inputs).logits
        return logits

    return run


def gated_runner(model: PreTrainedModel, mask: UnitMask) -> Runner:
    """Return the function from inputs to the masked model's logits, the reference of exports.

    Raises:
        Incompatible: at the first call, if the mask belongs to a model of another shape.
    """
    bare = runner(model)

    def run(inputs: Inputs) -> Tensor:
        with gated(model, mask):
            return bare(inputs)

    return run


def reopened(folder: Path, form: str) -> Runner:
    """Open an export like its user: with its loader, `from_pretrained` or onnxruntime."""
    if form == "pruned":
        return runner(runpy.run_path(str(folder / LOADER.name))["load"](folder))
    if form == "gated":
        with _quiet():
            model = AutoModelForSequenceClassification.from_pretrained(
                folder, local_files_only=True
            )
        return runner(model.eval())
    session = onnxruntime.InferenceSession(folder / ONNX, providers=["CPUExecutionProvider"])

    def run(inputs: Inputs) -> Tensor:
        given = {name: each.numpy() for name, each in inputs.items()}
        return torch.from_numpy(session.run(["logits"], given)[0])

    return run


def compare(model: PreTrainedModel, known: Runner, copied: Runner) -> dict[str, Any]:
    """Return the largest difference of logits on random texts of several sizes.

    Raises:
        Incompatible: the copy's logits differ.
    """
    found = 0.0
    for seed, (examples, tokens) in enumerate(SIZES):
        inputs = sample_inputs(model, examples, tokens, seed)
        one, other = known(inputs), copied(inputs)
        found = max(found, float((one - other).abs().max()))
        if not torch.allclose(one, other, atol=TOLERANCE, rtol=TOLERANCE):
            raise Incompatible(
                f"The exported model's logits differ from the original's by up to {found:.2g}.",
                "Nothing was written. Please report this.",
            )
    return {"texts": sum(size for size, _ in SIZES), "largest_difference": found}


class _Logits(nn.Module):
    """A classifier as a function of tensors in a fixed order."""

    def __init__(self, model: PreTrainedModel, names: tuple[str, ...]) -> None:
        super().__init__()
        self.model, self.names = model, names

    def forward(self, *columns: Tensor) -> Tensor:
        logits: Tensor = self.model(**dict(zip(self.names, columns, strict=True))).logits
        return logits


def _row(mask: UnitMask | None, units: str, layer: int) -> NDArray[np.bool_] | None:
    row: NDArray[np.bool_] | None = None if mask is None else getattr(mask, units)[layer]
    return row


def _places(kept: NDArray[np.bool_] | None, count: int, what: str) -> Tensor:
    found = np.arange(count) if kept is None else np.flatnonzero(kept)
    if len(found) != count:
        raise Incompatible(
            f"The mask keeps {len(found)} {what}, the model has {count}.",
            "Use the mask with which this model was pruned.",
        )
    return torch.from_numpy(found)


def _spread(
    linear: nn.Linear, total: int, rows: Tensor | None = None, columns: Tensor | None = None
) -> None:
    """Put a matrix's rows (columns) at these indices among `total`; the others are zeros."""
    old, bias = linear.weight.detach(), linear.bias
    if rows is not None:
        weight, wide = old.new_zeros(total, old.shape[1]), old.new_zeros(total)
        weight[rows] = old
        wide[rows] = bias.detach()
    else:
        weight = old.new_zeros(old.shape[0], total)
        weight[:, columns] = old
        wide = old.new_zeros(old.shape[0]) if bias is None else bias.detach()
    resize(linear, weight, wide)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the libraries' progress bars, logs and warnings."""
    log = logging.getLogger("torch.onnx")
    level, bars = log.level, progress.is_progress_bar_enabled()
    log.setLevel(logging.ERROR)
    progress.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)
        if bars:
            progress.enable_progress_bar()
