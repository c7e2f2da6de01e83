"""The Explain page: units, links, attention, neurons, attributions; data is never markup."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from pages.parts.explain import attention_view, attribution_view
from sparsekd.inspector import client
from sparsekd.inspector.protocol import (
    AttentionRequest,
    AttentionResponse,
    AttributionRequest,
    AttributionResponse,
    PackedMask,
    Request,
    TopExamplesRequest,
    TopExamplesResponse,
    TopTokensRequest,
    TopTokensResponse,
)
from sparsekd.runs import store
from sparsekd.runs.records import Plan, Run
from sparsekd.units import masking
from tests.pages.conftest import has_pad, table
from tests.sample_study import HEADS, LAYERS, NEURONS, sample_scores

PAGE = "pages/teacher/explain.py"
Open = Callable[..., AppTest]
NASTY = ["[CLS]", "<b>", "**x**", "$a$", "😀", "שלום", "[SEP]"]
TEXT = "<b> **x** $a$ 😀 שלום"


@pytest.fixture(autouse=True)
def no_inspector(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse to start an inspector: every response that a page needs is cached."""

    def refuse(module: str, log: Path) -> None:
        raise AssertionError("the page requests something that is not cached")

    monkeypatch.setattr(client, "spawn_detached", refuse)


@pytest.fixture
def scored(study: Plan) -> Run:
    """The study's scoring run; its models have weights, of which nothing is read."""
    for step in study.steps:
        if step.recipe.stage != "score":
            model = store.folder(step.recipe.run_id) / "model"
            model.mkdir()
            (model / "model.safetensors").write_bytes(b"weights")
    return next(store.get(s.recipe.run_id) for s in study.steps if s.role == "scores")


def about(run: Run, **more: object) -> dict[str, object]:
    length = run.recipe.params["max_length"]
    teacher = run.recipe.inputs["teacher"]
    return {"task": run.recipe.task, "model": teacher, "max_length": length} | more


def keep(request: Request, response: object) -> None:
    """Put a response into the cache of the inspector."""
    response.save(client.cached_path(request))  # type: ignore[attr-defined]


def attended(cut: int = 0, unknown: int = 0) -> AttentionResponse:
    count = len(NASTY)
    drawn = np.random.default_rng(0).random((LAYERS, HEADS, count, count))
    rows = (drawn / drawn.sum(axis=3, keepdims=True)).astype(np.float32)
    special = [True, *[False] * (count - 2), True]
    return AttentionResponse(NASTY, special, cut, unknown, rows, np.zeros(2, dtype=np.float32))


def attributed(scale: float = 1.0) -> AttributionResponse:
    special = [True, *[False] * (len(NASTY) - 2), True]
    values = scale * np.array([0.0, 1.5, -0.5, 0.2, 0.1, 0.0, 0.0])
    logits = np.array([-1.0, 1.0], dtype=np.float32)
    return AttributionResponse(NASTY, special, 0, 0, values, logits, 1, 2.0, 0.71, 0.01, 16)


def words(app: AppTest) -> str:
    return "\n".join(each.value for each in (*app.markdown, *app.caption, *app.warning))


def test_without_a_unit_the_page_says_how_to_choose_one(open_page: Open, study: Plan) -> None:
    app = open_page(PAGE)

    assert "Click a head" in words(app) or any("Click a head" in each.value for each in app.info)


def test_a_link_to_a_removed_head_says_why_it_goes(open_page: Open, study: Plan) -> None:
    made = masking.decide(*masking.knowledgeableness(sample_scores(), 0.5), 0.5)
    layer, head = np.argwhere(~made.heads)[0]
    app = open_page(PAGE, layer=str(layer), index=str(head), sparsity="0.5", v="1")

    assert f"Why is layer {layer + 1}, head {head + 1} removed?" in words(app)


def test_a_unit_that_does_not_exist_is_forgotten(open_page: Open, study: Plan) -> None:
    app = open_page(PAGE, layer="99", index="0", view="does", v="1")

    assert any("Click a head" in each.value for each in app.info)


def test_a_sparsity_of_one_is_refused_and_the_pad_stays(open_page: Open, study: Plan) -> None:
    app = open_page(PAGE, sparsity="1", v="1")

    assert any("empties every layer" in each.value for each in app.error)
    assert has_pad(app)


