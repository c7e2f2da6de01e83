"""Tokens as text: whatever the data holds, it is no markup and can be seen."""

import pytest

from sparsekd.inspector import token_text


def test_markup_in_a_token_is_escaped_and_long_tokens_are_cut():
    assert token_text.tick("<a href='x'>") == "&lt;a href='x'&gt;"
    assert token_text.tick("[CLS]", special=True) == "<i>[CLS]</i>"
    assert token_text.tick("x" * 40) == "x" * 17 + "…"
    assert token_text.ticks(["[SEP]", "a"], [True, False]) == ["<i>[SEP]</i>", "a"]


def test_characters_that_cannot_be_seen_are_shown_by_their_code_points():
    assert token_text.visible("a\x00​") == "a\\x00\\x200b"


def test_equal_tokens_get_distinct_names():
    assert token_text.numbered(["a", "a"]) == ["1 a", "2 a"]


@pytest.mark.parametrize(("marked", "text"), [(1, "[CLS] ⟦play⟧ing ##"), (2, "[CLS] play⟦ing⟧ ##")])
def test_word_pieces_are_joined_and_one_token_is_marked(marked, text):
    assert token_text.joined(["[CLS]", "play", "##ing", "##"], marked) == text


def test_an_example_fits_one_line_of_a_menu():
    assert token_text.one_line(["two\n lines", "and a pair"], 100) == "two lines ‖ and a pair"
    assert token_text.one_line(["a long text"], 6) == "a lon…"


def test_a_name_is_wrapped_and_escaped_once():
    assert token_text.wrapped("Dense teacher") == "Dense<br>teacher"
    assert token_text.wrapped("<b> x") == "&lt;b&gt; x"
