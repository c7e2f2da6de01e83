"""The files that a stage leaves: a model with its shape, logits and metrics; inspected examples."""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from transformers import PreTrainedModel

from sparsekd.knowledge.evaluation import predict
from sparsekd.models import architectures, loading
from sparsekd.runs.records import Outcome
from sparsekd.stages.context import StageContext
from sparsekd.stages.inputs import Splits, save_array
from sparsekd.system.files import atomic_write
from sparsekd.tasks.labels import is_labelled
from sparsekd.tasks.metrics import evaluate
from sparsekd.tasks.predictions import label_text
from sparsekd.tasks.splits import subsampled_rows


def save_model(
    context: StageContext,
    model: PreTrainedModel,
    splits: Splits,
    facts: dict[str, Any],
    known: Mapping[str, NDArray[Any]] = MappingProxyType({}),
) -> Outcome:
    """Evaluate the model once on each held-out split and save it with its logits.

    Args:
        known: The labels that the training knew, by split, where they are not the gold labels; a
            metric is that of the labelled examples.
    """
    card, metrics, examples = splits.card, {}, {}
    for split in ("selection", *card.validation):
        data = splits[split]
        on_progress = context.progress_callback(f"evaluation on {split}")
        logits = predict(model, data, context.device, on_progress)
        labels = known.get(split, data.labels)
        rows = np.flatnonzero(is_labelled(labels))
        metrics[split] = evaluate(card, logits[rows], labels[rows])
        save_array(context.folder / f"logits-{split}.npy", logits)
        save_array(context.folder / f"labels-{split}.npy", labels)
        examples[split] = len(data)
    loading.save(model, splits.tokenizer, context.folder / "model")
    save_shape(context, model)
    parameters = sum(weight.numel() for weight in model.parameters())
    return Outcome(metrics, {"parameters": parameters, "examples": examples} | facts)


def save_shape(context: StageContext, model: PreTrainedModel) -> None:
    """Write the sizes of a model, from which pages count parameters and FLOPs."""
    sizes = json.dumps(architectures.shape(model).to_json())
    atomic_write(
        context.folder / "shape.json", lambda path: path.write_text(sizes, encoding="utf-8")
    )


def save_inspected_examples(
    context: StageContext, splits: Splits, rows: list[dict[str, Any]], train_examples: int
) -> None:
    """Write a method's table rows about training examples, if there are any, with their texts."""
    if not rows:
        return
    table, frame = pd.DataFrame(rows), splits.frames["train"]
    first = frame["text"]
    texts = first.str.cat(frame["pair"], sep=" | ") if "pair" in frame else first
    if "label" in table and splits.card.labels:
        table["label"] = [label_text(splits.card, label) for label in table["label"]]
    table["text"] = texts.to_numpy()[subsampled_rows(len(frame), train_examples)][table["row"]]
    atomic_write(context.folder / "findings.parquet", lambda path: table.to_parquet(path))
