"""The answers that a student learns from: its teachers', or what a control puts in their place."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax

from sparsekd.catalog.parameters import MethodParams, TrainParams
from sparsekd.catalog.stage_parameters import StudentParams
from sparsekd.knowledge.evaluation import Logits, predict
from sparsekd.models import architectures, students
from sparsekd.stages import inputs
from sparsekd.stages.context import StageContext, limit_threads
from sparsekd.tasks import TaskCard
from sparsekd.tasks.answers.values import FLOOR
from sparsekd.tasks.labels import is_labelled
from sparsekd.tasks.softness import matching_temperature, mean_entropy

SHUFFLE, UNTRAINED = 1, 2  # beside the run's seed: unlike the draws of its student


def teacher_answers(
    context: StageContext,
    names: list[str],
    card: TaskCard,
    params: TrainParams,
    method: MethodParams,
    split: str = "train",
) -> list[Logits]:
    """Return the logits that stand for each teacher's answers to a split.

    Those of smoothed labels are `smoothed`, made of these. Where an entropy is matched they are
    scaled: softened at T, the temperature of the method, they are those of the dense teacher at
    its own. The student and the factor T² keep T, so that such a student and that of the sparse
    teacher differ in their soft labels alone.

    Shapes: -> one (N, C) per teacher, N here the number of examples.
    """
    if method.answer_control == "untrained":
        return [_untrained(context, name, card, params, split) for name in names]
    logits = [inputs.teacher_logits(context, name, card, params, split) for name in names]
    if method.answer_control == "shuffled":
        return [shuffled(each, context.recipe.random_seed) for each in logits]
    if method.answer_control == "matched_entropy":
        temperature = method.softened or 1.0
        own = teacher_temperature(context, names[0], card, params, temperature)
        return [each * np.float32(temperature / own) for each in logits]
    return logits


def teacher_temperature(
    context: StageContext, dense: str, card: TaskCard, params: TrainParams, temperature: float
) -> float:
    """Return the dense teacher's temperature at which it is as soft as the sparse one at T.

    Both mean entropies are those of the training texts that are drawn.

    Raises:
        Incompatible: no temperature gives the dense teacher this entropy.
    """
    sparse = context.recipe.inputs["entropy_of"]
    own, other = (inputs.teacher_logits(context, name, card, params) for name in (dense, sparse))
    return matching_temperature(card.kind, own, mean_entropy(card.kind, other, temperature))


def soft_label_facts(
    context: StageContext,
    card: TaskCard,
    params: TrainParams,
    method: MethodParams,
    logits: list[Logits],
    labels: NDArray[Any],
) -> dict[str, float]:
    """Return the mean entropy of the soft labels that are learned, and their teacher's temperature.

    Empty without soft labels of one teacher. Only of labelled texts where no other is used.

    Shapes: logits (N, C) of one teacher, labels (N,), with several labels (N, C).
    """
    temperature = method.softened
    if len(logits) != 1 or card.regression or temperature is None:
        return {}
    used = logits[0][is_labelled(labels)] if method.labelled_only else logits[0]
    if not len(used):
        return {}
    own = temperature
    if method.answer_control == "matched_entropy":
        dense = context.recipe.teachers[0]
        own = teacher_temperature(context, dense, card, params, temperature)
    entropy = mean_entropy(card.kind, used, temperature)
    return {"soft_label_entropy": entropy, "teacher_temperature": own}


def shuffled(logits: Logits, seed: int) -> Logits:
    """Return the answers of other texts: the same ones, in an order drawn by seed.

    Shapes: (N, C) -> (N, C).
    """
    return np.random.default_rng([seed, SHUFFLE]).permutation(logits)


def smoothed(logits: Logits, labels: NDArray[Any], temperature: float) -> Logits:
    """Return logits of smoothed gold labels that are as confident as the teacher.

    At the temperature the gold class has the teacher's mean confidence, the mean over the texts of
    its highest probability, and the other classes share the rest. Texts without a gold label have
    zeros, which no term reads.

    With several labels each is smoothed by itself: its gold outcome has the mean confidence.

    Shapes: logits (N, C), labels (N,), with several labels (N, C) -> (N, C).
    Source: Yuan et al., CVPR 2020, arXiv 1909.11723 (a teacher that is smoothed labels).
    """
    if labels.ndim == 2:
        return _smoothed_labels(logits, labels, temperature)
    classes = logits.shape[1]
    confidence = float(softmax(logits / temperature, axis=1).max(axis=1).mean())
    rest = max((1 - confidence) / (classes - 1), FLOOR)
    gold = max(confidence, FLOOR)
    found = np.full(logits.shape, temperature * np.log(rest), dtype=np.float32)
    known = np.flatnonzero(is_labelled(labels))
    found[known, labels[known]] = temperature * np.log(gold)
    found[~is_labelled(labels)] = 0
    return found


def _smoothed_labels(logits: Logits, labels: NDArray[Any], temperature: float) -> Logits:
    shares = expit(logits / temperature)
    confidence = float(np.maximum(shares, 1 - shares).mean())
    odds = temperature * np.log(confidence / max(1 - confidence, FLOOR))
    return np.where(np.isnan(labels), 0, odds * (2 * labels - 1)).astype(np.float32)


def _untrained(
    context: StageContext, reference: str, card: TaskCard, params: TrainParams, split: str
) -> Logits:
    """Return the logits of a model of a teacher's shape with random weights, drawn by seed."""
    teacher, tokenizer = inputs.load_classifier(reference, card)
    limit_threads(teacher)
    shape = StudentParams(choice="random", layers=len(architectures.blocks(teacher)))
    seed = np.random.default_rng([context.recipe.random_seed, UNTRAINED]).integers(2**31)
    model = students.initial(teacher, shape, int(seed))
    data = inputs.Splits(card, tokenizer, params.max_length)[split]
    data = inputs.subsample(data, params.train_examples if split == "train" else 0)
    return predict(model, data, context.device, context.progress_callback("untrained teacher"))
