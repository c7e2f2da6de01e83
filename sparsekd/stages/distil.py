"""The stage that distils a student: one in a run of its own, or several runs together."""

import sys
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from sparsekd.catalog.parameters import TrainParams
from sparsekd.catalog.stage_parameters import MaskParams, ScoreParams, StudentParams
from sparsekd.errors import BadInput, Incompatible, SparseKDError
from sparsekd.knowledge import scores
from sparsekd.knowledge.gradients import PassOptions
from sparsekd.models import students
from sparsekd.models.classifiers import fit_classifier
from sparsekd.models.devices import move
from sparsekd.runs import references
from sparsekd.runs.records import Outcome, Recipe
from sparsekd.stages import inputs
from sparsekd.stages.context import StageContext
from sparsekd.stages.training import TrainingRun, load_data, prepare
from sparsekd.tasks import TaskCard
from sparsekd.training import TrainingResult, check_stackable, train_stacked
from sparsekd.units import masking
from sparsekd.units.masking import Mask

RunEnd = tuple[StageContext, Outcome | SparseKDError]


def run(context: StageContext) -> Outcome:
    """Distil the recipe's teachers into a student that is initialised from `init`."""
    recipe = context.recipe
    card = references.card(recipe.task)
    context.report("loading", 0, 1, now=True)
    loaded = _source(recipe, card)
    data = load_data(context, card, loaded[1])
    student = _initial_student(context, card, loaded)
    return prepare(context, data, student, recipe.params["method"]).train()


def run_stacked(contexts: Sequence[StageContext]) -> Iterator[RunEnd]:
    """Distil the students of several runs as one stacked model; yield each as it ends.

    Where they cannot be stacked they are trained one after another, and their facts say why.
    """
    recipe = contexts[0].recipe
    card = references.card(recipe.task)
    for context in contexts:
        context.report("loading", 0, 1, now=True)
    loaded = _source(recipe, card)
    data = load_data(contexts[0], card, loaded[1])
    runs: list[TrainingRun] = []
    for context in contexts:
        try:
            student = _initial_student(context, card, loaded)
            runs.append(prepare(context, data, student, context.recipe.params["method"]))
        except SparseKDError as error:
            yield context, error
    if runs:
        yield from _trained(runs)


def _trained(runs: list[TrainingRun]) -> Iterator[RunEnd]:
    jobs = [each.job for each in runs]
    try:
        check_stackable(jobs)
    except Incompatible as reason:
        yield from _one_by_one(runs, reason)
        return
    for index, end in train_stacked(jobs):
        yield runs[index].context, _saved(runs[index], end, len(jobs))


def _saved(
    run: TrainingRun, end: TrainingResult | SparseKDError, together: int
) -> Outcome | SparseKDError:
    if isinstance(end, SparseKDError):
        return end
    try:
        return run.save(end, {"together": together})
    except SparseKDError as error:
        return error


def _one_by_one(runs: Iterable[TrainingRun], reason: Incompatible) -> Iterator[RunEnd]:
    sys.stderr.write(f"Trained one after another: {reason.message}\n")
    for each in runs:
        try:
            yield each.context, each.train({"together": 1, "why_alone": reason.message})
        except SparseKDError as error:
            yield each.context, error


def _source(recipe: Recipe, card: TaskCard) -> inputs.Loaded:
    """Load the model that the student starts from, with the tokenizer that the student reads.

    A checkpoint from outside need not be fine-tuned, since a student of answers has no teacher to
    start from: its classifier is then the same for every seed, as a teacher's would be.
    """
    if recipe.params["student"]["choice"] == "checkpoint":
        return _checkpoint(recipe, card)
    init = recipe.inputs["init"]
    if ":" in init:
        return inputs.load_pretrained(init, card, seed=0)
    return inputs.load_classifier(init, card)


def _checkpoint(recipe: Recipe, card: TaskCard) -> inputs.Loaded:
    """Load a student of any family and vocabulary; a new classifier is drawn with the run's seed.

    Raises:
        BadInput: the recipe names no checkpoint.
    """
    name = StudentParams.of(recipe.params["student"]).checkpoint
    if not name:
        raise BadInput("No checkpoint is given.", "Name a local folder or a hub id.")
    return inputs.load_pretrained(references.model(name), card, recipe.random_seed)


def _pretrained(recipe: Recipe, card: TaskCard) -> PreTrainedModel:
    """Load what the teacher was fine-tuned from, with a classifier drawn with the run's seed."""
    checkpoint = references.pretrained(recipe.inputs["init"])
    model, _ = inputs.load_pretrained(checkpoint, card, recipe.random_seed)
    fit_classifier(model, card.labels, card.kind, recipe.random_seed, fresh=True)
    return model


def _initial_student(
    context: StageContext, card: TaskCard, source: inputs.Loaded
) -> PreTrainedModel:
    recipe, (teacher, tokenizer) = context.recipe, source
    params = StudentParams.of(recipe.params["student"])
    if params.choice == "checkpoint":
        return _checkpoint(recipe, card)[0]
    if params.choice == "pretrained":
        teacher = _pretrained(recipe, card)
    mask = None
    if params.choice == "pruned":
        mask = _expressiveness_mask(context, card, teacher, tokenizer, params.sparsity)
    return students.initial(teacher, params, recipe.random_seed, mask)


def _expressiveness_mask(
    context: StageContext,
    card: TaskCard,
    teacher: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    sparsity: float,
) -> Mask:
    """Return the teacher's mask at λ = 1: the published initialisation of a pruned student."""
    length = TrainParams.of(context.recipe.params["train"]).max_length
    data = inputs.Splits(card, tokenizer, length)["selection"]
    # Expressiveness needs no student: zeros take the place of its logits.
    no_student = np.zeros((len(data), card.classes), dtype=np.float32)
    options = PassOptions(
        on_progress=lambda done, total: context.report("expressiveness", done, total),
        should_stop=context.should_stop,
    )
    move(teacher, context.device)
    found = scores.stream(teacher, data, no_student, ScoreParams(), options).per_batch
    return masking.build(found, MaskParams(lam=1.0, sparsity=sparsity))
