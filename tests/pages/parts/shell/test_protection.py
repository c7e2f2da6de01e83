"""An unexpected error on a page: its number is shown, the traceback is in the log."""

from pathlib import Path

from streamlit.testing.v1 import AppTest

from sparsekd.system.unexpected import LOG


def draw() -> None:
    """A page that fails, as the server handles it."""
    from pages.parts.shell import protection

    try:
        raise KeyError("a secret of the program")
    except KeyError as error:
        protection.show_unexpected(error)


def test_a_visitor_sees_a_number_and_the_log_has_the_traceback(home: Path) -> None:
    page = AppTest.from_function(draw, default_timeout=60).run()

    (box,) = page.error
    number = box.value.partition("number ")[2][:8]
    log = (home / LOG).read_text(encoding="utf-8")
    assert "secret" not in box.value
    assert f"--- {number} " in log and "a secret of the program" in log
