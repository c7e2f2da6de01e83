"""The λ and sparsity at which a unit changes between removed and kept are those of the mask."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from sparsekd.catalog.stage_parameters import MaskParams
from sparsekd.errors import BadInput, Incompatible, NotFound
from sparsekd.units import masking
from sparsekd.units.explain import Explanation, explain
from sparsekd.units.explain_words import sentence
from sparsekd.units.lambda_spans import Pool, Span, spans
from sparsekd.units.scores import Scores
from tests.units.test_masking import scores

SHAPE = (3, 12)
ROUNDINGS = st.sampled_from([1, 2, 4, 8])
UNIT = st.tuples(st.integers(0, 2), st.integers(0, 11))
SETTINGS = settings(deadline=None, max_examples=80)


def smooth() -> st.SearchStrategy[np.ndarray]:
    """Scores without ties, as real ones are."""
    return st.integers(0, 2**32 - 1).map(lambda seed: np.random.default_rng(seed).random(SHAPE))


def few_values() -> st.SearchStrategy[np.ndarray]:
    """Mostly ties, between units and between layers."""
    return arrays.arrays(np.float64, SHAPE, elements=st.sampled_from([0.0, 1.0, 2.0, 5.0]))


MATRIX = st.one_of(smooth(), few_values())


def of(expressiveness: np.ndarray, friendliness: np.ndarray) -> Scores:
    return Scores(np.ones((3, 4)), np.ones((3, 4)), expressiveness, friendliness)


def kept(made: Scores, params: MaskParams) -> np.ndarray | None:
    """The neurons that `decide` keeps; None where it refuses."""
    worth = masking.knowledgeableness(made, params.lam, params.normalise)
    try:
        mask = masking.decide(*worth, 0.0, params.sparsity, params.round_to)
    except BadInput:
        return None
    return mask.neurons


def removed_at(spans: tuple[Span, ...], lam: float) -> bool:
    (here,) = [span for span in spans if span.start <= lam <= span.end]
    return here.removed


def asked(made: Scores, unit: tuple[int, int], **params: object) -> Explanation:
    """Explain one neuron; all heads are kept, so that only neurons can empty a mask."""
    given = MaskParams.of(params | {"neuron_sparsity": params["sparsity"], "sparsity": 0.0})
    return explain(made, "neuron", *unit, given)


@given(MATRIX, MATRIX, st.floats(0, 0.8), ROUNDINGS, UNIT, st.sampled_from(["layer", "none"]))
@SETTINGS
def test_on_both_sides_of_a_breakpoint_the_mask_differs(e, f, sparsity, round_to, unit, normalise):
    made = of(e, f)
    params = MaskParams(sparsity=sparsity, round_to=round_to, normalise=normalise)
    assume(kept(made, params) is not None)
    found = asked(made, unit, **params.values())
    for before, after in zip(found.spans, found.spans[1:], strict=False):
        assert after.start == np.nextafter(before.end, 2)
        sides = [kept(made, params.changed({"lam": lam})) for lam in (before.end, after.start)]
        if all(side is not None for side in sides):
            assert [not side[unit] for side in sides] == [before.removed, after.removed]
            assert before.removed != after.removed


@given(MATRIX, MATRIX, st.floats(0, 0.8), ROUNDINGS, UNIT, st.lists(st.floats(0, 1), max_size=30))
@SETTINGS
def test_between_breakpoints_the_mask_agrees_at_every_lambda(e, f, sparsity, round_to, unit, lams):
    made = of(e, f)
    params = MaskParams(sparsity=sparsity, round_to=round_to, normalise="none")
    assume(kept(made, params) is not None)
    found = asked(made, unit, **params.values())
    for lam in [*lams, *(np.arange(101) / 100)]:
        near = [end for span in found.spans for end in (span.start, span.end)]
        if min(abs(lam - end) for end in near) < 1e-9 and lam not in near:
            continue
        flags = kept(made, params.changed({"lam": float(lam)}))
        if flags is not None:
            assert removed_at(found.spans, lam) == (not flags[unit])


@given(MATRIX, MATRIX, st.floats(0, 1), ROUNDINGS, UNIT)
@SETTINGS
def test_a_unit_is_removed_at_its_sparsity_and_not_just_below(e, f, lam, round_to, unit):
    made = of(e, f)
    found = asked(made, unit, lam=lam, sparsity=0.0, round_to=round_to)
    params = MaskParams(lam=lam, round_to=round_to)
    if found.removal_sparsity is None:  # every mask there is keeps it
        grid = [kept(made, params.changed({"sparsity": n / 36})) for n in range(37)]
        assert all(flags[unit] for flags in grid if flags is not None)
        return
    below = np.nextafter(found.removal_sparsity, 0)
    there, before = (
        kept(made, params.changed({"sparsity": float(p)})) for p in (found.removal_sparsity, below)
    )
    assert there is not None
    assert not there[unit]
    assert before[unit]


@given(MATRIX, MATRIX, st.floats(0, 1), st.floats(0, 0.8), ROUNDINGS, UNIT)
@SETTINGS
def test_the_explanation_agrees_with_the_mask(e, f, lam, sparsity, round_to, unit):
    made = of(e, f)
    params = MaskParams(lam=lam, sparsity=sparsity, round_to=round_to)
    flags = kept(made, params)
    assume(flags is not None)
    found = asked(made, unit, **params.values())
    assert found.removed == (not flags[unit])
    if found.removal_sparsity is not None:
        assert found.removed == (sparsity >= found.removal_sparsity)
    if round_to == 1:
        assert found.removed == (found.place <= found.count)


def test_a_breakpoint_by_hand():
    """K of the first is λ, of the second 1 − λ; the lower of the two is removed."""
    pool = Pool(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]]), count=1)
    first, second = spans(pool, 0, 0), spans(pool, 0, 1)
    assert first == [Span(0.0, 0.5, True), Span(np.nextafter(0.5, 1), 1.0, False)]
    assert [span.removed for span in second] == [False, True]


def test_a_touch_where_a_slider_can_stand_is_seen():
    """At λ = 0.29 alone both others tie with the third and, being first, go before it."""
    pool = Pool(np.array([[-0.71, 0.71, 0.0]]), np.array([[0.29, -0.29, 0.0]]), count=2)
    assert spans(pool, 0, 2) == [
        Span(0.0, np.nextafter(0.29, 0), True),
        Span(0.29, 0.29, False),
        Span(np.nextafter(0.29, 1), 1.0, True),
    ]


def test_equal_neurons_have_no_breakpoint():
    """Twelve equal neurons in a layer: of ties the first go, at every λ."""
    pool = Pool(np.ones((1, 12)), np.ones((1, 12)), count=5, round_to=4)
    assert spans(pool, 0, 3) == [Span(0.0, 1.0, True)]
    assert spans(pool, 0, 4) == [Span(0.0, 1.0, False)]


def test_a_card_by_hand():
    """Four heads at λ = 1: worth 3/5, 4/5 and 0, 1; half of them go."""
    heads = np.array([[3.0, 4.0], [0.0, 2.0]])
    made = Scores(heads, heads[::-1].copy(), np.ones((2, 4)), np.ones((2, 4)))
    found = explain(made, "head", 0, 0, MaskParams(lam=1.0, sparsity=0.5, round_to=1))
    assert (found.place, found.rank, found.pool, found.count) == (2, 3, 4, 2)
    assert found.removed
    assert found.expressiveness == 3.0
    assert found.normalised_expressiveness == pytest.approx(0.6)
    assert found.highest_removed == pytest.approx(0.6)
    assert found.lowest_kept == pytest.approx(0.8)
    # round(4 p) reaches 2 beyond p = 3/8, and at 3/8 itself: 1.5 rounds to the even 2.
    assert found.removal_sparsity == 0.375
    assert (found.context.place, found.context.removed) == (1, 1)
    said = sentence(found, first=1)
    assert said.startswith(
        "At λ = 1 and sparsity 50% head 1 of layer 1 is removed: it is number 2 of 4"
    )
    assert "from sparsity 37.5% on" in said
    assert "its layer loses 1 of 2 heads" in said


def test_rounding_that_decides_is_said():
    """The three lowest of 24 round to none in the one layer of eight that has them."""
    values = np.ones((3, 8))
    values[0, :3] = 0
    made = Scores(np.ones((3, 2)), np.ones((3, 2)), values, values)
    found = explain(made, "neuron", 0, 0, MaskParams(sparsity=0.125, round_to=8))
    assert (found.removed, found.removed_unrounded) == (False, True)
    assert "but rounding its layer to multiples of 8 keeps it" in sentence(found)


@pytest.mark.parametrize(
    ("unit", "layer", "index"),
    [("head", 3, 0), ("head", 0, 4), ("neuron", -1, 0), ("neuron", 0, 40)],
)
def test_a_unit_that_does_not_exist_is_refused_with_those_that_do(unit, layer, index):
    with pytest.raises(NotFound, match=f"no {unit} {index} in layer {layer}") as caught:
        explain(scores(), unit, layer, index, MaskParams())
    assert "0 to 2" in caught.value.hint


def test_what_cannot_be_explained_is_refused():
    with pytest.raises(BadInput, match="random"):
        explain(scores(), "head", 0, 0, MaskParams(kind="random"))
    with pytest.raises(BadInput, match="empties"):
        explain(scores(), "head", 0, 0, MaskParams(sparsity=1.0))
    with pytest.raises(NotFound, match="Did you mean head"):
        explain(scores(), "heads", 0, 0, MaskParams())


def test_an_ablation_of_another_teacher_is_refused():
    from tests.units.test_fidelity import ablation

    with pytest.raises(Incompatible, match="one teacher"):
        explain(scores(layers=2), "head", 0, 0, MaskParams(), ablation())
