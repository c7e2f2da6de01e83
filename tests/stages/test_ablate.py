"""The ablation stage: its values against the evaluated gated teacher, its cancelling, its cache."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sparsekd.catalog.methods.vanilla import VanillaParams
from sparsekd.catalog.parameters import TrainParams
from sparsekd.catalog.stage_parameters import AblateParams, ScoreParams, StudentParams
from sparsekd.knowledge import ablation
from sparsekd.knowledge.evaluation import evaluate
from sparsekd.knowledge.rankings import magnitude
from sparsekd.models.gates import gated
from sparsekd.runs import jobs, references, store
from sparsekd.runs.records import Recipe, Run, State
from sparsekd.stages import context, inputs
from sparsekd.stages.context import StageContext
from sparsekd.studies import recipes
from sparsekd.units.ablation import Ablation, ranked_groups
from sparsekd.units.divergence import distance
from sparsekd.units.masking import Mask, knowledgeableness
from sparsekd.units.scores import Scores
from sparsekd.worker import work
from tests.workshop import checkpoint_folder, done, task_folder, worked

QUICK = TrainParams(epochs=1, batch_size=32, learning_rate=3e-3, max_length=16)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a task, a teacher, a student and scores."""
    place = tmp_path_factory.mktemp("shop")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARSEKD_HOME", str(place / "home"))
        card = references.task(str(task_folder(place / "task")))
        checkpoint = references.model(str(checkpoint_folder(place / "checkpoint")))
        teacher = done(recipes.finetune(card.name, checkpoint, QUICK)).id
        shape = StudentParams(layers=1)
        student = done(recipes.distil(card.name, "vanilla", teacher, QUICK, VanillaParams(), shape))
        scores = done(recipes.score(card.name, teacher, student.id, ScoreParams(), 16))
        names = {"task": card.name, "teacher": teacher, "student": student.id, "scores": scores.id}
    (place / "names.json").write_text(json.dumps(names))
    return place


