"""The menus are readable without torch."""

import subprocess
import sys

import pytest

from sparsekd.catalog import methods
from sparsekd.errors import NotFound


def test_a_near_miss_names_what_was_meant():
    with pytest.raises(NotFound, match="Did you mean vanilla"):
        methods.find("vanila")


def test_a_method_is_found_by_its_name():
    assert methods.find("vanilla").name == "vanilla"


def test_the_menu_opens_without_torch():
    script = "import sys, sparsekd.catalog.methods; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
