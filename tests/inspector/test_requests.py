"""Requests about a scored teacher carry what its run says."""

from pathlib import Path

import numpy as np

from sparsekd.catalog.parameters import TrainParams
from sparsekd.catalog.stage_parameters import MaskParams, ScoreParams
from sparsekd.inspector import requests
from sparsekd.runs.records import Run, State
from sparsekd.studies import recipes
from sparsekd.units.masking import Mask

RECIPE = recipes.score("demo/sentiment", "teacher", "student", ScoreParams(), 48)
MASK = Mask(np.array([[True, False]]), np.ones((1, 8), dtype=bool))


def scores() -> Run:
    return Run(RECIPE, State.DONE, Path())


def test_requests_are_about_the_scored_teacher_at_the_run_s_length():
    found = [
        requests.attention(scores(), ("a film",)),
        requests.top_tokens(scores(), 1),
        requests.top_examples(scores(), ("head", 1, 2)),
    ]

    about = {(each.task, each.model, each.max_length) for each in found}
    assert about == {("demo/sentiment", "teacher", 48)}
    assert (found[2].unit, found[2].layer, found[2].index) == ("head", 1, 2)


def test_a_mask_travels_packed_and_its_absence_is_none():
    masked = requests.attention(scores(), ("a film",), MASK)

    np.testing.assert_array_equal(masked.mask.unpack().heads, MASK.heads)
    assert requests.attention(scores(), ("a film",)).mask is None


def test_an_attribution_is_of_the_named_model():
    request = requests.attribution(scores(), "other", ("a", "b"), MASK, 1)

    assert (request.model, request.texts, request.target) == ("other", ("a", "b"), 1)
    assert requests.sample(scores(), 3).seed == 3


def test_a_prediction_reads_a_text_at_the_length_that_the_run_did():
    train = TrainParams(max_length=24)
    teacher = recipes.finetune("demo/sentiment", "demo:", train)
    pruned = recipes.prune("demo/sentiment", "a" * 12, "", MaskParams(kind="random"), 40)

    found = [
        requests.prediction(Run(each, State.DONE, Path()), ("a",)) for each in (teacher, pruned)
    ]

    assert [each.max_length for each in found] == [24, 40]
    assert [each.model for each in found] == [teacher.run_id, pruned.run_id]
