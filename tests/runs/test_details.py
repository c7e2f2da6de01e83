"""Log, files and facts of one run."""

from pathlib import Path

from sparsekd.runs import details, store
from tests.sample_study import fill_plan, sample_plan


def test_filters_combine(home: Path) -> None:
    fill_plan(sample_plan(), until="scores")
    runs = store.runs()

    assert len(details.filter_runs(runs)) == len(runs)
    queued = details.filter_runs(runs, state="queued", stage="distil")
    assert {(run.state.value, run.recipe.stage) for run in queued} == {("queued", "distil")}
    assert details.filter_runs(runs, task="another") == []


def test_the_log_is_shown_by_its_end(home: Path) -> None:
    run = store.get(fill_plan(sample_plan()).steps[0].recipe.run_id)
    (run.folder / "log.txt").write_text("\n".join(f"line {n}" for n in range(100)))

    tail = details.log_tail(run).splitlines()

    assert tail[-1] == "line 99"
    assert len(tail) == details.TAIL


def test_a_run_without_a_log_has_an_empty_one(home: Path) -> None:
    run = store.create(sample_plan().steps[0].recipe)

    assert details.log_tail(run) == ""


def test_files_are_listed_with_their_sizes(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights").write_bytes(b"12345")

    table = details.file_table(tmp_path)

    assert table.to_dict("list") == {"file": ["model/weights"], "bytes": [5]}


def test_facts_name_the_work_of_a_run_that_has_worked(home: Path) -> None:
    finished = store.get(fill_plan(sample_plan()).steps[0].recipe.run_id)

    line = details.facts_line(finished, "9.5 s")

    assert line.startswith(f"{finished.id} · Fine-tuning · demo/sentiment · seed 0")
    assert line.endswith("worked 9.5 s")
