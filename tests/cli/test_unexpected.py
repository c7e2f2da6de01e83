"""An unexpected error of the command line: one line, a number, exit code 70, and a log."""

from pathlib import Path
from stat import S_IMODE

import pytest

from sparsekd.__main__ import main
from sparsekd.cli import parser
from sparsekd.cli.options import Request
from sparsekd.system.unexpected import LOG


def broken(request: Request) -> None:
    """Fail as no one expected."""
    raise ZeroDivisionError("in the middle")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPARSEKD_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(parser, "LAST", (*parser.LAST, broken))
    return tmp_path / "home"


def test_it_is_one_line_and_the_traceback_is_in_the_log(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["broken"]) == 70
    first = capsys.readouterr().err
    assert main(["broken"]) == 70

    assert first.count("\n") == 1
    number = first.partition("number ")[2][:8]
    log = (home / LOG).read_text(encoding="utf-8")
    assert f"--- {number} " in log
    assert log.count("ZeroDivisionError: in the middle") == 2
    assert 'raise ZeroDivisionError("in the middle")' in log


def test_a_log_that_cannot_be_written_leaves_the_traceback_on_standard_error(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home.write_text("a file, not a folder", encoding="utf-8")

    assert main(["broken"]) == 70
    said = capsys.readouterr().err
    assert "cannot be written" in said and "ZeroDivisionError: in the middle" in said


def test_a_new_home_is_its_owners_alone(home: Path) -> None:
    assert main(["runs", "list"]) == 0
    assert S_IMODE(home.stat().st_mode) == 0o700
