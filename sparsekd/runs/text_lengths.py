"""Whether a model has positions for a task's texts, said before a run starts.

Texts are counted in the model's own tokens where both are on this machine; otherwise the run says
it.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from tokenizers import Tokenizer

from sparsekd import checkpoints
from sparsekd.catalog.stage_parameters import StudentParams
from sparsekd.checkpoints.tokenizer_files import FAST
from sparsekd.errors import Incompatible, SparseKDError
from sparsekd.runs import references, store
from sparsekd.runs.records import Recipe
from sparsekd.tasks import TaskCard, summary

CHUNK = 4096
SPECIAL = 4  # tokens that a tokenizer adds to a pair of texts, at most


def check(recipes: Iterable[Recipe]) -> None:
    """Refuse runs with texts that are longer than a model has positions for.

    Raises:
        Incompatible: with the longest text and the model's limit.
    """
    planned = {recipe.run_id: recipe for recipe in recipes}
    asked = {
        (recipe.task, reference, length)
        for recipe in planned.values()
        if (length := _max_length(recipe))
        for reference in _checkpoints(recipe, planned)
    }
    for task, reference, length in sorted(asked):
        folder = _folder(reference)
        positions = checkpoints.inspect(folder).positions if folder else length
        if folder and positions < length and (folder / FAST).is_file():
            longest = min(length, _longest(references.card(task), folder / FAST, positions))
            if longest > positions:
                raise too_long(longest, positions)


def too_long(longest: int, positions: int) -> Incompatible:
    """Return the error for texts that are longer than a model has positions for, in tokens."""
    return Incompatible(
        f"This model reads at most {positions} tokens, the longest text has {longest}.",
        f"Lower the maximum length (--max-length) to {positions}; longer texts are then truncated.",
    )


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


def _folder(reference: str) -> Path | None:
    """Return the folder of a checkpoint from outside; None where it is not here as it was."""
    kind, _, rest = reference.partition(":")
    try:
        if kind == "folder":
            return references.folder(reference)
        return checkpoints.cached(rest) if kind == "hub" else None
    except SparseKDError:
        return None  # the run says what is wrong


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
