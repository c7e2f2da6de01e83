"""The training of a run: its job, its log and its results; shared by `finetune` and `distil`."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from sparsekd import methods
from sparsekd.catalog.methods import find
from sparsekd.catalog.parameters import TrainParams
from sparsekd.data import Encoded
from sparsekd.knowledge.evaluation import Logits
from sparsekd.runs import store
from sparsekd.runs.records import Event, Outcome
from sparsekd.stages import inputs
from sparsekd.stages.context import StageContext, limit_threads
from sparsekd.stages.results import save_inspected_examples, save_model
from sparsekd.stages.supervision import known_labels, selection_labels
from sparsekd.stages.teacher_answers import smoothed, soft_label_facts, teacher_answers
from sparsekd.tasks import TaskCard
from sparsekd.tasks.labels import is_labelled
from sparsekd.tasks.majority import label_means
from sparsekd.training import Callbacks, TrainingJob, TrainingResult, train
from sparsekd.training.checkpoint import Checkpoint
from sparsekd.training.events import CacheProgress, EpochEnded, TrainingEvent

SAVE_EVERY = 10.0  # seconds


@dataclass(frozen=True)
class TrainingData:
    """The splits of a task in the student's tokens, and those that a training reads."""

    splits: inputs.Splits
    train: Encoded
    selection: Encoded


@dataclass(frozen=True)
class TrainingRun:
    """A run that trains a model: its context, its task's splits and its job.

    `selection_labels` are the labels of the selection split that the training knows,
    `soft_labels` the facts of `soft_label_facts`.
    """

    context: StageContext
    splits: inputs.Splits
    job: TrainingJob
    selection_labels: NDArray[Any]
    soft_labels: Mapping[str, float]

    def train(self, facts: Mapping[str, Any] = MappingProxyType({})) -> Outcome:
        """Train the model and save the results; `facts` are added to the outcome."""
        return self.save(train(self.job), facts)

    def save(self, result: TrainingResult, facts: Mapping[str, Any]) -> Outcome:
        """Write the trained model with its results, and remove the checkpoint."""
        examples = self.job.params.train_examples
        save_inspected_examples(self.context, self.splits, result.inspected, examples)
        found = _facts(result, self.job) | dict(self.soft_labels) | result.method_facts
        facts = found | dict(facts)
        known = {"selection": self.selection_labels}
        outcome = save_model(self.context, self.job.model, self.splits, facts, known)
        checkpoint_path(self.context).unlink(missing_ok=True)
        return outcome


def load_data(
    context: StageContext, card: TaskCard, tokenizer: PreTrainedTokenizerBase
) -> TrainingData:
    """Tokenise the task's splits and draw the recipe's number of training examples."""
    context.report("tokenising", 0, 1, now=True)
    params = TrainParams.of(context.recipe.params["train"])
    splits = inputs.Splits(card, tokenizer, params.max_length)
    examples = inputs.subsample(splits["train"], params.train_examples)
    return TrainingData(splits, examples, splits["selection"])


def prepare(
    context: StageContext,
    data: TrainingData,
    model: PreTrainedModel,
    method_params: dict[str, Any],
) -> TrainingRun:
    """Build the recipe's training job: its method, its teachers and an earlier checkpoint."""
    limit_threads(model)
    recipe, card = context.recipe, data.splits.card
    params = TrainParams.of(recipe.params["train"])
    method_card = find(recipe.method)
    method = methods.load(method_card)(method_card.params.of(method_params))
    names = recipe.teachers if method_card.least_teachers else []
    inner = names if method.reads_layers else []
    teachers = inputs.load_inner_teachers(inner, card, data.splits.tokenizer)
    inputs.check_length(model, data.splits)
    logits = teacher_answers(context, names, card, params, method.params)
    known = known_labels(data.splits, params, recipe.seed)
    if method.params.answer_control == "smoothed" and not card.regression:
        temperature = method_params["temperature"]
        logits = [smoothed(each, known.train, temperature) for each in logits]
    selecting = selection_labels(context, known, names, data.splits, method.params)
    chosen = np.flatnonzero(is_labelled(selecting))
    held_out: list[Logits] = []
    if method.params.needs_held_out_answers:
        answers = teacher_answers(context, names, card, params, method.params, "selection")
        held_out = [each[chosen] for each in answers]
    job = TrainingJob(
        model,
        method,
        data.train.with_labels(known.train),
        data.selection.with_labels(selecting).select(chosen),
        card,
        params,
        recipe.random_seed,
        torch.device(context.device),
        logits,
        teachers,
        _callbacks(context),
        _earlier_checkpoint(context),
        held_out_logits=held_out,
    )
    soft = soft_label_facts(context, card, params, method.params, logits, known.train)
    return TrainingRun(context, data.splits, job, selecting, soft)


def checkpoint_path(context: StageContext) -> Path:
    """Return the path of the run's checkpoint."""
    return context.folder / "checkpoint.safetensors"


def _callbacks(context: StageContext) -> Callbacks:
    path = checkpoint_path(context)
    return Callbacks(
        on_event=partial(log_event, context),
        should_stop=context.should_stop,
        save_checkpoint=lambda checkpoint: checkpoint.save(path),
        save_every=SAVE_EVERY,
    )


def _earlier_checkpoint(context: StageContext) -> Checkpoint | None:
    """Load an interrupted run's checkpoint; delete the numbers that were logged after it."""
    path = checkpoint_path(context)
    if not path.exists():
        return None
    checkpoint = Checkpoint.load(path)
    store.delete_events_after(context.recipe.run_id, int(checkpoint.facts["step"]))
    return checkpoint


def log_event(context: StageContext, event: TrainingEvent) -> None:
    """Write an event of a training to the run's progress and its logged numbers."""
    if isinstance(event, CacheProgress):
        context.report("teachers' internal states", event.done, event.total)
        return
    numbers = {f"loss/{name}": value for name, value in event.losses.items()}
    if isinstance(event, EpochEnded):
        numbers |= {f"selection/{name}": value for name, value in event.metrics.items()}
    phase = f"epoch {event.epoch + 1} of {event.epochs}"
    if event.episode < event.episodes:
        phase = f"episode {event.episode + 1} of {event.episodes}, {phase}"
    logged = [Event(step, name, value) for step, name, value in event.logged]
    context.report(
        phase,
        event.step,
        event.steps,
        [*logged, *(Event(event.step, name, value) for name, value in numbers.items())],
        event.examples_per_second,
        event.eta,
        now=True,
    )


def _facts(result: TrainingResult, job: TrainingJob) -> dict[str, Any]:
    examples = len(job.data)
    gold = int(job.data.labelled.sum())
    params = job.method.params
    decided = {"decisions": params.decisions, "random_decisions": params.random_decisions}
    means = label_means(job.card, job.data.labels)
    return (decided if params.decisions else {}) | {
        "best_epoch": result.best_epoch + 1,
        "epochs": len(result.history),
        "steps": result.steps,
        "episode_steps": result.episode_steps,
        "held_out_passes": result.held_out_passes,
        "training_seconds": round(result.seconds, 3),
        "training_examples": examples,
        "gold_labels": gold,
        "label_means": means,
        "selection_labels": len(job.selection),
        "examples_per_second": len(result.history) * examples / max(result.seconds, 1e-9),
    }
