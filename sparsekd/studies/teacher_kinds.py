"""The kinds of teacher that students of a trade-off study learn from, in words.

A kind is the `ranking` of a cell: "scores" for the sparse teachers, "dense", a control ranking of
the catalogue, "none"; or one end of λ among the sparse teachers, "λ = 0" or "λ = 1".
"""

from sparsekd.catalog import rankings

ENDS = {"λ = 0": 0.0, "λ = 1": 1.0}
SHARED = ("dense", *(name for name in rankings.CONTROLS if rankings.find(name).shared))
"""Kinds of one teacher for all seeds."""
KINDS = ("scores", "dense", *rankings.CONTROLS, "none", *ENDS)
"""Every kind, in the order of reports."""


def title(kind: str) -> str:
    """Return a kind as a heading: "Teacher pruned at random"."""
    words = phrase(kind)
    return words[0].upper() + words[1:]


def short_title(kind: str) -> str:
    """Return a kind as an entry of a table: "Sparse teacher, λ = 0"."""
    return f"Sparse teacher, {kind}" if kind in ENDS else title(kind)


def phrase(kind: str) -> str:
    """Return a kind as a noun phrase without an article: "teacher pruned at random".

    Raises:
        NotFound: no such kind.
    """
    fixed = {"scores": "sparse teacher", "dense": "dense teacher", "none": "no teacher"}
    if kind in fixed:
        return fixed[kind]
    if kind in ENDS:
        end = rankings.find("expressiveness" if ENDS[kind] else "friendliness")
        return f"sparse teacher {end.phrase} alone ({kind})"
    return f"teacher pruned {rankings.find(kind).phrase}"


def with_article(kind: str) -> str:
    """Return a kind as the object of a comparison: "a teacher pruned at random"."""
    if kind in ENDS:
        return kind
    article = {"none": "", "dense": "the "}.get(kind, "a ")
    return f"{article}{phrase(kind)}"


def of_teachers(kind: str) -> str:
    """Return whose students they are: "of teachers pruned at random", "without teacher"."""
    if kind == "none":
        return "without teacher"
    if kind == "dense":
        return f"of the {phrase(kind)}"
    return f"of {phrase(kind).replace('teacher', 'teachers', 1)}"
