"""The explanation of one unit: its card and the bars over λ and sparsity."""

import pytest
from streamlit.testing.v1 import AppTest

from pages.parts.explain import explanation_view
from sparsekd.catalog.stage_parameters import MaskParams
from sparsekd.runs.records import Plan
from sparsekd.units import explain, explain_tables
from tests.pages.conftest import table
from tests.sample_ablation import ablated, run_of, sample_ablation
from tests.sample_study import sample_scores

Unit = tuple[str, int, int]


def text(app: AppTest) -> str:
    shown = [*app.markdown, *app.caption, *app.success, *app.warning, *app.info, *app.error]
    return " ".join(element.value for element in shown)


def _draw(scores: str, unit: tuple[str, int, int], sparsity: float, ablation: str) -> None:
    from pages.parts.explain import explanation_view
    from pages.parts.shell import frame
    from sparsekd.catalog.stage_parameters import MaskParams
    from sparsekd.runs import store

    with frame.error_boundary():
        truth = store.get(ablation) if ablation else None
        params = MaskParams(sparsity=sparsity)
        explanation_view.draw_explanation(store.get(scores), unit, params, truth)


def drawn(plan: Plan, unit: Unit, ablation: str = "", sparsity: float = 0.3) -> AppTest:
    given = {"scores": run_of(plan, "scores").id, "unit": unit, "ablation": ablation}
    given |= {"sparsity": sparsity}
    app = AppTest.from_function(_draw, kwargs=given, default_timeout=90).run()
    assert not app.exception, [error.value for error in app.exception]
    return app


@pytest.mark.parametrize("unit", [("head", 1, 2), ("neuron", 2, 33), ("neuron", 0, 5)])
def test_the_card_says_what_the_command_line_says(study: Plan, unit: tuple[str, int, int]) -> None:
    measured = sample_ablation(single=2)
    app = drawn(study, unit, ablated(study, measured).id)

    found = explain.explain(sample_scores(), *unit, MaskParams(sparsity=0.3))
    kind, layer, index = unit
    verb = "removed" if found.removed else "kept"
    assert f"Why is layer {layer + 1}, {kind} {index + 1} {verb}?" in text(app)
    assert f"number {found.place:,} of {found.pool:,} {kind}s" in text(app)
    tiles = {tile.label: tile for tile in app.metric}
    assert tiles["Rank"].value == f"{found.rank:,}"
    change = {
        ("head", 1, 2): measured.head_task_loss[1, 2],
        ("neuron", 2, 33): measured.neuron_task_loss[33],
        ("neuron", 0, 5): measured.group_task_loss[0, measured.groups[0, 5]],
    }[unit]
    assert tiles["Task loss"].value == f"{change:+.3g}"
    assert list(table(app, "along")["state"]) == list(explain_tables.spans(found)["state"])


def test_the_card_does_without_an_ablation_and_names_bad_numbers(study: Plan) -> None:
    assert "no ablation" in text(drawn(study, ("head", 0, 0)))
    assert "no head 9" in text(drawn(study, ("head", 0, 9)))
    assert "empties" in text(drawn(study, ("head", 0, 0), sparsity=1.0))


def test_the_bars_fill_both_axes_from_zero_to_one() -> None:
    found = explain.explain(sample_scores(), "head", 1, 2, MaskParams(sparsity=0.3))
    spans = explain_tables.spans(found)

    figure = explanation_view.plot_spans(found, spans)

    bars = {name: bar for bar in figure.data for name in [str(bar.hovertemplate).split()[0]]}
    assert sum(width for bar in bars.values() for width in bar.x) == pytest.approx(2)
    assert list(bars["removed"].base) == list(spans[spans["state"] == "removed"]["from"])
