"""What the package sets before torch is loaded."""

import os
import subprocess
import sys

import pytest

CODE = (
    "import os, sys, sparsekd\n"
    "assert 'torch' not in sys.modules\n"
    "print(os.environ['PYTORCH_ENABLE_MPS_FALLBACK'])\n"
)


@pytest.mark.parametrize(
    ("given", "found"), [({}, "1"), ({"PYTORCH_ENABLE_MPS_FALLBACK": "0"}, "0")]
)
def test_apple_gpus_fall_back_to_the_processor_unless_the_user_says_otherwise(given, found):
    own = {k: v for k, v in os.environ.items() if k != "PYTORCH_ENABLE_MPS_FALLBACK"}
    command = [sys.executable, "-c", CODE]
    done = subprocess.run(command, env=own | given, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == found
