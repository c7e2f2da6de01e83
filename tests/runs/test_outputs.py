"""Logits and labels that a finished run keeps."""

from pathlib import Path

import numpy as np

from sparsekd.runs.outputs import load_outputs
from tests.sample_study import fill_plan, sample_outputs, sample_plan, store


def test_outputs_are_those_that_the_run_wrote(home: Path) -> None:
    folder = store.folder(fill_plan(sample_plan()).steps[0].recipe.run_id)

    found = load_outputs(folder, "validation")

    assert found is not None
    expected = sample_outputs(0.95, 0, "validation")
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])


def test_a_split_without_outputs_is_none(tmp_path: Path) -> None:
    assert load_outputs(tmp_path, "validation") is None
