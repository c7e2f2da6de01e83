"""The form of a student."""

from typing import get_args

from pages.parts.forms import student_form
from sparsekd.catalog.stage_parameters import StudentParams


def test_every_choice_of_initial_weights_has_its_own_fields() -> None:
    choices = get_args(StudentParams.model_fields["choice"].annotation)

    assert set(student_form.BY_CHOICE) == set(choices)
