"""The form of a student."""

from typing import get_args

from pages.parts.forms import student_form
from sparsekd.catalog.stage_parameters import StudentParams


def test_every_choice_of_first_weights_has_its_own_boxes() -> None:
    choices = get_args(StudentParams.model_fields["choice"].annotation)

    assert set(student_form.BY_CHOICE) == set(choices)
