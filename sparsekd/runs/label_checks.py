"""Whether a task has the gold labels that trainings keep or replace, said before a run starts."""

import functools
from collections.abc import Iterable

from sparsekd.catalog.parameters import TrainParams
from sparsekd.runs import references
from sparsekd.runs.kept_groups import kept_groups
from sparsekd.runs.records import Recipe
from sparsekd.tasks import TaskCard, summary, supervision
from sparsekd.tasks.labels import label_values
from sparsekd.tasks.splits import subsampled_rows, with_selection
from sparsekd.tasks.supervision import KnownLabels


def check(recipes: Iterable[Recipe]) -> None:
    """Refuse trainings that keep more gold labels than there are, or replace labels of no class.

    Of a task on the hub the run says so.

    Raises:
        BadInput, Incompatible: see `supervision.known_labels`.
    """
    gold = functools.cache(_gold)
    for task, examples, labelled, noise, seed in sorted(set(map(_draw, recipes))):
        card = references.card(task) if labelled or noise else None
        if card is not None:
            supervision.check_noise(card, noise)
            labels = gold(card, examples)
            if labels is not None:
                supervision.known_labels(card, labels, labelled, noise, seed)


def _draw(recipe: Recipe) -> tuple[str, int, int, float, int]:
    """Return what decides the labels of a training: task, examples, labels, noise and seed."""
    train = TrainParams.of(recipe.params.get("train", {}))
    return recipe.task, train.train_examples, train.labelled, train.label_noise, recipe.seed


def _gold(card: TaskCard, examples: int) -> KnownLabels | None:
    """Return the gold labels of `examples` training rows, 0: all, and of the selection split."""
    splits = summary.read_splits(card)
    if splits is None:
        return None
    splits = with_selection(splits, card, kept_groups)
    train, selection = (label_values(splits[name]["label"]) for name in ("train", "selection"))
    return KnownLabels(train[subsampled_rows(len(train), examples)], selection)
