"""The catalogue of methods: lookup by name, order, and no torch."""

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


def test_the_catalogue_imports_without_torch():
    script = "import sys, sparsekd.catalog.methods; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_methods_are_sorted_by_teachers_then_year_then_name():
    cards = list(methods.METHODS.values())
    keys = [(card.least_teachers, card.year, card.name) for card in cards]
    assert keys == sorted(keys)


def test_variants_are_named_after_their_method():
    named = methods.variants()
    assert {name.partition(":")[0] for name in named} == set(methods.COMPARED)
    assert named["pkd:last"].values == {"match": "last"}
    assert named["pkd"].values == {}


def test_every_card_says_which_texts_its_terms_learn_from():
    words = {name: card.label_words for name, card in methods.METHODS.items()}
    assert words["fine_tuning"] == "Learns from labelled texts alone."
    assert words["tinybert"] == "Learns from every text; no term needs a gold label."
    assert "the term “hard” from labelled ones alone" in words["vanilla"]
