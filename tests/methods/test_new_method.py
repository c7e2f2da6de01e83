"""A method that is added as two files is found by the catalogue, the forms, the options and the
contract."""

import inspect
import sys

import pytest
from streamlit.testing.v1 import AppTest

from sparsekd import methods
from sparsekd.catalog import methods as catalogue
from sparsekd.catalog.fields import label
from sparsekd.cli.parser import parse
from sparsekd.studies.comparisons import variants
from tests.methods import test_contract as contract

CARD = '''
from pydantic import Field

from sparsekd.catalog.method_card import MethodCard, Variant
from sparsekd.catalog.parameters import MethodParams


class HintParams(MethodParams):
    """The parameters of hints."""

    strength: float = Field(0.5, ge=0, le=1, description="Weight of the teacher's logits.")


CARD = MethodCard(
    name="hint",
    title="Hints",
    source="Example et al., 2001",
    year=2001,
    summary="Squared distance to the teacher's logits plus the gold labels.",
    params=HintParams,
    variants={"strong": Variant("Hints, strong", {"strength": 0.9})},
)
'''
METHOD = '''
from sparsekd.knowledge.losses import squared_error, task_loss
from sparsekd.methods.base import Method


class Hint(Method):
    """Squared distance to the teacher's logits plus the gold labels."""

    def loss(self, outputs, progress):
        student, teacher = outputs.student.logits, outputs.teachers[0].logits
        hard = task_loss(student, outputs.labels)
        return {"hint": self.params.strength * squared_error(student, teacher), "hard": hard}
'''


@pytest.fixture
def card(tmp_path, monkeypatch):
    """The card of a method whose two files lie in folders that the packages also search."""
    for package, text in ((catalogue, CARD), (methods, METHOD)):
        folder = tmp_path / package.__name__
        folder.mkdir()
        (folder / "hint.py").write_text(text)
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(folder)])
    found = catalogue.discover()
    monkeypatch.setitem(catalogue.METHODS, "hint", found["hint"])
    yield found["hint"]
    for package in (catalogue, methods):
        sys.modules.pop(f"{package.__name__}.hint", None)


def test_the_catalogue_finds_it_and_sorts_it_by_its_year(card):
    names = list(catalogue.discover())
    assert names.index("hint") < names.index("vanilla")
    assert set(names) == {*catalogue.METHODS}
    assert catalogue.find("hint") is card


def test_its_parameters_are_options_of_the_command_line(card):
    words = "distil --task demo/sentiment --teacher hub/a --method hint --strength 0.25"
    _, request = parse(words.split())
    assert request.method == "hint"
    assert request.method_params == {"strength": 0.25}


def _form():
    from pages.parts.forms import fields
    from sparsekd.catalog.methods import METHODS

    fields.draw_fields(METHODS["hint"].params, "m")


def test_its_parameters_are_fields_of_the_form(card):
    app = AppTest.from_function(_form).run()
    field = app.number_input(key="m.strength")
    assert not app.exception
    assert (field.label, field.value) == (label("strength"), 0.5)
    assert (field.min, field.max, field.help) == (0, 1, "Weight of the teacher's logits.")


def test_comparisons_offer_it_and_its_variant(card):
    assert {"hint", "hint:strong"} <= set(variants.all_names())


TESTS = {name: test for name, test in vars(contract).items() if name.startswith("test_")}


@pytest.mark.parametrize("name", TESTS)
def test_the_contract_covers_it(card, tiny, name):
    given = {"card": card, "tiny": tiny, "prepared": contract.Prepared(card, tiny, classes=2)}
    wanted = inspect.signature(TESTS[name]).parameters
    TESTS[name](**{each: given[each] for each in wanted})
