"""The model card of an export: recipe.json for programs, README.md for people."""

import json
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import PreTrainedModel

import sparsekd
from sparsekd.catalog import families
from sparsekd.models import architectures
from sparsekd.models.classifiers import PROBLEM_TYPES, labels_of
from sparsekd.models.exporting import full_shape
from sparsekd.runs import store
from sparsekd.system.files import atomic_write
from sparsekd.units import shape
from sparsekd.units.masking import Mask

TOKENS = 128  # of the text whose operations the card counts
USAGE = {
    "pruned": "from transformers import AutoTokenizer\n"
    "from load_pruned import load  # the file beside this one\n\n"
    "model, tokenizer = load(), AutoTokenizer.from_pretrained('.')\n"
    "logits = model(**tokenizer('A text.', return_tensors='pt')).logits",
    "gated": "from transformers import AutoModelForSequenceClassification, AutoTokenizer\n\n"
    "model = AutoModelForSequenceClassification.from_pretrained('.')\n"
    "tokenizer = AutoTokenizer.from_pretrained('.')\n"
    "logits = model(**tokenizer('A text.', return_tensors='pt')).logits",
    "onnx": "import onnxruntime\nfrom transformers import AutoTokenizer\n\n"
    "session = onnxruntime.InferenceSession('model.onnx')\n"
    "tokenizer = AutoTokenizer.from_pretrained('.')\n"
    "inputs = tokenizer(['A text.'], return_tensors='np')\n"
    "wanted = [each.name for each in session.get_inputs()]\n"
    "given = {name: inputs[name].astype('int64') for name in wanted}\n"
    "(logits,) = session.run(['logits'], given)",
}
DESCRIPTIONS = {
    "pruned": "Removed heads and neurons are gone from the weights. `from_pretrained` alone "
    "refuses such a model; `load_pruned.py` needs transformers only and runs no remote code.",
    "gated": "Full size: the weights of removed heads and neurons are zero, so that plain "
    "`from_pretrained` loads it. It is as slow and as large as the dense model.",
    "onnx": "A graph from token ids to logits for onnxruntime; batch and length are free.",
}


_LABELS = {
    PROBLEM_TYPES["classes"]: "Labels",
    PROBLEM_TYPES["labels"]: "Labels, any number of them for each text (a sigmoid for each logit)",
    PROBLEM_TYPES["number"]: "Labels",
}


def facts(
    model: PreTrainedModel, reference: str, form: str, mask: Mask | None, check: dict[str, Any]
) -> dict[str, Any]:
    """Return the content of recipe.json."""
    pruned, full = architectures.shape(model), full_shape(model.config)
    labels, kind = labels_of(model.config)
    return {
        "format": form,
        "model": shortened(reference),
        "recipes": lineage(reference),
        "mask": shortened(mask.provenance) if mask is not None else None,
        "labels": list(labels) or None,
        "problem_type": PROBLEM_TYPES[kind],
        "shape": pruned.to_json(),
        "heads_before": list(full.heads),
        "neurons_before": list(full.neurons),
        "parameters": shape.parameters(pruned),
        "parameters_before": shape.parameters(full),
        "flops": shape.flops(pruned, TOKENS),
        "flops_before": shape.flops(full, TOKENS),
        "flops_tokens": TOKENS,
        "checked": check,
        "metrics": _metrics(reference),
        "versions": {
            "sparsekd": sparsekd.__version__,
            "torch": str(torch.__version__),
            "transformers": transformers.__version__,
        },
    }


def lineage(reference: str) -> dict[str, Any]:
    """Return the recipes of a model's run and of all runs before it, by id; null if deleted."""
    recipes: dict[str, Any] = {}
    pending = [] if ":" in reference else [reference]
    while pending:
        run_id = pending.pop()
        run = store.get_many([run_id]).get(run_id)
        recipes[run_id] = shortened(json.loads(run.recipe.to_json())) if run else None
        pending += [each for each in run.recipe.needs if each not in recipes] if run else []
    return recipes


