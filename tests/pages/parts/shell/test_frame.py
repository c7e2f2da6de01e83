"""Text from data on pages."""

from pages.parts.shell import frame


def test_text_from_data_cannot_become_markup() -> None:
    assert frame.plain("**bold** [x](y) $a$ <b>") == (r"\*\*bold\*\* \[x\]\(y\) \$a\$ \<b\>")