def test_attention_of_a_linked_sentence_is_shown_as_text(open_page: Open, scored: Run) -> None:
    keep(AttentionRequest(**about(scored, texts=(TEXT,))), attended(cut=40, unknown=2))
    app = open_page(PAGE, view="does", layer="1", index="2", text=TEXT, v="1")

    assert app.text_area[0].value == TEXT
    assert "The text is 47 tokens long; the model reads the first 7" in words(app)
    assert "2 tokens" in words(app)
    assert "Attention of layer 2, head 3 from" in words(app)
    shown = table(app, "from")
    np.testing.assert_allclose(shown.iloc[:, 1:].sum(axis=1), 1, rtol=1e-5)
    assert list(shown["from"])[1] == "2 <b>"


def test_the_masked_teacher_is_asked_with_the_page_s_mask(open_page: Open, scored: Run) -> None:
    mask = masking.decide(*masking.knowledgeableness(sample_scores(), 0.9), 0.4)
    packed = PackedMask.pack(mask)
    keep(AttentionRequest(**about(scored, texts=("a film",), mask=packed)), attended())
    query = {"lam": "0.9", "sparsity": "0.4", "masked": "1", "text": "a film"}
    app = open_page(PAGE, view="does", layer="0", index="0", v="1", **query)

    assert not app.error
    assert "Attention of layer 1, head 1 from" in words(app)


def test_examples_where_a_head_matters_are_offered(open_page: Open, scored: Run) -> None:
    texts = [["**bold** film"], ["<i>dull</i>"]]
    logits = np.array([[2.0, -2.0], [0.0, 1.0]], dtype=np.float32)
    rows, change = np.array([4, 9]), np.array([0.5, 0.1])
    weighed = TopExamplesResponse(rows, change, logits, -logits, np.array([0, 1]), texts, 0.05, 200)
    keep(TopExamplesRequest(**about(scored, unit="head", layer=1, index=0)), weighed)
    keep(AttentionRequest(**about(scored, texts=("**bold** film",))), attended())
    app = open_page(PAGE, view="does", layer="1", index="0", text="**bold** film", v="1")
    app.button_group(key="example.source").set_value("Most affected by this unit").run()

    assert not app.error
    assert "removing this head changes" in words(app)
    assert app.text[0].value == "**bold** film"


def test_a_neuron_s_strongest_tokens_stand_in_their_text(open_page: Open, scored: Run) -> None:
    values = np.tile(np.array([3.0, 1.0], dtype=np.float32), (NEURONS, 1))
    rows, places = np.zeros((NEURONS, 2), int), np.tile([1, 2], (NEURONS, 1))
    read = {"0": ["[CLS]", "play", "##ing", "[SEP]"]}
    keep(
        TopTokensRequest(**about(scored, layer=1)),
        TopTokensResponse(values, rows, places, read, 256),
    )
    app = open_page(PAGE, view="does", unit="neuron", layer="1", index="5", v="1")

    shown = table(app, "in its text")
    assert list(shown["token"]) == ["play", "##ing"]
    assert list(shown["in its text"]) == ["[CLS] ⟦play⟧ing [SEP]", "[CLS] play⟦ing⟧ [SEP]"]


def test_models_are_attributed_side_by_side(open_page: Open, scored: Run) -> None:
    mask = masking.decide(*masking.knowledgeableness(sample_scores(), 0.5), 0.2)
    shown = attribution_view.compared_models(scored, mask)
    for place, one in enumerate(shown):
        packed = None if one.mask is None else PackedMask.pack(one.mask)
        target = {"target": 1} if place else {}
        asked = about(scored, model=one.reference, texts=(TEXT,), mask=packed) | target
        keep(AttributionRequest(**asked), attributed(1.0 + place))
    app = open_page(PAGE, view="tokens", text=TEXT, v="1")

    assert not app.error
    answers = table(app, "delta")
    assert len(answers) == 4
    assert list(answers["model"][:2]) == [attribution_view.DENSE, attribution_view.SPARSE]
    np.testing.assert_allclose(answers["sum of tokens"], [1.3 * (1 + place) for place in range(4)])
    assert "the trial student" not in words(app)
    assert "\\<b\\>" in words(app)  # the strongest token, escaped


def test_a_model_whose_files_are_gone_is_told(open_page: Open, study: Plan) -> None:
    app = open_page(PAGE, view="does", layer="1", index="2", text="a film", v="1")

    assert any("is gone" in each.value for each in app.error)


# --- the parts -------------------------------------------------------------------------------


def test_pictures_hold_no_markup_of_the_data() -> None:
    maps = (
        attention_view.plot_attention(attended(), attended().attention[0, 0]),
        attribution_view.plot_attributions(
            attributed(), attributed().values[:, None], ["<img src=x>"]
        ),
    )
    for figure in maps:
        drawn = figure.to_json()
        assert "<b>" not in drawn
        assert "\\u003cb\\u003e" not in drawn
        assert "<img" not in drawn
