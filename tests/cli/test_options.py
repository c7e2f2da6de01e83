"""Requests: how words become one typed value, and what is refused with which advice."""

from pathlib import Path

import numpy as np
import pytest

from sparsekd.__main__ import main
from sparsekd.cli.models import file_of
from sparsekd.cli.parser import parse, parser
from sparsekd.errors import BadInput, NotFound
from sparsekd.runs import store
from sparsekd.studies import recipes
from sparsekd.tasks.demo import DEMO_CHECKPOINT
from sparsekd.units.masking import Mask


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPARSEKD_HOME", str(tmp_path))
    return tmp_path


SEEDS = [
    ([], (0,)),
    (["--seed", "3"], (3,)),
    (["--seeds", "3"], (0, 1, 2)),
    (["--seed", "7", "--seeds", "2"], (7, 8)),
    (["--seeds", "0,1,4"], (0, 1, 4)),
]


@pytest.mark.parametrize(("words", "seeds"), SEEDS)
@pytest.mark.parametrize("command", ["study", "compare"])
def test_seed_is_the_first_of_the_seeds(command: str, words: list[str], seeds: tuple[int, ...]):
    methods = ["--methods", "vanilla"] if command == "compare" else []
    _, request = parse([command, "--task", "demo/sentiment", *methods, *words])
    assert request.chosen_seeds(1) == seeds


def test_a_sweep_without_seeds_keeps_the_files_and_one_seed_replaces_them(tmp_path: Path):
    file = tmp_path / "study.yaml"
    file.write_text("task: demo/sentiment\nseeds: [2, 3]\n")
    words = ["sweep", "--file", str(file)]
    assert parse(words)[1].declaration().seeds == (2, 3)
    assert parse([*words, "--seed", "8"])[1].declaration().seeds == (8,)
    assert parse([*words, "--seed", "8", "--seeds", "2"])[1].declaration().seeds == (8, 9)


def test_a_first_seed_beside_a_list_of_seeds_is_refused():
    _, request = parse(["study", "--task", "demo/sentiment", "--seed", "1", "--seeds", "2,3"])
    with pytest.raises(BadInput, match="one of the two"):
        request.chosen_seeds(1)


def test_what_was_refused_is_never_offered(capsys: pytest.CaptureFixture[str]):
    """`mask` has --seed, `score` has not: the advice for `score` names options of `score` alone."""
    words = [
        "score",
        "--task",
        "t",
        "--teacher",
        "a",
        "--student",
        "b",
        "--out",
        "x",
        "--seed",
        "3",
    ]
    assert main(words) == 2
    error = capsys.readouterr().err
    assert "There is no option '--seed'" in error
    assert "--seed" not in error.split("'--seed'")[1].replace("--seeds", "")


def test_the_advice_for_a_misspelt_option_is_an_option_of_that_command():
    with pytest.raises(NotFound) as refused:
        parse(["mask", "--scores", "s.npz", "--out", "m.npz", "--sparsty", "0.3"])
    assert "--sparsity" in refused.value.hint


def test_every_option_has_a_help_text():
    (menu,) = (action for action in parser()._actions if action.choices)
    for name, child in menu.choices.items():
        for action in child._actions:
            assert action.help or action.choices, f"{name} {action.option_strings}"


def test_a_request_cannot_be_changed():
    _, request = parse(["study", "--task", "demo/sentiment"])
    with pytest.raises(ValueError, match="frozen"):
        request.task = "other"


def test_a_mask_is_named_by_its_file_or_by_its_run(tmp_path: Path):
    recipe = recipes.finetune("demo/sentiment", DEMO_CHECKPOINT, recipes.defaults("demo:")[0])
    run = store.create(recipe)
    with pytest.raises(BadInput, match="finetune run, not prune"):
        file_of(run.id, "prune")
    file = tmp_path / "mask.npz"
    Mask.full((2, 3, 4)).save(file)
    assert np.array_equal(Mask.load(file_of(str(file), "prune")).heads, np.ones((2, 3), bool))
    with pytest.raises(NotFound):
        file_of("0123456789ab", "prune")
