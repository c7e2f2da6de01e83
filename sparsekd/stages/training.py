"""Stages that train: fine-tuning a teacher, distilling a student."""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from sparsekd import methods
from sparsekd.catalog.methods import find
from sparsekd.catalog.parameters import TrainParams
from sparsekd.catalog.stage_parameters import ScoreParams, StudentParams
from sparsekd.data import Encoded
from sparsekd.errors import Incompatible, SparseKDError
from sparsekd.knowledge import scores
from sparsekd.knowledge.evaluation import Logits
from sparsekd.knowledge.gradients import PassOptions
from sparsekd.methods.base import Method
from sparsekd.models import students
from sparsekd.runs import references, store
from sparsekd.runs.records import Event, Outcome
from sparsekd.stages import inputs
from sparsekd.stages.context import StageContext, limit_threads
from sparsekd.stages.results import save_findings, save_model
from sparsekd.tasks import TaskCard
from sparsekd.training import Trained, stacked, train
from sparsekd.training.checkpoint import Checkpoint
from sparsekd.units import masking
from sparsekd.units.masking import Mask

SAVE_EVERY = 10.0  # seconds
_Data = tuple[inputs.Splits, Encoded]


def finetune(context: StageContext) -> Outcome:
    """A checkpoint trained on the gold labels."""
    recipe = context.recipe
    card = references.card(recipe.task)
    context.report("loading", 0, 1, now=True)
    model, tokenizer = inputs.load_pretrained(recipe.inputs["checkpoint"], card, recipe.random_seed)
    return _learn(context, card, model, tokenizer, {})


def distil(context: StageContext) -> Outcome:
    """A student that starts from `init` and learns from `teacher` by the recipe's method."""
    recipe = context.recipe
    card = references.card(recipe.task)
    context.report("loading", 0, 1, now=True)
    source, tokenizer = inputs.load_classifier(recipe.inputs["init"], card)
    student = _first_weights(context, card, source, tokenizer)
    return _learn(context, card, student, tokenizer, recipe.params["method"])


def _first_weights(
    context: StageContext,
    card: TaskCard,
    source: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
) -> PreTrainedModel:
    params = StudentParams.of(context.recipe.params["student"])
    mask = None
    if params.choice == "pruned":
        mask = _by_expressiveness(context, card, source, tokenizer, params.sparsity)
    if params.choice == "checkpoint":
        where = inputs.model_folder(references.model(params.checkpoint))
        params = params.changed({"checkpoint": str(where)})
    return students.initial(source, params, context.recipe.random_seed, mask, tokenizer)


def _by_expressiveness(
    context: StageContext,
    card: TaskCard,
    teacher: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    sparsity: float,
) -> Mask:
    """What the teacher keeps at λ = 1: the published initialisation of a pruned student."""
    length = TrainParams.of(context.recipe.params["train"]).max_length
    data = inputs.Splits(card, tokenizer, length)["selection"]
    # Expressiveness asks no student: its place is taken by zeros, and friendliness is not read.
    nobody = np.zeros((len(data), card.classes), dtype=np.float32)
    options = PassOptions(
        on_progress=lambda done, of: context.report("expressiveness", done, of),
        should_stop=context.should_stop,
    )
    found = scores.stream(
        teacher.to(context.device), data, nobody, ScoreParams(), options
    ).per_batch
    return masking.decide(*masking.knowledgeableness(found, 1.0), sparsity)


@dataclass(frozen=True)
class _Lesson:
    """A student and all that it learns from."""

    context: StageContext
    model: PreTrainedModel
    method: Method
    splits: inputs.Splits
    data: Encoded
    answers: list[Logits]
    teachers: list[PreTrainedModel]

    @property
    def params(self) -> TrainParams:
        """How it is trained."""
        return TrainParams.of(self.context.recipe.params["train"])

    @property
    def state(self) -> Path:
        """Where its checkpoints are."""
        return self.context.folder / "checkpoint.safetensors"

    def save(self, checkpoint: Checkpoint) -> None:
        """Keep a checkpoint."""
        checkpoint.save(self.state)

    def report(self, event: dict[str, Any]) -> None:
        """Pass on what the training says."""
        _heard(self.context, event)


def _data(context: StageContext, card: TaskCard, tokenizer: PreTrainedTokenizerBase) -> _Data:
    context.report("tokenising", 0, 1, now=True)
    params = TrainParams.of(context.recipe.params["train"])
    splits = inputs.Splits(card, tokenizer, params.max_length)
    return splits, inputs.subsample(splits["train"], params.train_examples)


def _prepared(
    context: StageContext, data: _Data, model: PreTrainedModel, method_params: dict[str, Any]
) -> _Lesson:
    limit_threads(model)
    recipe, (splits, examples) = context.recipe, data
    card = splits.card
    method_card = find(recipe.method)
    method = methods.load(method_card)(method_card.params.of(method_params))
    names = recipe.teachers if method_card.least_teachers else []
    params = TrainParams.of(recipe.params["train"])
    answers = [inputs.teacher_logits(name, card, params, context) for name in names]
    teachers = (
        inputs.load_inner_teachers(names, card, splits.tokenizer) if method.reads_layers else []
    )
    return _Lesson(context, model, method, splits, examples, answers, teachers)


def _learn(
    context: StageContext,
    card: TaskCard,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    method_params: dict[str, Any],
) -> Outcome:
    data = _data(context, card, tokenizer)
    return _alone(_prepared(context, data, model, method_params))


