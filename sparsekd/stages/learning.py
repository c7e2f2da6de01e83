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
from sparsekd.stages.context import Desk
from sparsekd.stages.results import deliver, save_findings
from sparsekd.tasks import TaskCard
from sparsekd.training import Trained, stacked, train
from sparsekd.training import snapshot as checkpoint
from sparsekd.units import masking
from sparsekd.units.masking import Mask

SAVE_EVERY = 10.0  # seconds
_Data = tuple[inputs.Splits, Encoded]


def finetune(desk: Desk) -> Outcome:
    """A checkpoint trained on the gold labels."""
    recipe = desk.recipe
    card = references.card(recipe.task)
    desk.report("loading", 0, 1, now=True)
    model, tokenizer = inputs.checkpoint(recipe.inputs["checkpoint"], card, recipe.random_seed)
    return _learn(desk, card, model, tokenizer, {})


def distil(desk: Desk) -> Outcome:
    """A student that starts from `init` and learns from `teacher` by the recipe's method."""
    recipe = desk.recipe
    card = references.card(recipe.task)
    desk.report("loading", 0, 1, now=True)
    source, tokenizer = inputs.trained(recipe.inputs["init"], card)
    student = _first_weights(desk, card, source, tokenizer)
    return _learn(desk, card, student, tokenizer, recipe.params["method"])


def _first_weights(
    desk: Desk, card: TaskCard, source: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
) -> PreTrainedModel:
    params = StudentParams.of(desk.recipe.params["student"])
    mask = None
    if params.choice == "pruned":
        mask = _by_expressiveness(desk, card, source, tokenizer, params.sparsity)
    if params.choice == "checkpoint":
        where = inputs.place(references.model(params.checkpoint))
        params = params.changed({"checkpoint": str(where)})
    return students.initial(source, params, desk.recipe.random_seed, mask, tokenizer)


def _by_expressiveness(
    desk: Desk,
    card: TaskCard,
    teacher: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    sparsity: float,
) -> Mask:
    """What the teacher keeps at λ = 1: the published initialisation of a pruned student."""
    length = TrainParams.of(desk.recipe.params["train"]).max_length
    data = inputs.Splits(card, tokenizer, length)["selection"]
    # Expressiveness asks no student: its place is taken by zeros, and friendliness is not read.
    nobody = np.zeros((len(data), card.classes), dtype=np.float32)
    options = PassOptions(
        on_progress=lambda done, of: desk.report("expressiveness", done, of), should_stop=desk.stop
    )
    found = scores.stream(teacher.to(desk.device), data, nobody, ScoreParams(), options).per_batch
    return masking.decide(*masking.knowledgeableness(found, 1.0), sparsity)


@dataclass(frozen=True)
class _Lesson:
    """A student and all that it learns from."""

    desk: Desk
    model: PreTrainedModel
    method: Method
    splits: inputs.Splits
    data: Encoded
    answers: list[Logits]
    teachers: list[PreTrainedModel]

    @property
    def params(self) -> TrainParams:
        """How it is trained."""
        return TrainParams.of(self.desk.recipe.params["train"])

    @property
    def state(self) -> Path:
        """Where its snapshots are."""
        return self.desk.folder / "checkpoint.safetensors"

    def save(self, snapshot: checkpoint.Snapshot) -> None:
        """Keep a snapshot."""
        checkpoint.save(snapshot, self.state)

    def report(self, event: dict[str, Any]) -> None:
        """Pass on what the training says."""
        _heard(self.desk, event)


def _data(desk: Desk, card: TaskCard, tokenizer: PreTrainedTokenizerBase) -> _Data:
    desk.report("tokenising", 0, 1, now=True)
    params = TrainParams.of(desk.recipe.params["train"])
    splits = inputs.Splits(card, tokenizer, params.max_length)
    return splits, inputs.some(splits["train"], params.train_examples)


def _prepared(
    desk: Desk, data: _Data, model: PreTrainedModel, method_params: dict[str, Any]
) -> _Lesson:
    desk.suit(model)
    recipe, (splits, examples) = desk.recipe, data
    card = splits.card
    method_card = find(recipe.method)
    method = methods.load(method_card)(method_card.params.of(method_params))
    names = recipe.teachers if method_card.least_teachers else []
    params = TrainParams.of(recipe.params["train"])
    answers = [inputs.teacher_logits(name, card, params, desk) for name in names]
    teachers = inputs.readable(names, card, splits.tokenizer) if method.inside else []
    return _Lesson(desk, model, method, splits, examples, answers, teachers)


