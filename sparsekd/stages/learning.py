"""Stages that train: fine-tuning a teacher, distilling a student."""

from pathlib import Path
from typing import Any

import numpy as np
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from sparsekd import catalog, checkpoint, masking, references, store
from sparsekd.data import Encoded
from sparsekd.knowledge import scores
from sparsekd.knowledge.gradients import Pace
from sparsekd.models import students
from sparsekd.parameters import ScoreParams, StudentParams, TrainParams
from sparsekd.records import Event, Outcome
from sparsekd.stages import inputs
from sparsekd.stages.desk import Desk
from sparsekd.stages.results import deliver, save_findings
from sparsekd.tasks import TaskCard
from sparsekd.training import Trained, train
from sparsekd.units import Mask


def finetune(desk: Desk) -> Outcome:
    """A checkpoint trained on the gold labels."""
    recipe = desk.recipe
    card = references.card(recipe.task)
    desk.report("loading", 0, 1, now=True)
    model, tokenizer = inputs.checkpoint(recipe.inputs["checkpoint"], card, recipe.seed)
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
    return students.initial(source, params, desk.recipe.seed, mask, tokenizer)


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
    pace = Pace(report=lambda done, of: desk.report("expressiveness", done, of), stop=desk.stop)
    found = scores.stream(teacher.to(desk.device), data, nobody, ScoreParams(), pace).per_batch
    return masking.decide(*masking.knowledgeableness(found, 1.0), sparsity)


def _learn(
    desk: Desk,
    card: TaskCard,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    method_params: dict[str, Any],
) -> Outcome:
    recipe = desk.recipe
    desk.suit(model)
    params = TrainParams.of(recipe.params["train"])
    method_card = catalog.find(recipe.method)
    method = catalog.load(method_card)(method_card.params.of(method_params))
    desk.report("tokenising", 0, 1, now=True)
    splits = inputs.Splits(card, tokenizer, params.max_length)
    data = inputs.some(splits["train"], params.train_examples)
    names = recipe.teachers if method_card.least_teachers else []
    answers = [inputs.teacher_logits(name, card, params, desk) for name in names]
    teachers = inputs.readable(names, card, tokenizer) if method.inside else []
    state = desk.folder / "checkpoint.safetensors"
    result = train(
        model,
        method,
        data,
        splits["selection"],
        card,
        params,
        seed=recipe.seed,
        device=desk.device,
        teacher_logits=answers,
        teachers=teachers,
        report=lambda event: _heard(desk, event),
        stop=desk.stop,
        save=lambda snapshot: checkpoint.save(snapshot, state),
        save_every=10.0,
        resume=_resumed(desk, state),
    )
    facts = _facts(result, data)
    save_findings(desk, splits, result.findings, params.train_examples)
    outcome = deliver(desk, model, splits, facts)
    state.unlink(missing_ok=True)
    return outcome


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
