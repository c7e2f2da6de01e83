"""A demo study in the store, written by hand: no training, no torch."""

import json
from functools import cache
from pathlib import Path

import numpy as np

from sparsekd.catalog.parameters import TrainParams
from sparsekd.catalog.stage_parameters import MaskParams, StudentParams
from sparsekd.runs import store
from sparsekd.runs.records import Event, Outcome, Plan, Progress, Recipe, Run, State, Step
from sparsekd.studies import stark
from sparsekd.tasks import demo, find
from sparsekd.tasks.labels import label_values
from sparsekd.tasks.metrics import evaluate
from sparsekd.units import masking
from sparsekd.units.jacobians import build, directions
from sparsekd.units.shape import ModelShape, parameters, pruned

LAYERS, HEADS, NEURONS, HIDDEN = 4, 4, 64, 32
EXAMPLES = 160
SKILL = {
    "teacher": 0.95,
    "plain_student": 0.84,
    "trial_student": 0.87,
    "sparse_teacher": 0.9,
    "student": 0.89,
    "random_mask_teacher": 0.6,
    "random_mask_student": 0.83,
}
DEMO_TRAINING = TrainParams(epochs=4, learning_rate=5e-4, batch_size=32, max_length=64)


def sample_plan(
    seeds: tuple[int, ...] = (0,), task: str = "demo/sentiment", lam: float = 0.5
) -> Plan:
    """A study of a small teacher with one student layer."""
    study = stark.StudySpec(
        task=task,
        checkpoint="demo:",
        teacher=DEMO_TRAINING,
        train=DEMO_TRAINING,
        student=StudentParams(layers=1),
        mask=MaskParams(lam=lam),
        seeds=seeds,
    )
    return stark.plan(study)


ENTROPY = {"trial_student": 0.154, "student": 0.185, "random_mask_student": 0.24}
"""Of the soft labels that these students learned from."""


def fill_plan(plan: Plan, until: str = "") -> Plan:
    """Store a study whose runs are done, all of them or those before the role `until`."""
    store.save_plan(plan)
    done = True
    for step in plan.steps:
        done = done and step.role != until
        run = store.create(step.recipe)
        if done and run.state is not State.DONE:
            finish(step)
    return plan


def launch_singly(plan: Plan, until: str = "") -> None:
    """Store the finished runs of a plan before the role `until`, without the plan."""
    for step in plan.steps:
        if step.role == until:
            return
        if store.create(step.recipe).state is not State.DONE:
            finish(step)


def finish(step: Step) -> Run:
    """Write what a finished run of this role leaves."""
    recipe = step.recipe
    where = store.folder(recipe.run_id)
    where.mkdir(parents=True, exist_ok=True)
    with store.hold_lock(recipe.run_id):
        store.start(recipe.run_id, "cpu", 1)
        outcome = _outcome(step, where)
        if recipe.stage in ("finetune", "distil"):
            store.report(recipe.run_id, Progress("epoch 4 of 4", 400, 400), _events(recipe))
        store.finish(recipe.run_id, State.DONE, outcome, 9.5)
    return store.get(recipe.run_id)


def _outcome(step: Step, where: Path) -> Outcome:
    (where / "log.txt").write_text("epoch 1 of 4\nepoch 4 of 4\n", encoding="utf-8")
    if step.recipe.stage == "score":
        sample_scores().save(where / "scores.npz")
        _jacobian(where / "jacobian", step.recipe.task)
        return Outcome(facts={"jacobian": "kept", "examples": {"selection": EXAMPLES}})
    shape = _shape(step, where)
    (where / "shape.json").write_text(json.dumps(shape.to_json()), encoding="utf-8")
    metrics, examples = {}, {}
    for split in ("selection", "validation"):
        logits, labels = sample_outputs(SKILL[step.role], step.seed, split, step.recipe.task)
        np.save(where / f"logits-{split}.npy", logits)
        np.save(where / f"labels-{split}.npy", labels)
        examples[split] = len(labels)
        if labels.ndim == 2:
            metrics[split] = evaluate(find(step.recipe.task), logits, labels)
        else:
            hits = float((logits.argmax(axis=1) == labels).mean())
            metrics[split] = {"accuracy": hits, "loss": 1.2 - hits}
    facts = {"parameters": parameters(shape), "steps": 400, "epochs": 4, "best_epoch": 4}
    facts["examples"] = examples
    if step.role in ENTROPY:
        facts |= {"soft_label_entropy": ENTROPY[step.role], "teacher_temperature": 2.0}
    if step.recipe.stage != "prune":
        facts |= {"training_examples": 4500, "examples_per_second": 1800.0}
    return Outcome(metrics, facts)


