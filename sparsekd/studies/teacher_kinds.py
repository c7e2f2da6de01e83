"""The kinds of teacher that students of a trade-off study learn from, in words.

A kind is the `ranking` of a cell: "scores" for the sparse teachers, "dense", a control ranking of
the catalogue, "none", or another control that no mask decides, of `ANSWER_CONTROLS`; or one end
of λ among the sparse teachers, "λ = 0" or "λ = 1".
"""

from sparsekd.catalog import rankings
from sparsekd.catalog.baselines import BASELINES

ENDS = {"λ = 0": 0.0, "λ = 1": 1.0}
SHARED = ("dense", *(name for name in rankings.CONTROLS if rankings.find(name).shared))
"""Kinds of one teacher for all seeds."""
ANSWER_CONTROLS = {
    "no_teacher": "no teacher at all",
    "labelled_texts": "the answers for labelled texts alone",
    "pseudo_labels": "hard pseudo-labels",
    "label_smoothing": "label smoothing",
    "shuffled": "shuffled answers",
    "untrained": "an untrained teacher",
    "tfidf": "TF-IDF and logistic regression",
}
"""Controls by the name of a variant or of a baseline: what is in place of the answers."""
UNMASKED = ("none", *ANSWER_CONTROLS)
"""Kinds that are the same for every method of a study."""
KINDS = ("scores", "dense", *rankings.CONTROLS, *UNMASKED, *ENDS)
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
    fixed = {"scores": "sparse teacher", "dense": "dense teacher", "none": "no soft labels"}
    if kind in fixed:
        return fixed[kind]
    if kind in ANSWER_CONTROLS:
        return ANSWER_CONTROLS[kind]
    if kind in ENDS:
        end = rankings.find("expressiveness" if ENDS[kind] else "friendliness")
        return f"sparse teacher {end.phrase} alone ({kind})"
    return f"teacher pruned {rankings.find(kind).phrase}"


def with_article(kind: str) -> str:
    """Return a kind as the object of a comparison: "a teacher pruned at random"."""
    if kind in ENDS:
        return kind
    article = {"dense": "the "}.get(kind, "" if kind in UNMASKED else "a ")
    return f"{article}{phrase(kind)}"


def of_teachers(kind: str) -> str:
    """Return whose students they are: "of teachers pruned at random", "with no soft labels"."""
    if kind == "none":
        return "with no soft labels"
    if kind in ANSWER_CONTROLS:
        return f"with {phrase(kind)}"
    if kind == "dense":
        return f"of the {phrase(kind)}"
    return f"of {phrase(kind).replace('teacher', 'teachers', 1)}"


def student_title(kind: str) -> str:
    """Return a student as a heading: "Student of the dense teacher"; a baseline by its own name."""
    return title(kind) if kind in BASELINES else f"Student {of_teachers(kind)}"
