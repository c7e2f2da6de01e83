"""A trade-off study as one HTML file that opens offline: the answer, how it was found, pictures."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from html import escape
from pathlib import Path
from string import Template

import pandas as pd
from plotly.offline import get_plotlyjs

from sparsekd import figures
from sparsekd.catalog.methods import find
from sparsekd.errors import BadInput, unknown
from sparsekd.figures.report.facts import facts
from sparsekd.figures.report.sheet import Sheet, table, versions
from sparsekd.runs import references
from sparsekd.runs.records import Plan
from sparsekd.studies import command, roles, sweep_results, teacher_kinds
from sparsekd.studies.cost import duration
from sparsekd.studies.sweep_results import Conclusion
from sparsekd.system.files import replace

PAGE = Path(__file__).with_name("report.html")
Cell = tuple[float, float]


def write(plans: Sequence[Plan], path: Path, metric: str = "", split: str = "") -> Path:
    """Write the report of one study or several, whole or not at all; it loads nothing else.

    Args:
        metric: The task's first one by default.
        split: Where results are reported; the task's first validation split by default.

    Raises:
        BadInput: nothing is finished yet; NotFound: no student has that metric or split;
        Unavailable: the file cannot be written.
    """
    if not plans:
        raise BadInput("No study is named.", "Name one at least.")
    report = Sheet()
    parts = [part for plan in plans for part in _study(report, plan, metric, split)]
    title = " · ".join(dict.fromkeys(plan.task for plan in plans))
    text = Template(PAGE.read_text(encoding="utf-8")).substitute(
        title=escape(title),
        body="\n".join([f"<h1>Trade-off study: {escape(title)}</h1>", *parts, versions()]),
        plotly=get_plotlyjs(),
        figures=",\n".join(report.figures),
    )
    replace(path, lambda beside: beside.write_text(text, encoding="utf-8"))
    return path


# --- one study -------------------------------------------------------------------------------


def _study(report: Sheet, plan: Plan, metric: str, split: str) -> Iterator[str]:
    students = sweep_results.students(plan)
    metric, split = _asked(plan, students, metric, split)
    found = list(sweep_results.conclusions(students, split, metric).values())
    yield f"<h2>{escape(plan.title)}</h2>"
    for one in found:
        name = f"<strong>{escape(find(one.method).title)}:</strong> " if len(found) > 1 else ""
        yield f'<p class="conclusion">{name}{escape(one.sentence)}</p>'
    spent, missing = sweep_results.costs(plan), sweep_results.unfinished(plan)
    yield _progress(spent, missing)
    yield "<h3>What was done</h3>" + facts(plan, metric, split)
    for one in found:
        yield f"<h2>{escape(find(one.method).title)}</h2>"
        yield from _tables(one)
        yield from _pictures(report, plan, students, one.method, split, metric, one.cell)
    front = sweep_results.front([plan], split, metric)
    yield _drawn(report, "Size and speed", "pareto", front, (metric, split))
    yield _drawn(report, "Cost over time", "costs", spent, ())
    if len(missing):
        shown = missing.assign(role=missing["role"].map(roles.title))
        yield f"<h3>Not finished</h3>{table(shown)}"
    yield f"<h3>The command that repeats it</h3><pre>{escape(command.command(plan))}</pre>"


def _asked(plan: Plan, students: pd.DataFrame, metric: str, split: str) -> tuple[str, str]:
    """The metric and the split that are asked for, or the task's first ones."""
    known = students.dropna(subset=["value"])
    if known.empty:
        raise BadInput(
            f"No student of the study {plan.id} is finished yet.",
            "Write the report when some are; `python -m sparsekd runs` says how far they are.",
        )
    for kind, name, names in (("metric", metric, "metric"), ("split", split, "split")):
        if name and name not in set(known[names]):
            raise unknown(kind, name, known[names].unique())
    card = references.card(plan.task)
    return metric or card.metrics[0], split or card.validation[0]


def _progress(spent: pd.DataFrame, missing: pd.DataFrame) -> str:
    done, total = len(spent), len(spent) + len(missing)
    work = duration(float(spent["seconds"].sum()))
    if not len(missing):
        return f"<p>All {total:,} runs are finished; they took {work} of work.</p>"
    return (
        f'<p class="note">This study is not finished: {done:,} of {total:,} runs are, with '
        f"{work} of work. What it says may change.</p>"
    )


def _tables(found: Conclusion) -> Iterator[str]:
    """What was chosen of each kind, and the chosen sparse student against each control."""
    rows = pd.DataFrame([asdict(choice) for choice in found.choices.values()])
    if len(rows):
        rows.insert(0, "students of", rows["ranking"].map(teacher_kinds.title))
        shown = rows.drop(columns=["ranking", "method", "values"]).rename(columns={"lam": "λ"})
        yield "<h3>What was chosen, and what that gave</h3>" + table(shown)
        yield f"<p class=words>{escape(OPTIMISM)}</p>"
    verdicts = found.table()
    if len(verdicts):
        shown = verdicts[["what", "words"]].rename(columns={"what": "against", "words": "verdict"})
        shown = shown.join(verdicts.drop(columns=["control", "what", "verdict", "reason", "words"]))
        yield "<h3>Against the controls, paired over seeds</h3>" + table(shown)


OPTIMISM = (
    "selected: mean on the selection data. reported: mean on data that chose nothing, low to high "
    "its 95 % interval. claimed: what choosing on the reported data would have said; optimism: "
    "by how much that flatters."
)


def _pictures(
    report: Sheet,
    plan: Plan,
    students: pd.DataFrame,
    method: str,
    split: str,
    metric: str,
    choice: Cell | None,
) -> Iterator[str]:
    curve = sweep_results.curve(students, sweep_results.teachers(plan), split, metric)
    own = figures.of_method(curve, method)
    asked = (metric, choice, split, method)
    yield report.picture(
        "Student quality against teacher sparsity",
        figures.quality_in_words(own, metric, split, method),
        own,
        figures.quality(own, *asked, theme=figures.LIGHT),
        figures.quality(own, *asked, theme=figures.DARK),
    )
    grid = sweep_results.grid(students, method, split, metric)
    yield report.picture(
        "Every λ and sparsity",
        figures.grid_in_words(grid, metric, split),
        grid,
        figures.grid(grid, metric, None, choice, split, theme=figures.LIGHT),
        figures.grid(grid, metric, None, choice, split, theme=figures.DARK),
    )
    wide = figures.wide(students, split, metric, method)
    yield _drawn(report, "Every student", "parallel", wide, (metric, split))
    masks = sweep_results.stability(plan)
    yield _drawn(report, "Do seeds remove the same?", "stability", masks, (method,))


def _drawn(
    report: Sheet, title: str, kind: str, table: pd.DataFrame, asked: tuple[str, ...]
) -> str:
    draw, told = getattr(figures, kind), getattr(figures, f"{kind}_in_words")
    light, dark = (draw(table, *asked, theme=theme) for theme in (figures.LIGHT, figures.DARK))
    return report.picture(title, told(table, *asked), table, light, dark)