def sample_shape(layers: int = LAYERS) -> ModelShape:
    """A small BERT."""
    return ModelShape(
        architecture="bert",
        hidden=HIDDEN,
        head_size=HIDDEN // HEADS,
        heads=(HEADS,) * layers,
        neurons=(NEURONS,) * layers,
        vocabulary=200,
        positions=64,
        segments=2,
        embedding=HIDDEN,
        classes=2,
    )


def _shape(step: Step, where: Path) -> ModelShape:
    if step.recipe.stage == "distil":
        return sample_shape(step.recipe.params["student"]["layers"])
    if step.recipe.stage == "finetune":
        return sample_shape()
    mask = step.recipe.params["mask"]
    worth = masking.knowledgeableness(sample_scores(), mask["lam"], mask["normalise"])
    decided = masking.decide(*worth, mask["sparsity"], round_to=mask["round_to"])
    decided.save(where / "mask.npz")
    return pruned(sample_shape(), decided)


def sample_scores() -> masking.Scores:
    """Scores in which layers and units differ."""
    drawn = np.random.default_rng(5)
    sizes = [(LAYERS, HEADS), (LAYERS, HEADS), (LAYERS, NEURONS), (LAYERS, NEURONS)]
    provenance = {"split": "selection", "batch_size": 32, "aggregate": "per_batch"}
    return masking.Scores(*(drawn.gamma(1.5, size=size) for size in sizes), provenance)


def _jacobian(folder: Path, task: str) -> None:
    units = LAYERS * (HEADS + NEURONS)
    logits, labels = sample_outputs(SKILL["teacher"], 0, "selection", task)
    count = directions(logits.shape[1], labels.ndim == 2)
    values = np.random.default_rng(6).normal(size=(EXAMPLES, count, units)).astype(np.float32)

    def fill(rows: object) -> np.ndarray:
        rows[np.arange(EXAMPLES)] = values  # type: ignore[index]
        return logits

    build(folder, fill, labels, logits.shape[1], (LAYERS, HEADS, NEURONS))


def sample_outputs(
    skill: float, seed: int, split: str, task: str = "demo/sentiment"
) -> tuple[np.ndarray, np.ndarray]:
    """Return logits that are right for about a share `skill` of the examples.

    Those of validation answer the demo task's own texts.
    """
    if find(task).multilabel:
        return _several_outputs(skill, seed, split, task)
    gold = np.random.default_rng(len(split)).integers(0, 2, EXAMPLES)
    if split == "validation":
        gold = _labels(task, split)
    drawn = np.random.default_rng([seed, len(split), round(1000 * skill)])
    answers = np.where(drawn.random(len(gold)) < skill, gold, 1 - gold)
    sure = drawn.uniform(0.5, 4, len(gold))
    logits = np.stack([-sure, sure], axis=1) * np.where(answers == 1, 1, -1)[:, None] / 2
    return logits.astype(np.float32), gold


def _several_outputs(
    skill: float, seed: int, split: str, task: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return logits of which a share `skill` is right, one for each label."""
    gold = _labels(task, "train")[:EXAMPLES] if split == "selection" else _labels(task, split)
    drawn = np.random.default_rng([seed, len(split), round(1000 * skill)])
    right = np.where(drawn.random(gold.shape) < skill, 1, -1) * (2 * gold - 1)
    return (right * drawn.uniform(0.5, 4, gold.shape)).astype(np.float32), gold


@cache
def _labels(task: str, split: str) -> np.ndarray:
    return label_values(demo.generate(task)[split]["label"])


def _events(recipe: Recipe) -> list[Event]:
    steps = range(20, 401, 20)
    terms = {"loss/hard": 0.7} | ({"loss/soft": 0.9} if recipe.method == "vanilla" else {})
    falling = [Event(s, name, top * 100 / (s + 100)) for name, top in terms.items() for s in steps]
    rising = [Event(s, "selection/accuracy", 0.9 - 20 / (s + 50)) for s in steps[4::5]]
    return falling + rising
