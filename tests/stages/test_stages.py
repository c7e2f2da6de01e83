"""Stages in this process: the files and metrics of each, and how bad input ends."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from sparsekd.__main__ import main
from sparsekd.catalog import rankings
from sparsekd.catalog.methods.fine_tuning import FineTuningParams
from sparsekd.catalog.methods.vanilla import VanillaParams
from sparsekd.catalog.parameters import TrainParams
from sparsekd.catalog.stage_parameters import (
    AblateParams,
    MaskParams,
    ProbeParams,
    ScoreParams,
    StudentParams,
)
from sparsekd.errors import BadInput
from sparsekd.models import loading
from sparsekd.runs import downloads, references, store, tables
from sparsekd.runs.records import Recipe, State
from sparsekd.stages import probe, score
from sparsekd.studies import recipes
from sparsekd.units import masking
from sparsekd.units.divergence import distance
from sparsekd.units.jacobians import Jacobian
from sparsekd.units.masking import Mask
from sparsekd.units.ranked_mask import rank_and_build
from sparsekd.units.scores import Scores
from tests.workshop import checkpoint_folder, done, task_folder, worked

QUICK = TrainParams(epochs=2, batch_size=32, learning_rate=3e-3, max_length=16)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a task, a teacher, a trial student and scores."""
    place = tmp_path_factory.mktemp("shop")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARSEKD_HOME", str(place / "home"))
        card = references.task(str(task_folder(place / "task")))
        checkpoint = references.model(str(checkpoint_folder(place / "checkpoint")))
        teacher = done(recipes.finetune(card.name, checkpoint, QUICK))
        trial = done(student_of(card.name, teacher.id))
        scores = done(recipes.score(card.name, teacher.id, trial.id, ScoreParams(), 16))
        names = {"task": card.name, "checkpoint": checkpoint, "teacher": teacher.id}
        names |= {"trial": trial.id, "scores": scores.id}
    (place / "names.json").write_text(json.dumps(names))
    return place


