"""The report of a sweep: one file, the conclusion first, that loads nothing else."""

import re
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from plotly.offline import get_plotlyjs

from sparsekd.errors import BadInput, NotFound, Unavailable
from sparsekd.figures import report
from sparsekd.runs import store
from sparsekd.runs.records import Outcome, Plan, State
from sparsekd.studies.sweeps import label_results, sweep, sweep_results
from tests import sample_sweep


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPARSEKD_HOME", str(tmp_path / "home"))
    return tmp_path


def study(until: int | None = None, **changes: Any) -> Plan:
    return sample_sweep.fill(sweep.plan(sample_sweep.asked(**changes)), until)


def small(**changes: Any) -> Plan:
    return study(**{"seeds": (0, 1), "lams": (0.5,), "controls": ()} | changes)


def read(path: Path) -> str:
    """The report without the library that draws it, which is in it once."""
    text = path.read_text(encoding="utf-8")
    library = get_plotlyjs()
    assert text.count(library) == 1
    return text.replace(library, "")


def test_the_conclusion_comes_first_and_the_file_opens_offline(home: Path):
    plan = study()
    text = read(report.write([plan], home / "report.html"))
    students = sweep_results.students(plan)
    found = sweep_results.conclusions(students, "validation", "accuracy")["vanilla"]
    shown = unescape(text[text.index("<h1>") :])
    p = f"{found.verdicts['dense'].p:.4g}"
    assert shown.index(found.sentence) < shown.index("<h3>Setup") < shown.index(p)
    assert all(f"{choice.reported:.4g}" in shown for choice in found.choices.values())
    assert all(f"{choice.selected:.4g}" in shown for choice in found.choices.values())
    assert "python -m sparsekd sweep" in shown
    assert "plotly 7" in shown
    assert text.count('class="figure"') == text.count("<details>") == 6
    assert "Not finished" not in text
    # The library knows addresses of its own: the browser is shown to load nothing at all.
    assert "default-src 'none'" in text
    assert not re.search(r"https?://|//cdn|@import|\ssrc=|\shref=|url\(", text)


def test_label_budgets_stand_first_with_their_figure(home: Path):
    train = sample_sweep.asked().train
    plans = [
        small(sparsities=(0.0,), controls=("plain",), train=train.changed({"labelled": labelled}))
        for labelled in (100, 400)
    ]
    text = read(report.write(plans, home / "report.html"))
    shown = unescape(text[text.index("<h1>") :])
    found = label_results.label_study(plans)
    assert all(words in shown for words in found.sentences())
    assert shown.index("Student quality against gold labels") < shown.index("<h3>Setup")
    assert "No verdict yet" not in shown


def test_a_half_finished_study_shows_its_progress_and_failures(home: Path):
    plan = study(until=20, seeds=(0, 1))
    waiting = plan.steps[20].recipe.run_id
    outcome = Outcome(message="The disk is <full>.", hint="Free it.")
    store.finish(waiting, State.FAILED, outcome, 1.0)
    text = read(report.write([plan], home / "report.html"))
    assert f"20 of {len(plan.steps)} runs" in text
    assert "Not finished" in text
    assert "The disk is &lt;full&gt;." in text


def test_text_from_data_is_escaped_and_one_report_holds_several_studies(home: Path):
    evil = '</script><script>alert("x")</script><img src=x onerror=alert(1)>'
    plans = [replace(small(), title=evil), small(seeds=(2,))]
    text = read(report.write(plans, home / "report.html", metric="loss"))
    assert "<script>alert" not in text
    assert "<img" not in text
    assert "&lt;img src=x" in text
    assert f"<h2>{plans[1].title}</h2>" in text
    assert len(set(re.findall(r'id="(figure\d+)"', text))) == 12
    assert "Loss on validation" in text


def test_what_cannot_be_reported_is_refused_and_leaves_no_file(home: Path):
    nothing = small(until=1)
    path = home / "report.html"
    with pytest.raises(BadInput, match="No student"):
        report.write([nothing], path)
    plan = small()
    with pytest.raises(NotFound, match="accurracy"):
        report.write([plan], path, metric="accurracy")
    with pytest.raises(NotFound, match="tset"):
        report.write([plan], path, split="tset")
    with pytest.raises(BadInput, match="No study"):
        report.write([], path)
    assert not path.exists()


def test_a_path_that_cannot_be_written_is_named(home: Path):
    (home / "file").write_text("")
    with pytest.raises(Unavailable, match="cannot be used"):
        report.write([small()], home / "file" / "report.html")
