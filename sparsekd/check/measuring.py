"""Steps that measure a teacher's units: scores, Jacobian, mask, attributions."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from sparsekd.catalog.stage_parameters import AttributeParams, MaskParams, ScoreParams
from sparsekd.check import Difference, NotRun
from sparsekd.check.differences import ranks, regime, relative, units
from sparsekd.check.workshop import LENGTH, Workshop, logits_of
from sparsekd.knowledge import scores
from sparsekd.runs import store
from sparsekd.studies import recipes
from sparsekd.units import masking
from sparsekd.units.jacobians import Jacobian
from sparsekd.units.scores import MATRICES, Scores

ATTRIBUTED, POINTS = 8, 4  # examples, and points on the path of a conductance
SPARSITIES = (0.25, 0.5, 0.75)


def score(shop: Workshop, aggregate: str) -> Iterator[Difference]:
    """Compute scores without the Jacobian, by one aggregation."""
    student = logits_of("selection")(store.folder(shop.student))
    params = ScoreParams.of({"aggregate": aggregate})

    def stream(device: str) -> Scores:
        teacher, tokenizer = shop.load(shop.teacher, device)
        found = scores.stream(teacher, shop.data(tokenizer), student, params)
        streamed: Scores = getattr(found, aggregate)
        return streamed

    yield from _differences(*shop.compute(stream), shop.device)


def jacobian(shop: Workshop) -> Iterator[Difference]:
    """Compute the Jacobian that a scoring run keeps, and the scores from it."""

    def read(folder: Path) -> tuple[Jacobian, Scores]:
        return Jacobian.open(folder / "jacobian"), Scores.load(folder / "scores.npz")

    (ours, our_scores), (theirs, their_scores) = shop.both(shop.score_recipe(), read)
    how = regime(shop.device)
    yield relative("derivatives", ours.values, theirs.values, how)
    yield relative("logits", ours.logits, theirs.logits, how)
    yield from _differences(our_scores, their_scores, shop.device)


def mask(shop: Workshop) -> Iterator[Difference]:
    """Build masks from the scores of both sides."""
    ours, theirs = shop.both(shop.score_recipe(), lambda folder: Scores.load(folder / "scores.npz"))
    for sparsity in SPARSITIES:
        params = MaskParams(sparsity=sparsity)
        found, expected = (masking.build(each, params) for each in (ours, theirs))
        for kind in ("heads", "neurons"):
            one, other = getattr(found, kind), getattr(expected, kind)
            yield units(f"{kind} at {sparsity:.0%}", one, other, regime(shop.device))


def attribute(shop: Workshop, kind: str) -> Iterator[Difference]:
    """Rank the units by an attribution."""
    params = AttributeParams(kind=kind, examples=ATTRIBUTED, steps=POINTS)
    recipe = recipes.attribute(shop.card.name, shop.teacher, params, LENGTH)
    read = shop.both(recipe, lambda folder: Scores.load(folder / "scores.npz"))
    yield from _differences(*read, shop.device)


def attribute_tokens(shop: Workshop) -> Iterator[Difference]:
    """Attribute one answer to the tokens of its text, by captum."""
    if find_spec("captum") is None:
        raise NotRun("captum is not installed")
    from sparsekd.knowledge.attribution import masked_words, of_tokens

    def values(device: str) -> np.ndarray:
        teacher, tokenizer = shop.load(shop.teacher, device)
        batch = shop.data(tokenizer).batch(np.arange(1), device)
        return of_tokens(teacher, batch, masked_words(batch.input_ids, tokenizer), 1, 16).values

    ours, theirs = shop.compute(values)
    yield relative("tokens", ours, theirs, regime(shop.device))


def _differences(ours: Scores, theirs: Scores, device: str) -> Iterator[Difference]:
    how = regime(device)
    for name in MATRICES:
        words = name.replace("_", " ")
        yield ranks(words, getattr(ours, name), getattr(theirs, name), how)
        yield relative(words, getattr(ours, name), getattr(theirs, name), how)
