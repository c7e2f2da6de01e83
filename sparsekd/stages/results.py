"""What a stage that makes a model leaves behind: the model, its sizes, its answers, its metrics."""

import json
from typing import Any

import pandas as pd
from transformers import PreTrainedModel

from sparsekd.knowledge.evaluation import evaluate
from sparsekd.models import architectures, loading
from sparsekd.runs.records import Outcome
from sparsekd.stages.context import Desk
from sparsekd.stages.inputs import Splits, drawn, passing, save_array
from sparsekd.system.files import replace


def deliver(desk: Desk, model: PreTrainedModel, splits: Splits, facts: dict[str, Any]) -> Outcome:
    """Evaluate on selection and validation, once, and write everything a page may want to read."""
    card, metrics, examples = splits.card, {}, {}
    for split in ("selection", *card.validation):
        data = splits[split]
        hear = passing(desk, f"evaluation on {split}")
        metrics[split], logits = evaluate(model, data, card, desk.device, hear)
        save_array(desk.folder / f"logits-{split}.npy", logits)
        save_array(desk.folder / f"labels-{split}.npy", data.labels)
        examples[split] = len(data)
    loading.save(model, splits.tokenizer, desk.folder / "model")
    save_shape(desk, model)
    parameters = sum(weight.numel() for weight in model.parameters())
    return Outcome(metrics, {"parameters": parameters, "examples": examples} | facts)


def save_shape(desk: Desk, model: PreTrainedModel) -> None:
    """Write the sizes of a model, from which pages count parameters and FLOPs."""
    sizes = json.dumps(architectures.shape(model).to_json())
    replace(desk.folder / "shape.json", lambda path: path.write_text(sizes, encoding="utf-8"))


def save_findings(
    desk: Desk, splits: Splits, found: list[dict[str, Any]], train_examples: int
) -> None:
    """Write what a method found out about some training examples, if anything, with their text."""
    if not found:
        return
    table, frame = pd.DataFrame(found), splits.frames["train"]
    columns = [frame[name] for name in ("text", "pair") if name in frame]
    texts = columns[0].str.cat(columns[1:], sep=" | ").to_numpy()
    if "label" in table and splits.card.labels:
        table["label"] = [splits.card.labels[int(label)] for label in table["label"]]
    table["text"] = texts[drawn(len(frame), train_examples)][table["row"]]
    replace(desk.folder / "findings.parquet", lambda path: table.to_parquet(path))
