"""Whether checkpoints fit a task, said before a run starts: their labels, and lengths of texts.

Texts are counted in the model's own tokens where both are on this machine; otherwise the run says
what is wrong.
"""

import functools
from collections.abc import Iterable, Mapping
from pathlib import Path

from tokenizers import Tokenizer

from sparsekd.catalog.stage_parameters import StudentParams
from sparsekd.checkpoints import Inspected, classifier
from sparsekd.checkpoints.tokenizer_files import FAST
from sparsekd.errors import BadInput, Incompatible, NotFound
from sparsekd.runs import references, store
from sparsekd.runs.records import Recipe
from sparsekd.tasks import TaskCard, summary

CHUNK = 4096
SPECIAL = 4  # tokens that a tokenizer adds to a pair of texts, at most


def check(recipes: Iterable[Recipe]) -> None:
    """Refuse runs of checkpoints that have other labels, or no positions for the longest text.

    Raises:
        BadInput: a teacher that is no finished classifier.
        Incompatible: other labels, or a longer text, with the model's limit.
    """
    wanted = list(recipes)
    inspected = functools.cache(_inspected)
    for task, reference, label_order in sorted(_classifiers(wanted)):
        found = inspected(reference)
        if found:
            classifier.check(found, references.card(task), label_order)
    for reference in sorted(_exported(wanted)):
        found = inspected(reference)
        if found:
            classifier.check_outputs(found)
    for task, reference, length in sorted(_readers(wanted)):
        found = inspected(reference)
        if found and found.positions < length and (found.folder / FAST).is_file():
            card, positions = references.card(task), found.positions
            longest = min(length, _longest(card, found.folder / FAST, positions))
            if longest > positions:
                raise too_long(longest, positions)


def assumptions(recipes: Iterable[Recipe]) -> str:
    """Return in words which orders of labels are assumed of models from outside; else empty."""
    found = set()
    for task, reference, label_order in _classifiers(recipes):
        model = None if label_order else _inspected(reference)
        if model and model.outputs:
            found.add(classifier.assumption(model.labels[0], references.card(task)))
    return " ".join(sorted(found - {""}))


def too_long(longest: int, positions: int) -> Incompatible:
    """Return the error for texts that are longer than a model has positions for, in tokens."""
    return Incompatible(
        f"This model reads at most {positions} tokens, the longest text has {longest}.",
        f"Lower the maximum length (--max-length) to {positions}; longer texts are then truncated.",
    )


def _classifiers(recipes: Iterable[Recipe]) -> set[tuple[str, str, tuple[str, ...]]]:
    """Return tasks with the checkpoints that are taken for their classifiers, and label orders."""
    return {
        (recipe.task, reference, tuple(recipe.params.get("label_order", ())))
        for recipe in recipes
        for reference in _used_as_they_are(recipe)
    }


def _exported(recipes: Iterable[Recipe]) -> set[str]:
    """Return the models from outside that are exported or measured, whatever their labels are."""
    return {recipe.inputs["model"] for recipe in recipes if ":" in recipe.inputs.get("model", "")}


def _used_as_they_are(recipe: Recipe) -> set[str]:
    """Return the models from outside that a run takes for finished classifiers."""
    if recipe.stage == "finetune":
        named = [recipe.inputs["checkpoint"]] if recipe.as_it_is else []
    else:
        roles = [role for role in recipe.inputs if role.startswith(("teacher", "student"))]
        named = [recipe.inputs[role] for role in roles]
    return {name for name in named if ":" in name}


def _readers(recipes: Iterable[Recipe]) -> set[tuple[str, str, int]]:
    """Return tasks with the checkpoints whose models read their texts, and maximum lengths."""
    planned = {recipe.run_id: recipe for recipe in recipes}
    return {
        (recipe.task, reference, length)
        for recipe in planned.values()
        if (length := _max_length(recipe))
        for reference in _checkpoints(recipe, planned)
    }


def _max_length(recipe: Recipe) -> int | None:
    return recipe.params.get("max_length") or recipe.params.get("train", {}).get("max_length")


def _checkpoints(recipe: Recipe, planned: Mapping[str, Recipe]) -> set[str]:
    """Return the checkpoints from outside whose positions a run's models have."""
    found, open_ends = set(), list(recipe.inputs.values())
    student = recipe.params.get("student")
    if recipe.stage == "distil" and student and student["choice"] == "checkpoint":
        open_ends.append(StudentParams.of(student).checkpoint)
    while open_ends:
        name = open_ends.pop()
        if ":" in name:
            found.add(name)
            continue
        known = planned.get(name)
        run = None if known else store.get_many([name]).get(name)
        made = known or (run.recipe if run else None)
        if made and made.stage in references.MODEL_STAGES:
            open_ends += made.inputs.values()
    return found


def _inspected(reference: str) -> Inspected | None:
    """Inspect a checkpoint from outside; None where it is not here as it was."""
    try:
        return references.inspected(reference)
    except (NotFound, BadInput):
        return None  # gone or changed since it was named: the run says what is wrong


def _longest(card: TaskCard, file: Path, positions: int) -> int:
    """Return the tokens of a task's longest text, or `positions` where none is longer.

    A text has at most as many tokens as bytes, so that short ones are not counted.
    """
    splits = summary.read_splits(card)
    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    longest = positions
    for frame in (splits or {}).values():
        columns = [name for name in ("text", "pair") if name in frame]
        rows = list(zip(*(frame[name].tolist() for name in columns), strict=True))
        suspects = [
            row if len(row) > 1 else row[0]
            for row in rows
            if sum(len(text.encode(errors="replace")) for text in row) + SPECIAL > positions
        ]
        for start in range(0, len(suspects), CHUNK):
            encoded = tokenizer.encode_batch(suspects[start : start + CHUNK])
            longest = max(longest, *(len(each.ids) for each in encoded))
    return longest
