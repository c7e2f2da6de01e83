"""What a folder is that is not a checkpoint, and which checkpoint it leads to."""

import re
from pathlib import Path

from sparsekd.checkpoints.files import CONFIG, INDEX, WEIGHTS, read_json
from sparsekd.errors import BadInput, SparseKDError

ADAPTER = "adapter_config.json"
SHOWN = 4  # subfolders in a message


def check_adapter(folder: Path) -> None:
    """Refuse a folder that holds an adapter without its model.

    Raises:
        BadInput: with the base model, and how to merge the two.
    """
    own = (folder / WEIGHTS).is_file() or (folder / INDEX).is_file()
    if own or not (folder / ADAPTER).is_file():
        return
    try:
        found = read_json(folder / ADAPTER)
    except SparseKDError:
        found = {}
    kind, base = found.get("peft_type"), found.get("base_model_name_or_path")
    title = "LoRA" if kind in (None, "LORA") else str(kind)
    of = f" of {base}" if isinstance(base, str) and base else ""
    raise BadInput(
        f"{folder} holds a {title} adapter{of} without its base model.",
        "Merge the two in peft (merge_and_unload), call save_pretrained, and name that folder.",
    )


def not_a_checkpoint(folder: Path) -> BadInput:
    """Return the error for a folder without config.json: what it is, and what to name instead."""
    snapshots = _named(folder, "snapshots/*")
    if snapshots:
        current = [each for each in snapshots if each.name == _main(folder)] or snapshots[-1:]
        return BadInput(
            f"{folder} is a folder of the hub's cache.", f"Name the snapshot in it: {current[0]}"
        )
    cached = sorted(folder.glob("models--*/snapshots")) or sorted(folder.glob("hub/models--*"))
    if cached:
        return BadInput(
            f"{folder} is the hub's cache.",
            "Name a model by its hub id, such as google-bert/bert-base-uncased.",
        )
    steps = sorted(_named(folder, "checkpoint-*"), key=_step)
    if steps:
        names = ", ".join(step.name for step in steps[-SHOWN:])
        return BadInput(
            f"{folder} holds the checkpoints of a Trainer ({names}), but no model of its own.",
            f"Name one of them, such as {_best(steps)}",
        )
    if (folder / "modules.json").is_file():
        inner = _named(folder, "*Transformer*") or _named(folder, "*")
        hint = f"Name the transformer in it: {inner[0]}" if inner else "Its transformer is missing."
        return BadInput(f"{folder} is a model of sentence-transformers.", hint)
    inside = _named(folder, "*")
    if inside:
        names = ", ".join(each.name for each in inside[:SHOWN])
        return BadInput(
            f"{folder} is not a checkpoint: {CONFIG} is missing; there is one in {names}.",
            f"Name the folder itself, such as {inside[0]}",
        )
    if any(folder.glob("*.safetensors")):
        hint = f"Add the {CONFIG} that belongs to its weights, or save it by save_pretrained."
    else:
        hint = f"Name a folder with {CONFIG}, {WEIGHTS} and a tokenizer, as save_pretrained writes."
    return BadInput(f"{folder} is not a checkpoint: {CONFIG} is missing.", hint)


def _named(folder: Path, pattern: str) -> list[Path]:
    """Return the checkpoints among the folders of a pattern."""
    try:
        found = sorted(folder.glob(pattern))
    except OSError:  # a subfolder of another owner
        return []
    return [each for each in found if (each / CONFIG).is_file() or (each / ADAPTER).is_file()]


def _main(folder: Path) -> str:
    """Return the name of the snapshot that the hub's main branch was when it was downloaded."""
    file = folder / "refs" / "main"
    return file.read_text(encoding="utf-8", errors="replace").strip() if file.is_file() else ""


def _best(steps: list[Path]) -> str:
    """Return the checkpoint that the Trainer found best, where it says so, else the last one."""
    state = steps[-1] / "trainer_state.json"
    try:
        found = read_json(state).get("best_model_checkpoint") if state.is_file() else None
    except SparseKDError:
        found = None
    name = Path(found).name if isinstance(found, str) else ""
    best = [step for step in steps if step.name == name]
    return f"the best by its metric: {best[0]}" if best else f"the last: {steps[-1]}"


def _step(folder: Path) -> tuple[int, str]:
    number = re.search(r"\d+$", folder.name)
    return (int(number[0]) if number else -1), folder.name
