"""The roles of runs in a plan, and their titles; in comparisons a role is a variant's name."""

import re

from sparsekd.catalog import rankings
from sparsekd.catalog.methods import COMPARED, variants
from sparsekd.studies import teacher_kinds

ROLES = {
    "teacher": "Teacher",
    "plain_student": "Student with no soft labels",
    "trial_student": "Trial student (dense teacher)",
    "scores": "Scores",
    "sparse_teacher": "Sparse teacher",
    "student": "Student of the sparse teacher",
    **{
        f"{rankings.find(name).role}_teacher": teacher_kinds.title(name)
        for name in rankings.CONTROLS
    },
    **{
        f"{rankings.find(name).role}_student": f"Student of {teacher_kinds.with_article(name)}"
        for name in rankings.CONTROLS
    },
    **{
        f"{name}_student": f"Student with {words}"
        for name, words in teacher_kinds.ANSWER_CONTROLS.items()
    },
    "assistant": "Teacher assistant",
    "lam_control": "Student at λ 0 or λ 1",
    "dense_try": "Further attempt at the dense teacher's student",
}
REPORTED = (
    "teacher",
    "plain_student",
    "trial_student",
    "sparse_teacher",
    "student",
    "random_mask_student",
)
SOURCE_TITLES = {
    "sparse_teacher": "sparse teacher",
    "random_mask": teacher_kinds.phrase("random"),
    "assistant": "through an assistant",
    "dense_and_sparse": "dense and sparse teacher",
}


def title(role: str) -> str:
    """Return a role in words; one that this version does not know stays as it is."""
    if role in ROLES:
        return ROLES[role]
    method, source = split_name(role)
    known = variants()
    if not source and method in known:
        return known[method].title
    number = teacher_number(source)
    if method in known and (source in SOURCE_TITLES or number):
        return f"{known[method].title}, {SOURCE_TITLES.get(source, f'teacher {number}')}"
    number = teacher_number(role)
    return f"Teacher {number}" if number else role


def split_name(name: str) -> tuple[str, str]:
    """Return the name in the catalogue, and the source of the teacher.

    "vanilla:sparse_teacher" has a source; "internal:all", a variant of the catalogue, has none.
    """
    if name in variants() or ":" not in name:
        return name, ""
    method, _, source = name.rpartition(":")
    return method, source


def teacher_number(name: str) -> int | None:
    """Return 2 for "teacher_2", and so on; None for any other name."""
    found = re.fullmatch(r"teacher_([2-9]|[1-9]\d+)", name)
    return int(found[1]) if found else None


def is_compared(role: str) -> bool:
    """Return whether a role is that of a compared student: the name of a variant."""
    return role.partition(":")[0] in COMPARED


def is_teacher(role: str) -> bool:
    """Return whether a role is that of a fine-tuned teacher: the first, or a further one."""
    return role == "teacher" or teacher_number(role) is not None


def is_reported(role: str) -> bool:
    """Return whether results have a role: teachers and the students that are compared."""
    return role in REPORTED or is_compared(role) or is_teacher(role)
