"""The report of a sweep: one HTML file that opens offline, with conclusion, tables and figures."""

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from string import Template

import pandas as pd
from plotly.offline import get_plotlyjs

from sparsekd import figures
from sparsekd.catalog.methods import find
from sparsekd.errors import BadInput, unknown
from sparsekd.figures.report.elements import Figures, table, versions
from sparsekd.figures.report.sweep_setup import setup
from sparsekd.runs import references
from sparsekd.runs.records import Plan
from sparsekd.studies import command, roles, teacher_kinds
from sparsekd.studies.cost import duration
from sparsekd.studies.study_metric import Level, majority_level
from sparsekd.studies.sweeps import label_results, sweep_results
from sparsekd.studies.sweeps.sweep_metric import SweepMetric
from sparsekd.studies.sweeps.sweep_results import Conclusion
from sparsekd.system.files import atomic_write

PAGE = Path(__file__).with_name("report.html")


def write(plans: Sequence[Plan], path: Path, metric: str = "", split: str = "") -> Path:
    """Write the report of one sweep or several, whole or not at all; it loads no other file.

    Args:
        metric: The task's first one by default.
        split: Where results are reported; the task's first validation split by default.

    Raises:
        BadInput: nothing is finished yet; NotFound: no student has that metric or split;
        Unavailable: the file cannot be written.
    """
    if not plans:
        raise BadInput("No study is named.", "Name at least one.")
    drawn = Figures()
    parts = [
        *(
            part
            for group in label_results.families(plans)
            for part in _labels(drawn, group, metric)
        ),
        *(part for plan in plans for part in _study(drawn, plan, metric, split)),
    ]
    title = " · ".join(dict.fromkeys(plan.task for plan in plans))
    text = Template(PAGE.read_text(encoding="utf-8")).substitute(
        title=escape(title),
        body="\n".join([f"<h1>Trade-off study: {escape(title)}</h1>", *parts, versions()]),
        plotly=get_plotlyjs(),
        figures=",\n".join(drawn.json),
    )
    atomic_write(path, lambda beside: beside.write_text(text, encoding="utf-8"))
    return path


# --- label budgets and noise -----------------------------------------------------------------


def _labels(drawn: Figures, plans: Sequence[Plan], metric: str) -> Iterator[str]:
    """Yield the section of studies that differ in their labels: verdicts, figure, table."""
    found = label_results.label_study(plans, metric)
    students = found.table()
    if students.empty:
        return
    yield "<h2>Label budgets and noise</h2>"
    yield "".join(f'<p class="conclusion">{escape(words)}</p>' for words in found.sentences())
    level = majority_level(plans[0], found.split, found.metric)
    light, dark = (
        figures.label_curves(students, found.teachers, found.metric, found.split, theme, level)
        for theme in (figures.LIGHT, figures.DARK)
    )
    words = figures.label_curves_in_words(students, found.metric, found.split)
    yield drawn.section("Student quality against gold labels", words, students, light, dark)


# --- one study -------------------------------------------------------------------------------


def _study(drawn: Figures, plan: Plan, metric: str, split: str) -> Iterator[str]:
    students = sweep_results.students(plan)
    metric, split = _reported(plan, students, metric, split)
    conclusions = list(sweep_results.conclusions(students, split, metric).values())
    yield f"<h2>{escape(plan.title)}</h2>"
    level = majority_level(plan, split, metric)
    warned = {word: None for one in conclusions for word in _warnings(plan, students, one)}
    yield from (f'<p class="note">{escape(word)}</p>' for word in warned)
    for one in conclusions:
        title = escape(find(one.method).title)
        name = f"<strong>{title}:</strong> " if len(conclusions) > 1 else ""
        yield f'<p class="conclusion">{name}{escape(one.sentence)}</p>'
    spent, missing = sweep_results.costs(plan), sweep_results.unfinished(plan)
    yield _progress(spent, missing)
    yield "<h3>Setup</h3>" + setup(plan, metric, split, level)
    for one in conclusions:
        yield f"<h2>{escape(find(one.method).title)}</h2>"
        yield from _tables(one, level)
        yield from _figures(drawn, plan, students, one, level)
    front = sweep_results.front([plan], split, metric)
    yield drawn.section(
        "Size and speed",
        figures.pareto_in_words(front, metric, split),
        front,
        *(
            figures.pareto(front, metric, split, theme, level)
            for theme in (figures.LIGHT, figures.DARK)
        ),
    )
    yield _section(drawn, "Cost over time", "costs", spent, ())
    if len(missing):
        shown = missing.assign(role=missing["role"].map(roles.title))
        yield f"<h3>Not finished</h3>{table(shown)}"
    yield f"<h3>Command line</h3><pre>{escape(command.command(plan))}</pre>"