@pytest.fixture
def names(shop: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setenv("SPARSEKD_HOME", str(shop / "home"))
    found: dict[str, str] = json.loads((shop / "names.json").read_text())
    return found


def student_of(task: str, teacher: str, **student: object) -> Recipe:
    shape = StudentParams.of({"layers": 1} | student)
    return recipes.distil(task, "vanilla", teacher, QUICK, VanillaParams(), shape)


def test_a_training_leaves_logits_labels_and_events_and_no_checkpoint(names: dict[str, str]):
    run = store.get(names["teacher"])
    logits = np.load(run.folder / "logits-validation.npy")
    labels = np.load(run.folder / "labels-validation.npy")
    hits = float((logits.argmax(axis=1) == labels).mean())
    assert hits == pytest.approx(run.outcome.metrics["validation"]["accuracy"])
    assert logits.shape == (80, 2)
    assert not (run.folder / "checkpoint.safetensors").exists()
    assert {event.name for event in store.events(run.id)} >= {"loss/hard", "selection/accuracy"}


def test_selection_and_training_examples_are_disjoint_parts_of_train(names: dict[str, str]):
    facts = store.get(names["teacher"]).outcome.facts
    assert facts["training_examples"] + facts["examples"]["selection"] == 340


def test_the_same_recipe_gives_the_same_numbers_in_another_store(
    names: dict[str, str], shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    first = store.get(names["trial"]).outcome.metrics
    other = tmp_path / "home"
    shutil.copytree(shop / "home", other)
    monkeypatch.setenv("SPARSEKD_HOME", str(other))
    recipe = store.get(names["trial"]).recipe
    store.delete(names["scores"])
    store.delete(names["trial"])
    assert done(recipe).outcome.metrics == first


def test_scores_do_not_depend_on_whether_the_jacobian_is_kept(
    names: dict[str, str], monkeypatch: pytest.MonkeyPatch
):
    run = store.get(names["scores"])
    assert run.outcome.facts["jacobian"] == "kept"
    assert Jacobian.open(run.folder / "jacobian").values.shape == (170, 1, 2 * (2 + 24))
    monkeypatch.setattr(score, "JACOBIAN_LIMIT", 0)
    for aggregate in ("per_batch", "per_example"):
        kept_params = ScoreParams.of({"aggregate": aggregate, "batch_size": 30})
        recipe = recipes.score(names["task"], names["teacher"], names["trial"], kept_params, 16)
        streamed = done(recipe)
        assert streamed.outcome.facts["jacobian"].startswith("not kept")
        jacobian = Jacobian.open(run.folder / "jacobian")
        logits = np.load(store.folder(names["trial"]) / "logits-selection.npy")
        kept = score.rescore(jacobian, logits, kept_params)
        found = Scores.load(streamed.folder / "scores.npz")
        for part in ("head_expressiveness", "neuron_friendliness"):
            np.testing.assert_allclose(
                getattr(found, part), getattr(kept, part), rtol=1e-4, atol=1e-7
            )


def test_logits_of_another_task_or_length_are_not_taken_for_the_students(
    names: dict[str, str], shop: Path, tmp_path: Path
):
    """As many rows and the same labels, but other sentences: the student must read them."""
    shutil.copytree(shop / "task", tmp_path / "turned")
    train = pd.read_csv(tmp_path / "turned" / "train.csv")
    train[::-1].to_csv(tmp_path / "turned" / "train.csv", index=False)
    other = references.task(str(tmp_path / "turned"))

    def friendliness(task: str, student: str, length: int) -> np.ndarray:
        params = ScoreParams.of({"aggregate": "per_example"})
        run = done(recipes.score(task, names["teacher"], student, params, length))
        return Scores.load(run.folder / "scores.npz").head_friendliness

    outside = references.model(str(store.folder(names["trial"]) / "model"))
    for task, length in ((other.name, 16), (names["task"], 6)):
        np.testing.assert_allclose(
            friendliness(task, names["trial"], length),
            friendliness(task, outside, length),
            rtol=1e-5,
        )


def test_a_sparse_teacher_is_smaller_by_its_mask(names: dict[str, str]):
    params = MaskParams(sparsity=0.25, round_to=1)
    run = done(recipes.prune(names["task"], names["teacher"], names["scores"], params, 16))
    mask = Mask.load(run.folder / "mask.npz")
    assert (run.outcome.facts["heads_kept"], run.outcome.facts["neurons_kept"]) == (3, 36)
    assert (int(mask.heads.sum()), int(mask.neurons.sum())) == (3, 36)
    dense, pruned = (
        sum(w.numel() for w in loading.load_saved(folder)[0].parameters())
        for folder in (store.folder(names["teacher"]) / "model", run.folder / "model")
    )
    # A head of 8 columns has weights for q, k, v and output and 3 biases; a neuron 2 rows, 1 bias.
    assert dense - pruned == 1 * (4 * 16 * 8 + 3 * 8) + 12 * (2 * 16 + 1)
    assert run.outcome.facts["parameters"] == pruned


@pytest.fixture
def ranked_by(names: dict[str, str]) -> dict[str, Path]:
    """The file that ranks the units, for each kind of mask."""
    recipe = recipes.ablate(names["task"], names["teacher"], AblateParams(examples=8), 16)
    scores = store.folder(names["scores"]) / "scores.npz"
    magnitude = done(recipe).folder / "magnitude.npz"
    return {"scores": scores, "random": scores, "magnitude": magnitude}


@pytest.mark.parametrize("kind", ["scores", "random", "magnitude"])
def test_command_stage_and_page_make_the_same_mask_with_the_same_provenance(
    names: dict[str, str], ranked_by: dict[str, Path], tmp_path: Path, kind: str
):
    params = MaskParams(kind=kind, lam=0.25, sparsity=0.5, neuron_sparsity=0.3, round_to=2)
    options = [f"--{name.replace('_', '-')}={value}" for name, value in params.values().items()]
    command = ["mask", "--scores", str(ranked_by[kind]), *options, "--seed", "3", "--out"]
    assert main([*command, str(tmp_path / "command.npz")]) == 0
    pruned = recipes.prune(names["task"], names["teacher"], names["scores"], params, 16, seed=3)
    page = rank_and_build(Scores.load(ranked_by[kind]), params, seed=3).mask
    (tmp_path / "page.npz").write_bytes(downloads.mask_file(page))

    first = Mask.load(tmp_path / "command.npz")
    for path in (done(pruned).folder / "mask.npz", tmp_path / "page.npz"):
        other = Mask.load(path)
        np.testing.assert_array_equal(other.heads, first.heads)
        np.testing.assert_array_equal(other.neurons, first.neurons)
        assert other.provenance == first.provenance


@pytest.mark.parametrize(
    ("kind", "own"),
    [
        ("scores", {"lam": 0.25, "normalise": "layer"}),
        ("random", {"seed": 3}),
        ("magnitude", {}),
    ],
)
def test_a_mask_says_what_it_was_made_from_and_nothing_that_did_not_count(
    names: dict[str, str], ranked_by: dict[str, Path], kind: str, own: dict
):
    params = MaskParams(kind=kind, lam=0.25, sparsity=0.5, neuron_sparsity=0.3, round_to=2)
    found = masking.build(Scores.load(ranked_by[kind]), params, seed=3).provenance
    scores = found.pop("scores", None)
    shared = {"sparsity": 0.5, "neuron_sparsity": 0.3, "round_to": 2}
    assert found == {"ranking": kind, "teacher": names["teacher"]} | shared | own
    assert (scores is None) == (kind != "scores")


@pytest.mark.parametrize(
    ("student", "layers"),
    [
        ({"choice": "top"}, 1),
        ({"choice": "every"}, 1),
        ({"choice": "pretrained"}, 1),
        ({"choice": "random", "layers": 3}, 3),
        ({"choice": "pruned", "sparsity": 0.5}, 2),
    ],
)
def test_every_initialisation_gives_a_student_of_its_depth(
    names: dict[str, str], student: dict, layers: int
):
    run = done(student_of(names["task"], names["teacher"], **student))
    model, _ = loading.load_saved(run.folder / "model")
    assert model.config.num_hidden_layers == layers


def test_a_student_may_start_from_another_checkpoint(names: dict[str, str], tmp_path: Path):
    other = references.model(str(checkpoint_folder(tmp_path / "other", layers=1)))
    run = done(student_of(names["task"], names["teacher"], choice="checkpoint", checkpoint=other))
    sizes = [
        sum(w.numel() for w in loading.load_saved(folder)[0].parameters())
        for folder in (run.folder / "model", tmp_path / "other")
    ]
    assert run.outcome.facts["parameters"] == sizes[0] == sizes[1]


def test_a_pretrained_start_is_the_checkpoints_bottom_with_a_classifier_of_the_runs_seed(
    names: dict[str, str], shop: Path
):
    still = QUICK.changed({"learning_rate": 1e-12, "epochs": 1})
    shape = StudentParams(choice="pretrained", layers=1)
    params = (still, FineTuningParams(), shape)
    made = [
        done(recipes.distil(names["task"], "fine_tuning", names["teacher"], *params, seed=seed))
        for seed in (0, 1)
    ]
    one, other = (loading.load_saved(run.folder / "model")[0].state_dict() for run in made)
    first = load_file(shop / "checkpoint" / "model.safetensors")
    inside = [name for name in one if not name.startswith("classifier")]
    for name in inside:
        torch.testing.assert_close(one[name], first[name], rtol=0, atol=1e-7)
    assert not torch.allclose(one["classifier.weight"], first["classifier.weight"], atol=1e-3)
    assert not torch.allclose(one["classifier.weight"], other["classifier.weight"], atol=1e-3)
    title = tables.title(made[0].recipe)
    assert title.startswith("Student with no teacher at all, pretrained, 1 layer")


def test_a_teacher_of_unknown_origin_has_no_pretrained_start(names: dict[str, str], tmp_path: Path):
    shutil.copytree(store.folder(names["teacher"]) / "model", tmp_path / "bare")
    bare = references.model(str(tmp_path / "bare"))
    with pytest.raises(BadInput, match="was fine-tuned elsewhere") as caught:
        student_of(names["task"], bare, choice="pretrained")
    assert "--student-choice checkpoint" in caught.value.hint


def test_a_student_of_a_pruned_teacher_starts_from_the_dense_one(names: dict[str, str]):
    params = MaskParams(kind="random", sparsity=0.5, round_to=1)
    sparse = done(recipes.prune(names["task"], names["teacher"], "", params, 16))
    recipe = recipes.distil(
        names["task"],
        "vanilla",
        sparse.id,
        QUICK,
        VanillaParams(),
        StudentParams(layers=2),
        names["teacher"],
    )
    model, _ = loading.load_saved(done(recipe).folder / "model")
    teacher, _ = loading.load_saved(store.folder(names["teacher"]) / "model")
    assert sum(w.numel() for w in model.parameters()) == sum(
        w.numel() for w in teacher.parameters()
    )


def test_a_probe_without_sparsity_is_the_teacher_itself(names: dict[str, str]):
    params = ProbeParams(sparsities=(0.0, 0.5), round_to=1)
    inputs = names["teacher"], names["trial"], names["scores"]
    run = done(recipes.probe(names["task"], *inputs, params, 16))
    table = tables.probe_table(run)
    dense = table[table["sparsity"] == 0]
    expected = store.get(names["teacher"]).outcome.metrics["selection"]["accuracy"]
    assert set(dense["ranking"]) == {"λ 0.5", "λ 0", "λ 1", *rankings.CONTROLS}
    assert dense["accuracy"].tolist() == [pytest.approx(expected)] * len(dense)
    assert (table["distance"] >= 0).all()
    assert set(table["heads"]) == {4, 2}


def test_a_grid_of_masks_gives_each_pruned_teachers_own_numbers(names: dict[str, str]):
    lams, sparsities = (0.0, 0.25, 0.5, 0.75, 1.0), tuple(tenth / 10 for tenth in range(9))
    params = ProbeParams(lams=lams, sparsities=sparsities, round_to=1)
    inputs = names["teacher"], names["trial"], names["scores"]
    run = done(recipes.probe(names["task"], *inputs, params, 16))
    table = tables.probe_table(run)
    of_lambda = ("λ 0", "λ 0.25", "λ 0.5", "λ 0.75", "λ 1")
    probed = (*of_lambda, *rankings.CONTROLS)
    assert table.groupby("ranking").size().to_dict() == dict.fromkeys(probed, 9)
    assert run.outcome.facts["different"] < run.outcome.facts["masks"] == 9 * len(probed)
    for lam, sparsity in ((0.25, 0.5), (1.0, 0.7)):
        mask = MaskParams(lam=lam, sparsity=sparsity, round_to=1)
        pruned = done(recipes.prune(names["task"], names["teacher"], names["scores"], mask, 16))
        own = pruned.outcome.metrics["selection"]
        row = table[(table["lam"] == lam) & (table["sparsity"] == sparsity)].iloc[0]
        assert {name: row[name] for name in own} == pytest.approx(own, abs=1e-6)


def test_a_stopped_probe_begins_again_to_the_same_numbers(
    names: dict[str, str], monkeypatch: pytest.MonkeyPatch
):
    params = ProbeParams(lams=(0.125,), sparsities=(0.0, 0.5), round_to=1)
    recipe = recipes.probe(
        names["task"], names["teacher"], names["trial"], names["scores"], params, 16
    )
    predict = probe.masked.predict

    def stopped(*words, **named):
        store.request_cancel(recipe.run_id)
        return predict(*words, **named)

    with monkeypatch.context() as patch:
        patch.setattr("sparsekd.stages.context.REPORT_INTERVAL", 0.0)
        patch.setattr(probe.masked, "predict", stopped)
        assert worked(recipe).state is State.CANCELLED
    store.requeue(recipe.run_id)
    table = tables.probe_table(done(recipe))
    alone = ProbeParams(lams=(0.125,), sparsities=(0.0, 0.5), round_to=1, controls=False)
    inputs = names["teacher"], names["trial"], names["scores"]
    expected = tables.probe_table(done(recipes.probe(names["task"], *inputs, alone, 16)))
    pd.testing.assert_frame_equal(table[table["ranking"] == "λ 0.125"], expected)


def test_distance_is_zero_between_equals_and_counted_by_hand():
    one, other = np.log([[0.5, 0.5]]), np.log([[0.8, 0.2]])
    softened = np.sqrt([0.8, 0.2]) / np.sqrt([0.8, 0.2]).sum()
    by_hand = float((0.5 * np.log(0.5 / softened)).sum())
    assert distance(one, one) == 0
    assert distance(one, other) == pytest.approx(by_hand)
    assert distance(np.array([[1.0], [2.0]]), np.array([[1.0], [4.0]])) == 2


def test_a_teacher_of_another_task_is_refused(names: dict[str, str], tmp_path: Path):
    frame = pd.DataFrame({"text": ["the film", "a plot", "she is", "he was"] * 3})
    frame["label"] = ["x", "y", "z", "x"] * 3
    (tmp_path / "three").mkdir()
    for part in ("train", "validation"):
        frame.assign(text=frame["text"] + f" {part}").to_csv(
            tmp_path / "three" / f"{part}.csv", index=False
        )
    card = references.task(str(tmp_path / "three"))
    run = worked(student_of(card.name, names["teacher"]))
    assert run.state is State.FAILED
    assert "predicts blame, praise" in run.outcome.message
    assert "has x, y, z" in run.outcome.message


def test_an_unexpected_error_is_the_outcome_and_its_traceback_is_in_the_log(
    names: dict[str, str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    recipe = student_of(names["task"], names["teacher"])
    monkeypatch.setattr("sparsekd.stages.training.train", lambda *_, **__: 1 / 0)
    run = worked(Recipe(**{**recipe.__dict__, "seed": 77}))
    assert run.state is State.FAILED
    assert run.outcome.message == "ZeroDivisionError: division by zero"
    assert "Traceback" in capfd.readouterr().err


def test_a_checkpoint_that_changed_after_submission_is_refused(
    names: dict[str, str], tmp_path: Path
):
    folder = checkpoint_folder(tmp_path / "moving")
    recipe = recipes.finetune(names["task"], references.model(str(folder)), QUICK)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"hidden_dropout_prob": 0.3}))
    run = worked(recipe)
    assert run.state is State.FAILED
    assert "has changed" in run.outcome.message