def _learn(
    desk: Desk,
    card: TaskCard,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    method_params: dict[str, Any],
) -> Outcome:
    data = _data(desk, card, tokenizer)
    return _alone(_prepared(desk, data, model, method_params))


def _alone(lesson: _Lesson, more: Mapping[str, Any] = MappingProxyType({})) -> Outcome:
    """Train one student; `more` are further facts of its outcome."""
    desk = lesson.desk
    result = train(
        lesson.model,
        lesson.method,
        lesson.data,
        lesson.splits["selection"],
        lesson.splits.card,
        lesson.params,
        seed=desk.recipe.random_seed,
        device=desk.device,
        teacher_logits=lesson.answers,
        teachers=lesson.teachers,
        report=lesson.report,
        stop=desk.stop,
        save=lesson.save,
        save_every=SAVE_EVERY,
        resume=_resumed(desk, lesson.state),
    )
    return _delivered(lesson, result, more)


def _delivered(lesson: _Lesson, result: Trained, more: Mapping[str, Any]) -> Outcome:
    facts = _facts(result, lesson.data) | dict(more)
    save_findings(lesson.desk, lesson.splits, result.findings, lesson.params.train_examples)
    outcome = deliver(lesson.desk, lesson.model, lesson.splits, facts)
    lesson.state.unlink(missing_ok=True)
    return outcome


# --- several at once --------------------------------------------------------------------------


def distil_together(desks: Sequence[Desk]) -> Iterator[tuple[Desk, Outcome | SparseKDError]]:
    """Students whose recipes are `alike`, trained as one stacked model; each as soon as it ended.

    Where they cannot be stacked they train one after another, and their facts say why.
    """
    recipe = desks[0].recipe
    card = references.card(recipe.task)
    for desk in desks:
        desk.report("loading", 0, 1, now=True)
    source, tokenizer = inputs.trained(recipe.inputs["init"], card)
    data = _data(desks[0], card, tokenizer)
    lessons: list[_Lesson] = []
    for desk in desks:
        try:
            student = _first_weights(desk, card, source, tokenizer)
            lessons.append(_prepared(desk, data, student, desk.recipe.params["method"]))
        except SparseKDError as error:
            yield desk, error
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
        device=desks[0].device, save_every=SAVE_EVERY,
    )  # fmt: skip
    for place, end in ends:
        yield lessons[place].desk, _ended(lessons[place], end, len(learners))


def _learner(lesson: _Lesson) -> stacked.Learner:
    desk = lesson.desk
    return stacked.Learner(
        lesson.model,
        lesson.method,
        desk.recipe.random_seed,
        lesson.answers,
        lesson.report,
        desk.stop,
        lesson.save,
        _resumed(desk, lesson.state),
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
) -> Iterator[tuple[Desk, Outcome | SparseKDError]]:
    sys.stderr.write(f"Trained one after another: {reason.message}\n")
    for lesson in lessons:
        try:
            yield lesson.desk, _alone(lesson, {"together": 1, "why_alone": reason.message})
        except SparseKDError as error:
            yield lesson.desk, error


# --- what is logged ---------------------------------------------------------------------------


def _resumed(desk: Desk, state: Path) -> checkpoint.Snapshot | None:
    """Where an interrupted training stood; numbers logged past it will be logged again."""
    if not state.exists():
        return None
    snapshot = checkpoint.load(state)
    store.forget_events(desk.recipe.run_id, int(snapshot.facts["step"]))
    return snapshot


def _heard(desk: Desk, event: dict[str, Any]) -> None:
    """Turn what the training loop says into progress and logged numbers."""
    if event["kind"] == "teacher":
        desk.report("teachers' inner states", event["done"], event["total"])
        return
    step = event["step"]
    numbers = {f"loss/{name}": value for name, value in event["losses"].items()}
    if event["kind"] == "epoch":
        numbers |= {f"selection/{name}": value for name, value in event["metrics"].items()}
    speed = event["examples_per_second"]
    phase = f"epoch {event['epoch'] + 1} of {event['epochs']}"
    if event["course"] < event["rehearsals"]:
        phase = f"rehearsal {event['course'] + 1} of {event['rehearsals']}, {phase}"
    noted = [Event(place, name, value) for place, name, value in event["notes"]]
    desk.report(
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
        "rehearsal_steps": result.rehearsal_steps,
        "held_out_passes": result.held_out_passes,
        "training_seconds": round(result.seconds, 3),
        "training_examples": len(data),
        "examples_per_second": len(result.history) * len(data) / max(result.seconds, 1e-9),
    }
