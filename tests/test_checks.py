"""Style, types and floors: the tools that keep them, run as everybody would."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPTS = Path(sys.executable).parent


@pytest.mark.parametrize(
    "command",
    [
        [sys.executable, "-m", "ruff", "check", "."],
        [sys.executable, "-m", "ruff", "format", "--check", "."],
        [str(SCRIPTS / "pyrefly"), "check", "--python-interpreter-path", sys.executable],
        [str(SCRIPTS / "lint-imports")],
    ],
    ids=["ruff", "format", "pyrefly", "import-linter"],
)
def test_the_tool_finds_nothing(command: list[str]):
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_pages_import_no_torch():
    """A page opens fast, survives a broken CUDA install, and cannot train by accident."""
    code = (
        "import sys, runpy, pathlib\n"
        "sys.path.insert(0, '.')\n"
        "import pages.parts.shell.frame\n"
        "import importlib\n"
        "for path in sorted(pathlib.Path('pages/parts').glob('*.py')):\n"
        "    importlib.import_module('pages.parts.' + path.stem)\n"
        "heavy = {'torch', 'transformers', 'datasets', 'captum'} & set(sys.modules)\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_no_script_lies_directly_in_pages():
    """Streamlit would then run it on a deep link without app.py."""
    assert list((ROOT / "pages").glob("*.py")) == []
