"""The command line starts without what only some commands need."""

import subprocess
import sys

SLOW = ("torch", "transformers", "sklearn", "statsmodels", "scipy.stats", "plotly", "streamlit")


def test_reading_a_command_loads_no_library_that_takes_a_second():
    code = "import sys, sparsekd.cli.parser; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert [name for name in SLOW if name in loaded] == []
