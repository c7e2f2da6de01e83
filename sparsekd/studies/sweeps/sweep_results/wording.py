"""The conclusion of a sweep as a sentence: the verdict first, then what limits it."""

from collections.abc import Mapping, Sequence

from sparsekd.studies import verdict
from sparsekd.studies.sweeps.sweep_results.choosing import Choice
from sparsekd.studies.teacher_kinds import with_article
from sparsekd.studies.verdict import Verdict
from sparsekd.system.wording import counted
from sparsekd.tasks import metrics

HEADS = {
    "better": "Better than with {}",
    "worse": "Worse than with {}",
    "inconclusive": "Inconclusive against {}",
}


def sentence(
    ours: Choice | None,
    choices: Mapping[str, Choice],
    verdicts: Mapping[str, Verdict],
    alike: Sequence[tuple[float, float]],
    metric: str,
) -> str:
    """Return the verdict on the chosen student, its evidence, and the luck of choosing.

    It is about the dense teacher, or without it the first control.
    """
    if ours is None or not verdicts:
        return "No verdict yet: no cell and control are complete over all seeds."
    first, *others = sorted(verdicts, key=lambda control: control != "dense")
    words = [_verdict(first, verdicts[first], metric), _chosen(ours, choices[first])]
    if others:
        words.append(f"Other controls: {_alike({name: verdicts[name] for name in others})}.")
    words.append(_alike_cells(alike))
    words.append(_optimism(ours, metric))
    return " ".join(word for word in words if word)


def _verdict(control: str, result: Verdict, metric: str) -> str:
    """Return the difference from a control, with its evidence."""
    head = HEADS[result.verdict].format(with_article(control))
    words = f"{head}: {result.difference:+.4f} {_named(metric)} ({verdict.evidence(result)})"
    parts = [words, result.reason]
    return f"{'; '.join(part for part in parts if part)}."


def _chosen(ours: Choice, control: Choice) -> str:
    """Return what the selection split chose, of how many."""
    if ours.planned == 1 and control.planned == 1:
        return ""  # nothing was chosen
    cell = f"λ = {ours.lam:g}, sparsity {100 * ours.sparsity:g}%"
    if ours.sparsity == 0:
        cell = "no pruning (sparsity 0)"
    tries = f"{ours.tries} tries"
    if ours.tries < ours.planned:
        tries = f"the {ours.tries} of {ours.planned} tries that are complete"
    best = f" Its control is the best of {control.tries} tries." if control.tries > 1 else ""
    luck = ""
    if ours.place != control.place and max(ours.tries, control.tries) > 1:
        luck = f" The luck of choosing is taken off: {ours.luck:+.4f}"
        luck += f", of the control {control.luck:+.4f}." if control.tries > 1 else "."
    return f"Chosen on the selection split from {tries}: {cell}.{best}{luck}"


def _alike_cells(alike: Sequence[tuple[float, float]]) -> str:
    """Return how many cells the selection split cannot tell from the chosen one."""
    others = len(alike) - 1
    if others < 1:
        return ""
    most = max(alike, key=lambda place: place[1])
    return (
        f"{counted(others, 'other cell')} cannot be told apart from the chosen one on the selection"
        f" split (within one standard error), up to a sparsity of {100 * most[1]:g}%."
    )


def _alike(verdicts: Mapping[str, Verdict]) -> str:
    """Return each verdict with the controls that it is about."""
    names: dict[str, list[str]] = {}
    for control, result in verdicts.items():
        names.setdefault(result.words.replace(": ", ", "), []).append(with_article(control))
    return "; ".join(f"{words} ({', '.join(controls)})" for words, controls in names.items())


def _optimism(ours: Choice, metric: str) -> str:
    if ours.tries == 1:
        return f"The student's {_named(metric)} is {ours.reported:.4f}."
    return (
        f"The chosen student's {_named(metric)} is {ours.reported:.4f}; choosing among its "
        f"{ours.tries} tries on the reported data would have claimed {ours.claimed:.4f}."
    )


def _named(metric: str) -> str:
    return metrics.title(metric).lower()