def shortened(value: Any) -> Any:
    """Return the facts without paths of this machine: a folder's name and fingerprint are kept."""
    if isinstance(value, dict):
        return {name: shortened(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [shortened(each) for each in value]
    if isinstance(value, str) and value.startswith("folder:"):
        path, _, fingerprint = value.removeprefix("folder:").rpartition("#")
        return f"folder:{Path(path).name}#{fingerprint}"
    return value


def write(folder: Path, known: dict[str, Any], evaluated: bool) -> None:
    """Write recipe.json and README.md into an export.

    Args:
        evaluated: Whether the metrics are those of the exported model, not of the one before it.
    """
    recipe = json.dumps(known, indent=2, ensure_ascii=False)
    atomic_write(folder / "recipe.json", lambda path: path.write_text(recipe, encoding="utf-8"))
    words = card(known, evaluated)
    atomic_write(folder / "README.md", lambda path: path.write_text(words, encoding="utf-8"))


def card(known: dict[str, Any], evaluated: bool) -> str:
    """Return the text of README.md; what comes from data is in code blocks, not in markup."""
    form = known["format"]
    smaller = known["parameters"] < known["parameters_before"]
    parts = [
        _header(known),
        f"# {_title(known['shape']['architecture'])} classifier{', pruned' if smaller else ''}",
        f"Exported by SparseKD as `{form}`. {DESCRIPTIONS[form]}",
        f"```python\n{USAGE[form]}\n```",
        "## What is in it",
        _sizes(known),
        _layers(known),
        _LABELS[known["problem_type"]]
        + ", in the order of the logits:\n\n"
        + _json(known["labels"] if known["labels"] is not None else "a number"),
        "## Checked",
        f"Before it was published, this export was opened as above and gave the model's logits "
        f"on {known['checked']['texts']} random texts; the largest difference was "
        f"{known['checked']['largest_difference']:.1e}.",
        _measured(known["metrics"], evaluated),
        "## Where it comes from",
        "`recipe.json` has every step with its parameters and seed. The method is StarK (Yang, "
        "Zhang, Song, EMNLP 2022, [arXiv 2210.03923](https://arxiv.org/abs/2210.03923)). The "
        "licence is that of the checkpoint that it started from.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _header(known: dict[str, Any]) -> str:
    base = next(
        (
            each.removeprefix("hub:")
            for recipe in known["recipes"].values()
            if recipe
            for each in recipe["inputs"].values()
            if each.startswith("hub:")
        ),
        None,
    )
    lines = ["library_name: " + ("onnx" if known["format"] == "onnx" else "transformers")]
    lines += ["pipeline_tag: text-classification", "tags:", "- sparsekd", "- pruning"]
    # Any JSON string is a YAML string too.
    lines += [f"base_model: {json.dumps(base)}"] if base else []
    return "\n".join(["---", *lines, "---"])


def _title(architecture: str) -> str:
    return families.find(architecture).title


def _sizes(known: dict[str, Any]) -> str:
    return (
        "| | before | here |\n|---|---:|---:|\n"
        f"| parameters | {known['parameters_before']:,} | {known['parameters']:,} |\n"
        f"| operations on {known['flops_tokens']} tokens | {known['flops_before']:,} | "
        f"{known['flops']:,} |\n\n"
        "Both count what is not zero; operations are 2 per multiply-add, matrix products only."
    )


def _layers(known: dict[str, Any]) -> str:
    kept, all_heads, all_neurons = known["shape"], known["heads_before"], known["neurons_before"]
    counts = zip(kept["heads"], all_heads, kept["neurons"], all_neurons, strict=True)
    rows = [
        f"| {layer} | {heads} of {most_heads} | {neurons:,} of {most_neurons:,} |"
        for layer, (heads, most_heads, neurons, most_neurons) in enumerate(counts, start=1)
    ]
    return "\n".join(["| layer | heads | neurons |", "|---:|---:|---:|", *rows])


def _measured(metrics: dict[str, Any], evaluated: bool) -> str:
    if not metrics:
        return ""
    words = "Measured" if evaluated else "Measured before the mask was applied, not after"
    return f"## Quality\n\n{words}:\n\n{_json(metrics)}"


def _json(value: Any) -> str:
    # A fence inside the text would end the block: backticks are written as escapes.
    text = json.dumps(value, indent=2, ensure_ascii=False).replace("`", "\\u0060")
    return f"```json\n{text}\n```"


def _metrics(reference: str) -> dict[str, Any]:
    return {} if ":" in reference else store.get(reference).outcome.metrics