@pytest.fixture
def names(shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A copy of the store for each test."""
    shutil.copytree(shop / "home", tmp_path / "home")
    monkeypatch.setenv("SPARSEKD_HOME", str(tmp_path / "home"))
    found: dict[str, str] = json.loads((shop / "names.json").read_text())
    return found


def recipe_of(
    names: dict[str, str], student: str = "", scores: str = "", **params: object
) -> Recipe:
    values = AblateParams.of({"neuron_groups": 5, "split": "validation"} | params)
    return recipes.ablate(names["task"], names["teacher"], values, 16, student, scores)


def loaded(run: Run) -> Ablation:
    return Ablation.load(run.folder / "ablation.npz")


def test_every_change_is_that_of_the_evaluated_gated_teacher(names: dict[str, str]) -> None:
    run = done(recipe_of(names, names["student"], neuron_layer=1))
    found = loaded(run)
    card = references.card(names["task"])
    model, tokenizer = inputs.load_classifier(names["teacher"], card)
    data = inputs.Splits(card, tokenizer, 16)["validation"]
    student = np.load(store.folder(names["student"]) / "logits-validation.npy")

    def values(close: Callable[[Mask], None]) -> np.ndarray:
        mask = Mask.full(found.shape)
        close(mask)
        with gated(model, mask):
            metrics, logits = evaluate(model, data, card)
        return np.array([metrics["loss"], metrics["accuracy"], distance(logits, student)])

    def close(flags: str, layer: int, units: object) -> Callable[[Mask], None]:
        return lambda mask: getattr(mask, flags)[layer].__setitem__(units, False)

    whole = values(lambda mask: None)
    np.testing.assert_allclose(found.dense, whole, atol=1e-6)
    layers, heads, neurons = found.shape
    cases = [("head", "heads", layer, head) for layer in range(layers) for head in range(heads)]
    cases += [("group", "neurons", layer, group) for layer in range(layers) for group in range(5)]
    cases += [("neuron", "neurons", 1, neuron) for neuron in range(neurons)]
    for kind, flags, layer, unit in cases:
        units = found.groups[layer] == unit if kind == "group" else unit
        changed = values(close(flags, layer, units)) - whole
        at = unit if kind == "neuron" else (layer, unit)
        names_of = [f"{kind}_{each}" for each in ("task_loss", "metric", "distance")]
        shown = [getattr(found, name)[at] for name in names_of]
        np.testing.assert_allclose(shown, changed, atol=1e-5)
    assert np.abs(found.head_task_loss).min() > 0
    assert found.provenance["metric"] == "accuracy"
    assert found.provenance["examples"] == run.outcome.facts["examples"] == 80
    assert not (run.folder / "partial").exists()


def test_without_a_student_the_distance_is_unknown_and_the_rest_the_same(
    names: dict[str, str],
) -> None:
    alone = loaded(done(recipe_of(names)))
    beside = loaded(done(recipe_of(names, names["student"])))
    assert np.isnan(alone.head_distance).all()
    assert np.isnan(alone.dense[2])
    assert alone.measures == ("task_loss", "metric")
    np.testing.assert_array_equal(alone.head_task_loss, beside.head_task_loss)
    np.testing.assert_array_equal(alone.group_metric, beside.group_metric)


def test_the_logits_of_a_student_without_saved_ones_are_computed(names: dict[str, str]) -> None:
    known = loaded(done(recipe_of(names, names["student"])))
    outside = references.model(str(store.folder(names["student"]) / "model"))
    read = loaded(done(recipe_of(names, outside)))
    np.testing.assert_allclose(read.head_distance, known.head_distance, atol=1e-6)


def test_neurons_are_grouped_by_weights_or_by_scores(names: dict[str, str]) -> None:
    card = references.card(names["task"])
    teacher, _ = inputs.load_classifier(names["teacher"], card)
    by_weights = loaded(done(recipe_of(names)))
    np.testing.assert_array_equal(by_weights.groups, ranked_groups(magnitude.rank(teacher)[1], 5))
    by_scores = loaded(done(recipe_of(names, scores=names["scores"], lam=0.2)))
    scores = Scores.load(store.folder(names["scores"]) / "scores.npz")
    ranks = knowledgeableness(scores, 0.2)[1]
    np.testing.assert_array_equal(by_scores.groups, ranked_groups(ranks, 5))
    assert by_scores.provenance["ranked_by"] == "scores"


def test_a_sample_of_examples_is_the_same_in_every_run(names: dict[str, str]) -> None:
    run = done(recipe_of(names, names["student"], examples=30, split="train"))
    assert run.outcome.facts["examples"] == 30
    card = references.card(names["task"])
    model, tokenizer = inputs.load_classifier(names["teacher"], card)
    data = inputs.Splits(card, tokenizer, 16)["train"]
    rows = np.random.default_rng(0).choice(len(data), 30, replace=False)
    metrics, _ = evaluate(model, data.select(rows), card)
    assert loaded(run).dense_value("task_loss") == pytest.approx(metrics["loss"], abs=1e-6)


def test_cancelled_halfway_and_resumed_equals_uninterrupted(
    names: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ablation, "TOKENS", 40)  # many batches
    monkeypatch.setattr(context, "REPORT_INTERVAL", 0.0)  # so that each report reads the request
    monkeypatch.setattr(jobs, "start_queue", lambda: None)
    recipe, computed = recipe_of(names, names["student"]), []
    original = ablation._batch
    monkeypatch.setattr(ablation, "_batch", lambda *a: computed.append(1) or original(*a))
    whole = loaded(done(recipe))
    every = len(computed)
    shutil.rmtree(tmp_path / "home" / "runs" / recipe.run_id)
    store.delete(recipe.run_id)

    computed.clear()
    reports = []
    monkeypatch.setattr(
        "sparsekd.stages.context.StageContext.report",
        _cancelling(recipe.run_id, reports, after=every),
    )
    stopped = worked(recipe)
    assert stopped.state is State.CANCELLED
    assert "Resume" in stopped.outcome.hint
    assert not (stopped.folder / "ablation.npz").exists()
    kept = list((stopped.folder / "partial").glob("*.npz"))
    assert 0 < len(kept) < every

    computed.clear()
    reports.clear()
    monkeypatch.undo()
    monkeypatch.setenv("SPARSEKD_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(ablation, "TOKENS", 40)
    monkeypatch.setattr(ablation, "_batch", lambda *a: computed.append(1) or original(*a))
    store.requeue(recipe.run_id)
    work(recipe.run_id, "cpu")
    resumed = store.get(recipe.run_id)
    assert resumed.state is State.DONE
    assert len(computed) == every - len(kept)
    found = loaded(resumed)
    for name in ("head_task_loss", "head_metric", "head_distance", "group_distance", "dense"):
        np.testing.assert_array_equal(getattr(found, name), getattr(whole, name))


def _cancelling(run_id: str, reports: list[int], after: int) -> Callable[..., None]:
    """`StageContext.report`, but for a request to cancel the run after some reports."""
    original = StageContext.report

    def report(self: StageContext, *values: object, **named: object) -> None:
        reports.append(1)
        if len(reports) == after:
            store.request_cancel(run_id)
        original(self, *values, **named)

    return report


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"neuron_groups": 25}, "25 groups of 24 neurons"),
        ({"neuron_layer": 2}, "neuron_layer = 2: the teacher has 2 layers"),
        ({"split": "test"}, "no split 'test'"),
    ],
)
def test_what_cannot_be_removed_fails_with_the_reason(
    names: dict[str, str], params: dict[str, object], message: str
) -> None:
    run = worked(recipe_of(names, **params))
    assert run.state is State.FAILED
    assert message in run.outcome.message
    assert run.outcome.hint


def test_a_recipe_without_scores_does_not_depend_on_lambda(names: dict[str, str]) -> None:
    assert recipe_of(names, lam=0.1).run_id == recipe_of(names, lam=0.9).run_id
    by_scores = {recipe_of(names, scores=names["scores"], lam=lam).run_id for lam in (0.1, 0.9)}
    assert len(by_scores) == 2


def test_a_damaged_batch_of_an_earlier_attempt_is_named(names: dict[str, str]) -> None:
    recipe = recipe_of(names)
    partial = store.folder(recipe.run_id) / "partial"
    partial.mkdir(parents=True)
    card = references.card(names["task"])
    _, tokenizer = inputs.load_classifier(names["teacher"], card)
    lengths = inputs.Splits(card, tokenizer, 16)["validation"].lengths
    (partial / f"{int(np.argmin(lengths))}.npz").write_bytes(b"cut short")
    run = worked(recipe)
    assert run.state is State.FAILED
    assert "is no npz file" in run.outcome.message
    assert run.outcome.hint == "Delete it; the run then computes it again."
