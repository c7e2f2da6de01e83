"""The files that a stage leaves: a model with its shape, logits and metrics; inspected examples."""

import json
from typing import Any

import pandas as pd
from transformers import PreTrainedModel

from sparsekd.knowledge.evaluation import evaluate
from sparsekd.models import architectures, loading
from sparsekd.runs.records import Outcome
from sparsekd.stages.context import StageContext
from sparsekd.stages.inputs import Splits, save_array, subsampled_rows
from sparsekd.system.files import atomic_write


def save_model(
    context: StageContext, model: PreTrainedModel, splits: Splits, facts: dict[str, Any]
) -> Outcome:
    """Evaluate the model once on each held-out split and save it with its logits."""
    card, metrics, examples = splits.card, {}, {}
    for split in ("selection", *card.validation):
        data = splits[split]
        on_progress = context.progress_callback(f"evaluation on {split}")
        metrics[split], logits = evaluate(model, data, card, context.device, on_progress)
        save_array(context.folder / f"logits-{split}.npy", logits)
        save_array(context.folder / f"labels-{split}.npy", data.labels)
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
        table["label"] = [splits.card.labels[int(label)] for label in table["label"]]
    table["text"] = texts.to_numpy()[subsampled_rows(len(frame), train_examples)][table["row"]]
    atomic_write(context.folder / "findings.parquet", lambda path: table.to_parquet(path))
