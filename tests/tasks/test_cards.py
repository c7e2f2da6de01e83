"""Task cards: GLUE as its authors define it, names that are found or nearly found."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from sparsekd.errors import NotFound
from sparsekd.tasks import TASKS, TaskCard, find

# Label order of nyu-mll/glue's class features, and the metrics of the GLUE paper's table 1.
GLUE = {
    "cola": (("unacceptable", "acceptable"), ("mcc",)),
    "sst2": (("negative", "positive"), ("accuracy",)),
    "mrpc": (("not_equivalent", "equivalent"), ("accuracy", "f1")),
    "qqp": (("not_duplicate", "duplicate"), ("accuracy", "f1")),
    "stsb": ((), ("pearson", "spearman")),
    "mnli": (("entailment", "neutral", "contradiction"), ("accuracy",)),
    "qnli": (("entailment", "not_entailment"), ("accuracy",)),
    "rte": (("entailment", "not_entailment"), ("accuracy",)),
}


@pytest.mark.parametrize("key", GLUE)
def test_a_glue_card_has_the_hubs_labels_and_the_papers_metrics(key):
    card = find(f"glue/{key}")
    assert (card.labels, card.metrics) == GLUE[key]
    assert card.location == f"nyu-mll/glue:{key}"
    assert card.regression == (key == "stsb")
    assert card.classes == max(len(GLUE[key][0]), 1)
    assert card.pair == (key not in ("cola", "sst2"))


def test_mnli_has_two_validation_splits():
    assert find("glue/mnli").validation == ("validation_matched", "validation_mismatched")


def test_the_menu_lists_demo_tasks_and_then_glue():
    origins = [card.origin for card in TASKS.values()]
    assert origins == sorted(origins, key=["demo", "hub"].index)
    assert {name for name, card in TASKS.items() if card.origin == "hub"} == {
        f"glue/{key}{ending}" for key in GLUE for ending in ("", "-grouped")
    }


@pytest.mark.parametrize("key", GLUE)
def test_a_grouped_card_differs_in_name_title_and_selection_split_alone(key):
    plain, grouped = find(f"glue/{key}"), find(f"glue/{key}-grouped")
    assert grouped == replace(plain, name=grouped.name, title=grouped.title, groups="text")
    assert "groups" not in plain.to_json()


@pytest.mark.parametrize("name", sorted(TASKS))
def test_a_card_survives_json(name):
    card = TASKS[name]
    assert TaskCard.from_json(json.loads(json.dumps(card.to_json()))) == card


def test_an_unknown_task_names_the_nearest():
    with pytest.raises(NotFound, match="Did you mean glue/sst2"):
        find("glue/sst3")


def test_tasks_import_no_torch():
    code = "import sys, sparsekd.tasks; sys.exit(bool({'torch', 'datasets'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
