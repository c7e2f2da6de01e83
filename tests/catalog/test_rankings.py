"""The catalogue of rankings, and the words that studies make of it."""

import pkgutil
import subprocess
import sys
from importlib.util import find_spec

import pytest

from sparsekd.catalog import rankings
from sparsekd.catalog.stage_parameters import AblateParams, AttributeParams, MaskParams
from sparsekd.errors import BadInput, NotFound
from sparsekd.knowledge import rankings as computing
from sparsekd.studies import roles, teacher_kinds
from sparsekd.studies.sweeps import sweep


def test_a_near_miss_names_the_ranking():
    with pytest.raises(NotFound, match="Did you mean conductance"):
        rankings.find("conductence")


def test_the_catalogue_opens_without_torch():
    script = "import sys, sparsekd.catalog.rankings; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


@pytest.mark.parametrize("name", rankings.names("weights", "data"))
def test_a_ranking_of_a_teacher_has_a_module_of_its_name(name: str):
    assert find_spec(f"sparsekd.knowledge.rankings.{name}") is not None


def test_a_module_that_ranks_has_a_card():
    computed = {each.name for each in pkgutil.iter_modules(computing.__path__)}
    assert computed <= set(rankings.RANKINGS)


def test_seeds_share_what_depends_on_no_student_and_no_draw():
    shared = {name for name, card in rankings.RANKINGS.items() if card.shared}
    assert {"magnitude", "conductance", "expressiveness"} <= shared
    assert shared.isdisjoint({"random", "scores", "friendliness"})


def test_parameters_take_the_rankings_that_their_stage_computes():
    assert MaskParams(kind="magnitude").kind == "magnitude"
    assert AblateParams(ranking="magnitude").ranking == "magnitude"
    assert AttributeParams(kind="gradient_activation").kind == "gradient_activation"
    with pytest.raises(BadInput, match="kind"):
        MaskParams.of({"kind": "conductance"})
    with pytest.raises(BadInput, match="ranking"):
        AblateParams.of({"ranking": "random"})


def test_kinds_of_teachers_read_as_a_sentence_needs_them():
    assert teacher_kinds.title("random") == "Teacher pruned at random"
    assert teacher_kinds.title("λ = 1") == "Sparse teacher by expressiveness alone (λ = 1)"
    assert teacher_kinds.with_article("magnitude") == "a teacher pruned by weight magnitude"
    assert teacher_kinds.with_article("dense") == "the dense teacher"
    assert teacher_kinds.of_teachers("random") == "of teachers pruned at random"
    assert teacher_kinds.of_teachers("dense") == "of the dense teacher"
    assert roles.title("magnitude_student") == "Student of a teacher pruned by weight magnitude"


def test_the_roles_of_stored_plans_keep_their_names():
    assert {"random_mask_student", "magnitude_student"} <= set(sweep.STUDENT_ROLES)
    assert roles.title("random_mask_teacher") == "Teacher pruned at random"
    assert {"random", "magnitude"} <= set(rankings.CONTROLS)