def _alone(lesson: _Lesson, more: Mapping[str, Any] = MappingProxyType({})) -> Outcome:
    """Train one student; `more` are further facts of its outcome."""
    context = lesson.context
    result = train(
        lesson.model,
        lesson.method,
        lesson.data,
        lesson.splits["selection"],
        lesson.splits.card,
        lesson.params,
        seed=context.recipe.random_seed,
        device=context.device,
        teacher_logits=lesson.answers,
        teachers=lesson.teachers,
        report=lesson.report,
        stop=context.should_stop,
        save=lesson.save,
        save_every=SAVE_EVERY,
        resume=_resumed(context, lesson.state),
    )
    return _delivered(lesson, result, more)


def _delivered(lesson: _Lesson, result: Trained, more: Mapping[str, Any]) -> Outcome:
    facts = _facts(result, lesson.data) | dict(more)
    save_findings(lesson.context, lesson.splits, result.findings, lesson.params.train_examples)
    outcome = save_model(lesson.context, lesson.model, lesson.splits, facts)
    lesson.state.unlink(missing_ok=True)
    return outcome


# --- several at once --------------------------------------------------------------------------


def distil_together(
    contexts: Sequence[StageContext],
) -> Iterator[tuple[StageContext, Outcome | SparseKDError]]:
    """Students whose recipes are `alike`, trained as one stacked model; each as soon as it ended.

    Where they cannot be stacked they train one after another, and their facts say why.
    """
    recipe = contexts[0].recipe
    card = references.card(recipe.task)
    for context in contexts:
        context.report("loading", 0, 1, now=True)
    source, tokenizer = inputs.load_classifier(recipe.inputs["init"], card)
    data = _data(contexts[0], card, tokenizer)
    lessons: list[_Lesson] = []
    for context in contexts:
        try:
            student = _first_weights(context, card, source, tokenizer)
            lessons.append(_prepared(context, data, student, context.recipe.params["method"]))
        except SparseKDError as error:
            yield context, error
    if not lessons:
        return
    learners = [_learner(lesson) for lesson in lessons]
    try:
        stacked.check(learners)
    except Incompatible as reason:
        yield from _one_by_one(lessons, reason)
        return
    splits, examples = data
    ends = stacked.train(
        learners, examples, splits["selection"], card, lessons[0].params,
        device=contexts[0].device, save_every=SAVE_EVERY,
    )  # fmt: skip
    for place, end in ends:
        yield lessons[place].context, _ended(lessons[place], end, len(learners))


def _learner(lesson: _Lesson) -> stacked.Learner:
    context = lesson.context
    return stacked.Learner(
        lesson.model,
        lesson.method,
        context.recipe.random_seed,
        lesson.answers,
        lesson.report,
        context.should_stop,
        lesson.save,
        _resumed(context, lesson.state),
    )


def _ended(lesson: _Lesson, end: Trained | SparseKDError, many: int) -> Outcome | SparseKDError:
    if isinstance(end, SparseKDError):
        return end
    try:
        return _delivered(lesson, end, {"together": many})
    except SparseKDError as error:
        return error


def _one_by_one(
    lessons: Iterable[_Lesson], reason: Incompatible
) -> Iterator[tuple[StageContext, Outcome | SparseKDError]]:
    sys.stderr.write(f"Trained one after another: {reason.message}\n")
    for lesson in lessons:
        try:
            yield lesson.context, _alone(lesson, {"together": 1, "why_alone": reason.message})
        except SparseKDError as error:
            yield lesson.context, error


# --- what is logged ---------------------------------------------------------------------------


def _resumed(context: StageContext, state: Path) -> Checkpoint | None:
    """Where an interrupted training stood; numbers logged past it will be logged again."""
    if not state.exists():
        return None
    checkpoint = Checkpoint.load(state)
    store.forget_events(context.recipe.run_id, int(checkpoint.facts["step"]))
    return checkpoint


def _heard(context: StageContext, event: dict[str, Any]) -> None:
    """Turn what the training loop says into progress and logged numbers."""
    if event["kind"] == "teacher":
        context.report("teachers' inner states", event["done"], event["total"])
        return
    step = event["step"]
    numbers = {f"loss/{name}": value for name, value in event["losses"].items()}
    if event["kind"] == "epoch":
        numbers |= {f"selection/{name}": value for name, value in event["metrics"].items()}
    speed = event["examples_per_second"]
    phase = f"epoch {event['epoch'] + 1} of {event['epochs']}"
    if event["episode"] < event["episodes"]:
        phase = f"episode {event['episode'] + 1} of {event['episodes']}, {phase}"
    noted = [Event(place, name, value) for place, name, value in event["notes"]]
    context.report(
        phase,
        step,
        event["steps"],
        [*noted, *(Event(step, name, value) for name, value in numbers.items())],
        speed,
        event["eta"],
        now=True,
    )


def _facts(result: Trained, data: Encoded) -> dict[str, Any]:
    return {
        "best_epoch": result.best_epoch + 1,
        "epochs": len(result.history),
        "steps": result.steps,
        "episode_steps": result.episode_steps,
        "held_out_passes": result.held_out_passes,
        "training_seconds": round(result.seconds, 3),
        "training_examples": len(data),
        "examples_per_second": len(result.history) * len(data) / max(result.seconds, 1e-9),
    }
