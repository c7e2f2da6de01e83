"""The address bar: typed, clamped, defaults dropped, versioned."""

import pytest

from pages.parts.shell.url_state import UrlState, parsed, written


def test_what_is_written_reads_back_the_same() -> None:
    state = UrlState(run="0123456789ab", lam=0.25, neuron_sparsity=0.75, layer=3, full=True)

    assert parsed(written(state)) == state


def test_defaults_are_not_in_the_address() -> None:
    assert written(UrlState()) == {}
    assert written(UrlState(lam=0.7)) == {"v": "1", "lam": "0.7"}


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("lam", "7", 1.0),
        ("lam", "-0.5", 0.0),
        ("lam", "nan", 0.5),
        ("lam", "inf", 1.0),
        ("lam", "a lot", 0.5),
        ("sparsity", "0.65", 0.65),
        ("neuron_sparsity", "2", 1.0),
        ("round_to", "0", 1),
        ("round_to", "16.9", 16),
        ("temperature", "99", 20.0),
        ("normalise", "sideways", "layer"),
        ("layer", "-3", 0),
        ("layer", "one", None),
        ("full", "1", True),
        ("run", "../../etc/passwd", ""),
        ("run", "0123456789ab", "0123456789ab"),
        ("task", "<script>", ""),
        ("task", "glue/sst2", "glue/sst2"),
    ],
)
def test_a_text_becomes_the_nearest_value_that_is_allowed(
    name: str, text: str, value: object
) -> None:
    found = getattr(parsed({name: text}), name)

    assert found == value
    assert type(found) is type(value)


def test_unknown_names_are_dropped() -> None:
    assert parsed({"admin": "1", "lam": "0.1"}) == UrlState(lam=0.1)


def test_an_address_of_another_version_is_ignored() -> None:
    assert parsed({"v": "2", "lam": "0.1"}) == UrlState()