def _warnings(plan: Plan, students: pd.DataFrame, one: Conclusion) -> list[str]:
    """Return which students of one method have learned nothing."""
    return SweepMetric(plan, students, one.method, one.split, one.metric).warnings(one)


def _reported(plan: Plan, students: pd.DataFrame, metric: str, split: str) -> tuple[str, str]:
    """Return the given metric and split, or the task's first ones."""
    known = students.dropna(subset=["value"])
    if known.empty:
        raise BadInput(
            f"No student of the study {plan.id} is finished yet.",
            "Write the report when some are; `python -m sparsekd runs` shows their progress.",
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
        return f"<p>All {total:,} runs are finished, after {work} of work.</p>"
    return (
        f'<p class="note">Preliminary: {done:,} of {total:,} runs are finished, after {work} of '
        "work. Results may change.</p>"
    )


def _tables(conclusion: Conclusion, level: Level | None) -> Iterator[str]:
    """Yield the choice of each kind above the majority class, and the verdicts on the controls."""
    rows = pd.DataFrame([choice.row() for choice in conclusion.choices.values()])
    if len(rows):
        rows.insert(0, "students of", rows["ranking"].map(teacher_kinds.title))
        rows = rows.drop(columns=["ranking", "method", "values"])
        rows = (
            level.below(rows.rename(columns={"students of": "what"}), "reported") if level else rows
        )
        shown = rows.rename(columns={"lam": "λ", "what": "students of"})
        yield "<h3>Chosen on the selection split</h3>" + table(shown)
        yield f"<p class=words>{escape(OPTIMISM)}</p>"
    verdicts = conclusion.table()
    if len(verdicts):
        shown = verdicts[["what", "words"]].rename(columns={"what": "against", "words": "verdict"})
        shown = shown.join(verdicts.drop(columns=["control", "what", "verdict", "reason", "words"]))
        yield "<h3>Against the controls, paired over seeds</h3>" + table(shown)


OPTIMISM = (
    "selected: mean on the selection split. reported: mean on a split that chose nothing. luck: "
    "what it owes to choosing the best of several tries by chance; low to high: the 95% interval "
    "without it, for new seeds and examples. claimed: best mean if the reported split had chosen; "
    "optimism: its bias."
)


def _figures(
    drawn: Figures,
    plan: Plan,
    students: pd.DataFrame,
    conclusion: Conclusion,
    level: Level | None,
) -> Iterator[str]:
    """Yield the sections of one method's figures."""
    method, split, metric = conclusion.method, conclusion.split, conclusion.metric
    curve = sweep_results.curve(students, sweep_results.teachers(plan), split, metric)
    own = figures.of_method(curve, method)
    place = (metric, conclusion.cell, split, method)
    yield drawn.section(
        "Student quality against teacher sparsity",
        figures.quality_in_words(own, metric, split, method),
        own,
        *(
            figures.quality(own, *place, theme=theme, level=level)
            for theme in (figures.LIGHT, figures.DARK)
        ),
    )
    grid = sweep_results.grid(students, method, split, metric)
    yield drawn.section(
        "Every λ and sparsity",
        figures.grid_in_words(grid, metric, split),
        grid,
        *(
            figures.grid(
                grid, metric, None, conclusion.cell, split, None, theme, conclusion.alike_cells
            )
            for theme in (figures.LIGHT, figures.DARK)
        ),
    )
    wide = figures.wide(students, split, metric, method)
    yield _section(drawn, "Every student", "parallel", wide, (metric, split))
    masks = sweep_results.stability(plan)
    yield _section(drawn, "Mask stability over seeds", "stability", masks, (method,))


def _section(
    drawn: Figures, title: str, kind: str, table: pd.DataFrame, arguments: tuple[str, ...]
) -> str:
    draw, describe = getattr(figures, kind), getattr(figures, f"{kind}_in_words")
    light, dark = (draw(table, *arguments, theme=theme) for theme in (figures.LIGHT, figures.DARK))
    return drawn.section(title, describe(table, *arguments), table, light, dark)
