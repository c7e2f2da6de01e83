"""Every ranking computed from a teacher keeps one contract; a new one needs its two files only."""

import os
import runpy
import shutil
import sys
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from sparsekd.catalog import rankings
from sparsekd.catalog.stage_parameters import AttributeParams
from sparsekd.errors import Incompatible
from sparsekd.knowledge.rankings import from_data, from_weights
from sparsekd.models.pruning import prune
from sparsekd.units.masking import Mask
from tests.tiny_data import tiny_data

ROOT = Path(__file__).parents[2]
Tiny = Callable[..., PreTrainedModel]
DATA = tiny_data(6)


def values(
    name: str, teacher: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, rows: list[int]
) -> tuple[np.ndarray, np.ndarray]:
    """The ranking `name` of a teacher, on some rows of the data where it needs any."""
    if rankings.find(name).origin == "weights":
        found = from_weights(name, teacher)
        return found.head_expressiveness, found.neuron_expressiveness
    data = DATA.select(np.array(rows))
    return from_data(teacher, data, tokenizer, AttributeParams(kind=name, steps=2))


@pytest.mark.parametrize("name", rankings.names("weights", "data"))
def test_units_get_a_value_each_whatever_the_order_of_the_examples(
    name: str, tiny: Tiny, architecture: str, tokenizer: PreTrainedTokenizerFast
):
    teacher = tiny(architecture)
    heads, neurons = values(name, teacher, tokenizer, [0, 1, 2, 3, 4, 5])
    turned = values(name, teacher, tokenizer, [4, 0, 5, 2, 1, 3])

    assert (heads.shape, neurons.shape) == ((2, 3), (2, 20))
    assert len(np.unique(heads)) == heads.size
    np.testing.assert_allclose(turned[0], heads, rtol=1e-4)
    np.testing.assert_allclose(turned[1], neurons, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("name", rankings.names("weights", "data"))
def test_a_pruned_teacher_is_refused(name: str, tiny: Tiny, tokenizer: PreTrainedTokenizerFast):
    mask = Mask.full((2, 3, 20))
    mask.heads[0, 0] = False
    with pytest.raises(Incompatible, match="differ"):
        values(name, prune(tiny(), mask), tokenizer, [0, 1])


def test_a_new_ranking_is_two_files(tmp_path: Path):
    shutil.copytree(
        ROOT / "sparsekd", tmp_path / "sparsekd", ignore=shutil.ignore_patterns("__pycache__")
    )
    (tmp_path / "sparsekd/catalog/rankings/first_weight.py").write_text(CARD)
    (tmp_path / "sparsekd/knowledge/rankings/first_weight.py").write_text(RANK)
    (tmp_path / "script.py").write_text(SCRIPT)
    process = get_context("fork").Process(target=other_package, args=(tmp_path,))
    process.start()  # forked: torch need not be loaded again
    process.join()
    assert process.exitcode == 0, (tmp_path / "errors").read_text()


def other_package(place: Path) -> None:
    """Run the script with the package at that place, in a process that has loaded this one."""
    for name in [each for each in sys.modules if each.split(".")[0] in ("sparsekd", "tests")]:
        del sys.modules[name]
    sys.path[:0] = [str(place), str(ROOT)]
    sys.argv[1:] = [str(place)]
    os.environ["SPARSEKD_HOME"] = str(place / "home")
    sys.stderr = (place / "errors").open("w")
    runpy.run_path(str(place / "script.py"))


CARD = """
from sparsekd.catalog.ranking_card import RankingCard

CARD = RankingCard(
    name="first_weight",
    title="First weight",
    phrase="by their first weight",
    source="",
    summary="The first weight of each unit.",
    origin="weights",
)
"""
RANK = """
import torch
from sparsekd.models import architectures


def rank(teacher):
    layers = architectures.layers(teacher)
    heads = [layer.query.weight[:: layer.head_size, 0] for layer in layers]
    neurons = [layer.expansion.weight[:, 0] for layer in layers]
    return torch.stack(heads).detach().numpy(), torch.stack(neurons).detach().numpy()
"""
SCRIPT = """
import sys
from pathlib import Path

import numpy as np
import sparsekd
from sparsekd.__main__ import main
from sparsekd.catalog.parameters import TrainParams
from sparsekd.catalog.rankings import CONTROLS
from sparsekd.catalog.stage_parameters import AblateParams, MaskParams, ProbeParams, ScoreParams
from sparsekd.runs import ablations, references, tables
from sparsekd.studies import recipes, roles
from sparsekd.units.masking import Mask
from sparsekd.units.scores import Scores
from tests.workshop import checkpoint_folder, done, task_folder

place = Path(sys.argv[1])
assert Path(sparsekd.__file__).is_relative_to(place)
assert "first_weight" in CONTROLS
assert roles.title("first_weight_teacher") == "Teacher pruned by their first weight"

train = TrainParams(epochs=1, batch_size=64, max_length=16, train_examples=64)
task = references.task(str(task_folder(place / "task"))).name
start = references.model(str(checkpoint_folder(place / "checkpoint")))
teacher = done(recipes.finetune(task, start, train)).id
scores = done(recipes.score(task, teacher, teacher, ScoreParams(), 16))

ablated = done(recipes.ablate(task, teacher, AblateParams(ranking="first_weight", examples=8), 16))
saved = Scores.load(ablated.folder / "first_weight.npz")
found = ablations.all_rankings(Scores.load(scores.folder / "scores.npz"), ablated, 0.5, "layer", {})
np.testing.assert_array_equal(found["first_weight"][0], saved.head_expressiveness)

probe = ProbeParams(sparsities=(0.5,), examples=8)
probed = tables.probe_table(done(recipes.probe(task, teacher, teacher, scores.id, probe, 16)))
assert "first_weight" in set(probed["ranking"])

params = MaskParams(kind="first_weight", sparsity=0.5)
pruned = done(recipes.prune(task, teacher, "", params, 16))
words = ["--scores", ablated.id, "--kind", "first_weight", "--sparsity", "0.5"]
assert main(["mask", *words, "--out", str(place / "mask.npz")]) == 0
one, other = Mask.load(pruned.folder / "mask.npz"), Mask.load(place / "mask.npz")
np.testing.assert_array_equal(one.heads, other.heads)
np.testing.assert_array_equal(one.neurons, other.neurons)
assert one.provenance == other.provenance

words = ["--scores", scores.id, "--ablation", ablated.id, "--resamples", "10"]
assert main(["fidelity", *words]) == 0
"""
