"""The command `sweep`, without its runs: cost, refusals, stopping and going on."""

import json

import pytest

from sparsekd.__main__ import main
from sparsekd.runs import jobs, store
from sparsekd.runs.records import Outcome, State
from sparsekd.studies.sweeps import sweep
from tests.studies.sweeps.test_sweep import SMALL

GRID = ["--lam", "0.5", "--sparsity", "0.3", "--seeds", "2", "--controls", "random"]


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("SPARSEKD_HOME", str(tmp_path))
    monkeypatch.setattr(jobs, "start_queue", lambda: None)


def test_a_dry_run_tells_the_number_of_runs_and_starts_none(capsys):
    words = ["sweep", "--task", "demo/sentiment", *GRID, "--dry-run", "--json"]
    assert main(words) == 0
    out = capsys.readouterr()
    (told,) = json.loads(out.out)
    # The teacher; per seed: trial student, scores, sparse and random teacher, their students.
    assert (told["missing"], told["done"], told["unknown"]) == (13, 0, 13)
    assert "2 cells to choose from" in out.err
    assert store.runs() == []
    assert store.plans() == []


def test_a_dry_run_of_label_budgets_counts_a_study_for_each(capsys):
    words = ["sweep", "--task", "demo/sentiment", "--labelled", "100,all", "--sparsity", "0"]
    words += ["--seeds", "2", "--controls", "plain,tfidf", "--dry-run", "--json"]
    assert main(words) == 0
    out = capsys.readouterr()
    # The teacher; per seed: student with no soft labels, TF-IDF, student of the dense teacher.
    assert [told["missing"] for told in json.loads(out.out)] == [7, 7]
    assert "demo/sentiment · 100 labels · 1 method × 2 seeds" in out.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "No task is named"),
        (["--task", "demo/sentiment", "--lam", ","], "lam is empty"),
        (["--task", "demo/sentiment", "--seeds", "0,0"], "seeds names 0 twice"),
        (["--task", "demo/sentiment", "--seeds", "0"], "seeds"),
        (["--task", "demo/sentiment", "--seeds", "many"], "seeds"),
        (["--task", "demo/sentiment", "--methods", "vanila"], "Did you mean vanilla"),
        (["--task", "demo/sentiment", "--file", "none.yaml"], "no study file"),
    ],
)
def test_bad_words_end_in_one_line_and_code_2(words, said, capsys):
    assert main(["sweep", *words]) == 2
    told = capsys.readouterr().err.strip()
    assert said in told
    assert "Traceback" not in told


def test_a_study_is_stopped_as_a_whole_and_goes_on_with_what_is_missing(capsys):
    plan = sweep.plan(SMALL)
    runs = jobs.submit_plan(plan)
    store.finish(runs[0].id, State.DONE, Outcome(), 1.0)
    assert main(["runs", "cancel", "--study", plan.id, "--json"]) == 0
    stopped = json.loads(capsys.readouterr().out)["cancelled"]
    assert sorted(stopped) == sorted(run.id for run in runs[1:])
    assert store.queued() == []
    assert main(["runs", "resume", "--study", plan.id]) == 0
    assert [run.id for run in store.queued()] == [run.id for run in runs[1:]]
    assert {run.retries for run in store.queued()} == {1}
    assert main(["runs", "cancel", "--all"]) == 0
    assert store.queued() == []


def test_nothing_named_stops_nothing(capsys):
    assert main(["runs", "cancel"]) == 2
    assert main(["runs", "resume"]) == 2
    assert "No run is named" in capsys.readouterr().err


def test_a_budget_larger_than_the_labels_is_refused_before_anything_is_launched(capsys):
    words = ["sweep", "--task", "demo/sentiment", "--sparsity", "0", "--labelled", "50,100000"]
    assert main([*words, "--dry-run"]) == 2
    assert "labelled = 100000: 80000 of them would be in" in capsys.readouterr().err
