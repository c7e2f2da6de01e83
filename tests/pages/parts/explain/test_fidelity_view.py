"""The fidelity view: scores against an ablation, in words, a table and a scatter."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from pages.parts.explain import fidelity_chart, fidelity_view
from sparsekd.runs.records import Plan, Run
from sparsekd.units import fidelity, fidelity_words
from tests.pages.conftest import table
from tests.sample_ablation import ablated, run_of, sample_ablation
from tests.sample_study import sample_scores


def text(app: AppTest) -> str:
    shown = [*app.markdown, *app.caption, *app.success, *app.warning, *app.info, *app.error]
    return " ".join(element.value for element in shown)


def _draw(scores: str, ablation: str, more: dict[str, str] | None = None) -> None:
    from pathlib import Path

    from pages.parts.explain import fidelity_view
    from pages.parts.shell import frame
    from sparsekd.runs import store

    with frame.error_boundary():
        files = {name: Path(path) for name, path in (more or {}).items()}
        fidelity_view.draw_fidelity(store.get(scores), store.get(ablation), files)


def drawn(plan: Plan, more: dict[str, str] | None = None, **changes: Any) -> AppTest:
    return drawn_with(plan, ablated(plan, sample_ablation(**changes)), more)


def drawn_with(plan: Plan, ablation: Run, more: dict[str, str] | None = None) -> AppTest:
    given = {"scores": run_of(plan, "scores").id, "ablation": ablation.id, "more": more}
    app = AppTest.from_function(_draw, kwargs=given, default_timeout=90).run()
    assert not app.exception, [error.value for error in app.exception]
    return app


def test_a_score_that_predicts_the_effects_is_better_than_random_and_another_is_not(
    study: Plan,
) -> None:
    app = drawn(study, exactly_e=True)

    shown = table(app, "Verdict").set_index("Score")
    assert shown.loc["E", "Verdict"] == fidelity.BETTER
    assert shown.loc["E", "Spearman's ρ"].startswith("+1.00")
    assert "**E** (+1.00)" in app.success[0].value
    assert fidelity.NO_BETTER in set(shown["Verdict"])
    assert any("Not distinguishable from random on 16 heads" in box.value for box in app.warning)


@pytest.mark.parametrize(("what", "units"), [("group", 32), ("neuron", 64)])
def test_groups_and_single_neurons_are_compared_too(study: Plan, what: str, units: int) -> None:
    app = drawn(study, single=2)
    app.session_state["fidelity.what"] = what
    app.run()

    assert not app.exception
    assert f"resampling the {units} {fidelity_words.UNITS[what].lower()}" in text(app)
    assert len(table(app, "rank by score")) == fidelity_chart.OUTLIERS


def test_other_scores_get_a_row(study: Plan, tmp_path: Path) -> None:
    scores = sample_scores()
    scores.save(tmp_path / "c.npz")

    app = drawn(study, more={"conductance": str(tmp_path / "c.npz")})

    assert "conductance, E" in set(table(app, "Verdict")["Score"])
    assert "Magnitude is missing" in text(app)


def test_a_score_file_that_was_deleted_is_text(study: Plan, tmp_path: Path) -> None:
    app = drawn(study, more={"conductance": str(tmp_path / "gone.npz")})

    assert "gone.npz" in app.error[0].value


def test_a_deleted_ablation_is_text(study: Plan) -> None:
    run = ablated(study, sample_ablation())
    (run.folder / "ablation.npz").unlink()

    app = drawn_with(study, run)

    assert "ablation" in app.error[0].value


def test_a_click_in_the_scatter_chooses_the_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    class Event:
        class selection:  # noqa: N801 - as Streamlit calls it
            points = ({"customdata": {"0": 3, "1": 40}},)

    session: dict[str, Any] = {"chart": Event}
    monkeypatch.setattr("streamlit.session_state", session)
    fidelity_view.store_click("chart", "neuron")
    assert [session[f"url.{name}"] for name in ("unit", "layer", "index")] == ["neuron", 2, 39]


def test_the_scatter_holds_every_unit_and_rings_the_outliers() -> None:
    score, effect = np.arange(16.0), np.arange(16.0)
    effect[2] = 99
    places = np.indices((4, 4)).reshape(2, -1).T + 1
    figure = fidelity_chart.plot_fidelity(score, effect, places, "head", ("E", "Rise"))
    everything, ringed = figure.data
    np.testing.assert_array_equal(everything.x, score)
    np.testing.assert_array_equal(everything.customdata, places)
    assert list(ringed.customdata[0]) == [1, 3]
    assert len(ringed.x) == fidelity_chart.OUTLIERS
