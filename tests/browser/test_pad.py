"""The pad: its mask and costs are those of the package, bit for bit."""

import base64
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pages.parts.pad import payload
from sparsekd.catalog.stage_parameters import MaskParams
from sparsekd.errors import BadInput
from sparsekd.units import masking
from sparsekd.units.scores import Scores
from sparsekd.units.shape import flops, parameters, pruned
from sparsekd.units.shape_words import usual_length
from tests.sample_study import sample_scores, sample_shape

SCRIPTS = Path(payload.__file__).parent
CASES = 1000
RUN = """async ([source, body, given]) => {
    const script = new Blob([source], {type: 'text/javascript'});
    return (0, eval)(body)(await import(URL.createObjectURL(script)), given);
}"""
MASKS = """(pad, cases) => cases.map(text => {
    const signs = atob(text), bytes = new Uint8Array(signs.length);
    for (let at = 0; at < signs.length; at++) bytes[at] = signs.charCodeAt(at);
    const model = pad.readPayload(bytes), {lam, sparsity, costs} = model.header;
    const some = pad.buildMask(model, lam, sparsity);
    const bits = some ? model.heads.kept.join('') + model.neurons.kept.join('') : '';
    return [bits, (costs ?? []).map(cost => pad.countCost(model, cost))];
})"""
READINGS = """(pad, [points, places]) => {
    const surface = pad.createSurface(points);
    return places.map(([lam, sparsity]) => pad.readSurface(surface, lam, sparsity));
}"""


@pytest.fixture
def run_script(chromium: Any) -> Any:
    """`run_script("mask.js", body, given)`: a function of a script's exports, in Chromium."""
    page = chromium.new_page()
    yield lambda name, body, given: page.evaluate(
        RUN, [(SCRIPTS / name).read_text(encoding="utf-8"), body, given]
    )
    page.close()


def case(number: int) -> tuple[Scores, MaskParams]:
    """Random scores, half of them with many ties, and random parameters of a mask."""
    drawn = np.random.default_rng(number)
    layers, heads, neurons = (int(drawn.integers(1, most)) for most in (6, 9, 70))
    if number % 500 == 0:
        layers, heads, neurons = 12, 12, 3072

    def matrix(width: int) -> np.ndarray:
        values = drawn.choice([1e-30, 1, 1e6]) * drawn.random((layers, width)) ** 3
        if number % 2:
            values = np.round(values / values.max() * drawn.integers(1, 6))
        return values * drawn.choice([0, 1, 1, 1], (layers, 1))

    sparsity, apart, lam = (int(part) / 100 for part in drawn.integers(0, 101, 3))
    params = MaskParams(
        lam=lam,
        sparsity=sparsity,
        neuron_sparsity=apart if drawn.random() < 0.3 else None,
        round_to=int(drawn.choice([1, 2, 3, 8, 8, 16, 64])),
        normalise=str(drawn.choice(["layer", "none"])),
    )
    return Scores(*(matrix(width) for width in (heads, heads, neurons, neurons))), params


def bits(scores: Scores, params: MaskParams) -> str:
    """The mask of the package as 0 and 1, heads first; empty where there is none."""
    try:
        mask = masking.build(scores, params)
    except BadInput:
        return ""
    flags = np.concatenate([mask.heads.ravel(), mask.neurons.ravel()])
    return "".join(map(str, flags.astype(int)))


def test_masks_of_browser_and_package_are_equal(run_script: Any) -> None:
    cases = [case(number) for number in range(CASES)]
    expected = [bits(*each) for each in cases]
    sent = [base64.b64encode(payload.pack(*each)).decode() for each in cases]

    made = [one for one, _ in run_script("mask.js", MASKS, sent)]

    wrong = [number for number in range(CASES) if made[number] != expected[number]]
    assert not wrong, [cases[number][1] for number in wrong[:3]]
    assert 20 < expected.count("") < CASES / 2  # masks that empty every layer are among them


def test_costs_of_browser_and_package_are_equal(run_script: Any) -> None:
    """At sparsities that leave layers without heads or neurons too."""
    scores, whole = sample_scores(), sample_shape()
    scores = replace(scores, head_expressiveness=scores.head_expressiveness * [[1], [9], [9], [9]])
    every = [MaskParams(lam=1, sparsity=share, normalise="none") for share in (0, 0.3, 0.6, 0.9)]
    tokens, costs = usual_length(whole), payload.costs(whole)
    sent = [
        base64.b64encode(payload.pack(scores, params, costs=costs)).decode() for params in every
    ]

    found = [counted for _, counted in run_script("mask.js", MASKS, sent)]

    left = [pruned(whole, masking.build(scores, params)) for params in every]
    assert found == [[parameters(each), flops(each, tokens)] for each in left]
    assert any(0 in each.heads for each in left)


def test_quality_is_interpolated_between_measured_points_alone(run_script: Any) -> None:
    lams, sparsities = (0.0, 0.5, 1.0), (0.0, 0.2, 0.6)

    def true(lam: float, share: float) -> float:  # bilinear: interpolation must return it
        return 0.9 - 0.1 * lam - 0.5 * share + 0.3 * lam * share

    points = [[lam, share, true(lam, share)] for lam in lams for share in sparsities]
    points += [[0.25, 0.3, 0.1]]  # a single mask, which must not bend what is around it
    inside = [(sum(two) / 2, 0.3) for two in pairwise(lams) if sum(two) != 0.5] + [(0.1, 0.59)]
    places = [*inside, (0.5, 0.2), (0.25, 0.3), (0.5, 0.61)]

    found = run_script("surface.js", READINGS, [points, places])

    assert [each["value"] for each in found[:2]] == pytest.approx([true(*p) for p in inside])
    assert not any(each["measured"] for each in found[:2])
    assert found[2:] == [
        {"value": true(0.5, 0.2), "measured": True},
        {"value": 0.1, "measured": True},
        None,
    ]
