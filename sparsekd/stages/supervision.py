"""The gold labels that the training of a run knows, and the labels that select its epoch."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparsekd.catalog.parameters import MethodParams, TrainParams
from sparsekd.errors import Incompatible
from sparsekd.runs import store
from sparsekd.stages import inputs
from sparsekd.stages.context import StageContext
from sparsekd.stages.inputs import Splits
from sparsekd.stages.teacher_answers import teacher_answers
from sparsekd.tasks import supervision
from sparsekd.tasks.labels import is_labelled, without_labels
from sparsekd.tasks.predictions import probabilities
from sparsekd.tasks.splits import subsampled_rows
from sparsekd.tasks.supervision import KnownLabels


def known_labels(splits: Splits, params: TrainParams, seed: int) -> KnownLabels:
    """Return the labels of the examples that a training draws, and those of the selection split."""
    drawn = inputs.subsample(splits["train"], params.train_examples).labels
    gold = KnownLabels(drawn, splits["selection"].labels)
    return supervision.known_labels(splits.card, gold, params.labelled, params.label_noise, seed)


def labels_known_to(reference: str, splits: Splits, split: str) -> NDArray[Any]:
    """Return the labels of a split that the training of a run knew.

    All gold labels for a model from outside, and for a split that no training knows.

    Shapes: -> (N,), with several labels (N, C), N here the number of examples.
    """
    labels = splits[split].labels
    recipe = None if ":" in reference else store.get(reference).recipe
    if recipe is None or "train" not in recipe.params or split in splits.card.validation:
        return labels
    params = TrainParams.of(recipe.params["train"])
    known = known_labels(splits, params, recipe.seed)
    if split == "selection":
        return known.selection
    found = without_labels(labels, np.zeros(0, dtype=np.int64))
    found[subsampled_rows(len(labels), params.train_examples)] = known.train
    return found


def selection_labels(
    context: StageContext,
    known: KnownLabels,
    teachers: list[str],
    splits: Splits,
    method: MethodParams,
) -> NDArray[Any]:
    """Return the labels that select an epoch: those known, without any the teachers' mean answers.

    Shapes: -> (M,), with several labels (M, C), M the examples of the selection split.
    Raises:
        Incompatible: there is neither a label nor a teacher.
    """
    if is_labelled(known.selection).any():
        return known.selection
    if not teachers:
        raise Incompatible(
            f"{splits.card.name} has no gold label to select an epoch by, the method no teacher.",
            "Choose a method with a teacher, or training data with labels.",
        )
    params = TrainParams.of(context.recipe.params["train"])
    answers = teacher_answers(context, teachers, splits.card, params, method, "selection")
    if splits.card.regression:
        return np.asarray(np.mean(answers, axis=0)[:, 0])
    shares = probabilities(splits.card.kind, np.stack(answers)).mean(axis=0)
    if splits.card.multilabel:
        return np.asarray(shares > 0.5, dtype=np.float32)
    return np.asarray(shares.argmax(axis=-1))
