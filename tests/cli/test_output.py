"""Tables on a terminal."""

import pandas as pd

from sparsekd.cli.output import table_text


def test_a_missing_number_is_a_dash():
    """The interval of a study with one seed."""
    frame = pd.DataFrame({"what": ["teacher"], "mean": [0.5], "low": [float("nan")]})
    assert table_text(frame).split() == ["what", "mean", "low", "teacher", "0.5000", "–"]
