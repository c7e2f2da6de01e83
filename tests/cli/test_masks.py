"""`fidelity`, `explain-unit` and `masks` on files, as a script would call them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sparsekd.__main__ import main
from sparsekd.catalog.stage_parameters import MaskParams
from sparsekd.knowledge.rankings import magnitude
from sparsekd.models import loading
from sparsekd.units import explain, overlap
from sparsekd.units.scores import Scores
from tests.units.test_fidelity import ablation
from tests.units.test_masking import random_mask, scores
from tests.workshop import checkpoint_folder


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPARSEKD_HOME", str(tmp_path / "home"))
    scores().save(tmp_path / "scores.npz")
    ablation(single=1).save(tmp_path / "ablation.npz")
    return tmp_path


def answer(capsys: pytest.CaptureFixture[str], *words: object) -> dict[str, Any]:
    assert main([str(word) for word in words] + ["--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def refusal(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    assert main([str(word) for word in words]) == 2
    said = capsys.readouterr().err
    assert len(said.strip().splitlines()) == 1
    return said


def fidelity(files: Path, *more: object) -> list[object]:
    start = ["fidelity", "--scores", files / "scores.npz", "--ablation", files / "ablation.npz"]
    return [*start, "--resamples", 30, *more]


def test_fidelity_says_each_statistic_with_its_interval(files: Path, capsys: Any) -> None:
    found = answer(capsys, *fidelity(files, "--lam", "0.5", "0.25"))
    assert list(found["scores"]) == ["E", "F", "K(0.5)", "K(0.25)", "random"]
    for row in found["scores"]["E"].values():
        for name in ("spearman", "kendall", "top_overlap"):
            low, high = row["intervals"][name]
            assert low <= high
            assert -1 <= row[name] <= 1
        assert row["units"] == 12
        assert row["top"] == 3
    assert set(found["scores"]["E"]) == {"task_loss", "metric", "distance"}


def test_fidelity_of_groups_of_single_neurons_and_of_other_scores(files: Path, capsys: Any) -> None:
    scores(seed=9).save(files / "other.npz")
    for what, units in (("group", 15), ("neuron", 40)):
        words = fidelity(files, "--units", what, "--more", f"other={files / 'other.npz'}")
        found = answer(capsys, *words)
        assert found["scores"]["other, E"]["metric"]["units"] == units


def test_magnitude_is_read_off_the_teacher(tmp_path: Path, files: Path, capsys: Any) -> None:
    teacher = checkpoint_folder(tmp_path / "teacher", layers=3)
    model, _ = loading.load_saved(teacher)
    heads, neurons = magnitude.rank(model)
    drawn = np.random.default_rng(0)
    sizes = [heads.shape, heads.shape, neurons.shape, neurons.shape]
    Scores(*(drawn.random(size) for size in sizes)).save(files / "scores.npz")
    changed = {f"head_{kind}": heads for kind in ("task_loss", "distance")} | {"head_metric": heads}
    groups = np.zeros(neurons.shape, dtype=np.int16)
    changed |= {f"group_{kind}": heads[:, :1] for kind in ("task_loss", "metric", "distance")}
    ablation(groups=groups, **changed).save(files / "ablation.npz")
    found = answer(capsys, *fidelity(files, "--teacher", teacher))["scores"]["magnitude"]
    assert found["task_loss"]["spearman"] == pytest.approx(1)
    assert found["metric"]["spearman"] == pytest.approx(-1)  # a metric that rises is no harm


def test_explain_unit_counts_from_0_and_says_what_the_library_says(
    files: Path, capsys: Any
) -> None:
    words = ["explain-unit", "--scores", files / "scores.npz", "--layer", 2, "--head", 0]
    words += ["--lam", 0.3, "--sparsity", 0.4, "--ablation", files / "ablation.npz"]
    found = answer(capsys, *words)
    expected = explain.explain(scores(), "head", 2, 0, MaskParams(lam=0.3, sparsity=0.4))
    assert (found["layer"], found["index"], found["unit"]) == (2, 0, "head")
    assert (found["goes"], found["place"]) == (expected.removed, expected.place)
    assert found["rank"] == expected.rank
    assert found["flips"] == list(expected.breakpoints)
    assert found["goes_at"] == expected.removal_sparsity
    assert found["threshold"] == expected.lowest_kept
    assert [span["goes"] for span in found["spans"]] == [s.removed for s in expected.spans]
    assert found["context"]["going"] == expected.context.removed
    assert found["expressiveness"] == float(scores().head_expressiveness[2, 0])
    change = ablation(single=1).head_task_loss[2, 0]
    assert found["effect"]["changes"]["task_loss"] == pytest.approx(change)
    assert "head 0 of layer 2" in found["sentence"]


def test_explain_unit_of_a_neuron_takes_the_mask_s_options(files: Path, capsys: Any) -> None:
    words = ["explain-unit", "--scores", files / "scores.npz", "--layer", 1, "--neuron", 7]
    words += ["--neuron-sparsity", 0.5, "--round-to", 1, "--normalise", "none"]
    found = answer(capsys, *words)
    assert (found["sparsity"], found["round_to"], found["normalise"]) == (0.5, 1, "none")
    assert found["effect"] is None


def test_masks_says_what_they_share_and_how_stable_they_are(files: Path, capsys: Any) -> None:
    made = [random_mask((3, 4, 40), 0.5, seed) for seed in range(3)]
    words: list[object] = ["masks"]
    for number, mask in enumerate(made):
        mask.save(files / f"{number}.npz")
        words += ["--mask", files / f"{number}.npz"]
    found = answer(capsys, *words)
    assert len(found["pairs"]) == 3
    row = next(
        row for row in found["pairs"][0]["rows"] if row["units"] == "heads" and row["layer"] == -1
    )
    assert row["both"] == int((made[0].heads & made[1].heads).sum())
    np.testing.assert_allclose(found["stability"]["heads"], overlap.stability(made)[0])


def test_the_words_for_people_name_scores_layers_and_verdicts(files: Path, capsys: Any) -> None:
    assert main([str(word) for word in fidelity(files)]) == 0
    said = capsys.readouterr().out
    assert "verdict" in said
    assert "random" in said
    for seed in (0, 1):
        random_mask((3, 4, 40), 0.5, seed).save(files / f"{seed}.npz")
    assert main(["masks", "--mask", str(files / "0.npz"), "--mask", str(files / "1.npz")]) == 0
    assert "jaccard" in capsys.readouterr().out


def test_bad_words_leave_as_one_line(files: Path, capsys: Any) -> None:
    explain = ["explain-unit", "--scores", files / "scores.npz"]
    assert "no head 4 in layer 0" in refusal(capsys, *explain, "--layer", 0, "--head", 4)
    assert "--head or --neuron" in refusal(capsys, *explain, "--layer", 0)
    assert "outside" in refusal(capsys, *fidelity(files, "--top", 2))
    assert "name=file" in refusal(capsys, *fidelity(files, "--more", "x"))
    assert "no file" in refusal(capsys, *fidelity(files, "--more", "x=gone.npz"))
    assert "nowhere" in refusal(capsys, *fidelity(files, "--teacher", "/nowhere"))
    random_mask((3, 4, 40), 0.5, 0).save(files / "a.npz")
    random_mask((3, 4, 48), 0.5, 0).save(files / "b.npz")
    assert "1 mask" in refusal(capsys, "masks", "--mask", files / "a.npz")
    both = ["--mask", files / "a.npz", "--mask", files / "b.npz"]
    assert "equal layers" in refusal(capsys, "masks", *both)
    scores(layers=2).save(files / "scores.npz")
    assert "one teacher" in refusal(capsys, *fidelity(files))


def test_a_teacher_that_is_gone_costs_only_the_row_of_its_magnitude(
    files: Path, capsys: Any
) -> None:
    made = ablation()
    made.provenance["inputs"] = {"teacher": "folder:/gone#12345678"}
    made.save(files / "ablation.npz")
    assert main([str(word) for word in [*fidelity(files), "--json"]]) == 0
    said = capsys.readouterr()
    assert "magnitude" not in json.loads(said.out)["scores"]
    assert "Not compared: " in said.err and "Magnitude" in said.err
