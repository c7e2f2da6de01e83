"""The command `compare`: any methods side by side, on the same task, student, seeds and budget."""

from argparse import Namespace
from typing import Any

import pandas as pd

from sparsekd.catalog.parameters import TrainParams
from sparsekd.catalog.stage_parameters import MaskParams, ScoreParams, StudentParams
from sparsekd.cli.follow import follow
from sparsekd.cli.options import given
from sparsekd.cli.telling import print_json, say
from sparsekd.errors import BadInput, SparseKDError
from sparsekd.runs import jobs, references
from sparsekd.runs.records import Plan, Recipe
from sparsekd.studies import comparison, comparison_results, recipes, results
from sparsekd.studies.comparison import Comparison
from sparsekd.tasks import TaskCard
from sparsekd.tasks.demo import DEMO_CHECKPOINTS


def compare(args: Namespace, card: TaskCard) -> None:
    """Make every student that is missing, then say how the methods stand.

    Raises:
        SparseKDError: some run failed; what is finished has been told by then.
    """
    asked, left_out = comparison.chosen(wanted(args, card))
    for reason in dict.fromkeys(left_out.values()):
        names = ", ".join(name for name, why in left_out.items() if why == reason)
        say(f"Left out: {names}. {reason}")
    plan = comparison.plan(asked)
    say(f"Comparison {plan.id}: {plan.title}, {len(plan.steps)} runs")
    jobs.submit_plan(plan, args.device)
    follow(plan.steps, whole=True)
    _tell(args, card, plan, left_out)
    missing = comparison_results.unfinished(plan)
    if missing:
        names = ", ".join(dict.fromkeys(entry["method"] for entry in missing))
        raise SparseKDError(f"Not finished: {names}. {missing[0]['reason']}")


def wanted(args: Namespace, card: TaskCard) -> Comparison:
    """The comparison that the words of a command line ask for."""
    names = args.teacher or _usual_teachers(card)
    teachers = tuple(
        _teacher(args, card, text, seed=names[:place].count(text))
        for place, text in enumerate(names)
    )
    students, student = comparison.usual(_origin(teachers[0]))
    return Comparison(
        task=card.name,
        methods=tuple(word.strip() for word in args.methods.split(",") if word.strip()),
        teachers=teachers,
        train=students.changed(given(args, TrainParams)),
        student=student.changed(_student(args)),
        score=ScoreParams.of(given(args, ScoreParams, "score-")),
        mask=MaskParams.of(given(args, MaskParams)),
        seeds=tuple(range(args.seeds)),
        assistant_layers=args.assistant_layers,
        changes=changes(args.set or []),
    )


def _usual_teachers(card: TaskCard) -> list[str]:
    """The demo teachers of a demo task."""
    if card.origin != "demo":
        raise BadInput(
            f"{card.name} needs a teacher.",
            "Name a fine-tuning run, a local folder or a hub id with --teacher.",
        )
    return list(DEMO_CHECKPOINTS)


def _teacher(args: Namespace, card: TaskCard, text: str, seed: int) -> Recipe:
    """A finished model's recipe, or the fine-tuning of a checkpoint.

    A checkpoint that is named again is fine-tuned again, with the next seed.
    """
    made = references.made(text)
    if made is not None:
        return made
    checkpoint = references.model(text)
    own, _, _ = recipes.defaults(references.origin(checkpoint))
    train = own.changed(given(args, TrainParams) | given(args, TrainParams, "teacher-"))
    return recipes.finetune(card.name, checkpoint, train, seed)


def _origin(teacher: Recipe) -> str:
    """The checkpoint that the first teacher was fine-tuned from.

    Raises:
        BadInput: it is sparse, or a student: nobody's layers to start with.
    """
    if teacher.stage != "finetune":
        raise BadInput(
            f"The first teacher ({teacher.run_id}) is not a fine-tuned one.",
            "Name a dense one first: students start from its layers.",
        )
    return references.origin(teacher.inputs["checkpoint"])


def _student(args: Namespace) -> dict[str, Any]:
    values = given(args, StudentParams, "student-")
    if values.get("checkpoint"):
        values["checkpoint"] = references.model(values["checkpoint"])
    return values


def changes(words: list[str]) -> dict[str, dict[str, Any]]:
    """METHOD.PARAMETER=VALUE, each, as parameters by method."""
    found: dict[str, dict[str, Any]] = {}
    for word in words:
        place, equals, value = word.partition("=")
        method, dot, name = place.rpartition(".")
        if not (equals and dot):
            raise BadInput(f"--set {word!r} is not METHOD.PARAMETER=VALUE.", "vanilla.alpha=0.7")
        found.setdefault(method, {})[name.replace("-", "_")] = value
    return found


# --- telling ---------------------------------------------------------------------------------


def _tell(args: Namespace, card: TaskCard, plan: Plan, left_out: dict[str, str]) -> None:
    frame = results.study_frame(plan)
    metric, split = card.metrics[0], card.validation[0]
    ways = comparison_results.compared(plan)
    summary = results.summary(frame[frame["role"].isin(ways)], split, metric)
    against = {
        name: comparison_results.differences(frame, split, metric, name, ways)
        for name in comparison_results.BASELINES
        if name in ways
    }
    if not args.json:
        _print(summary, against, plan, f"{metric} on {split}")
        return
    told = {name: found.to_dict("records") for name, found in against.items()}
    print_json(
        {
            "comparison": plan.id,
            "title": plan.title,
            "task": card.name,
            "split": split,
            "metric": metric,
            "teachers": comparison_results.teachers(plan),
            "rows": comparison_results.rows(plan),
            "summary": summary.to_dict("records"),
            "costs": comparison_results.costs(plan).to_dict("records"),
            "differences": told,
            "left_out": [{"method": name, "reason": why} for name, why in left_out.items()],
            "unfinished": comparison_results.unfinished(plan),
        }
    )


def _print(summary: pd.DataFrame, against: dict[str, pd.DataFrame], plan: Plan, what: str) -> None:
    spent = comparison_results.costs(plan).drop(columns=["what", "seconds", "seeds"])
    columns = ["role", "mean", "low", "high", "seeds", "seconds"]
    table = summary[columns].merge(spent, on="role", how="left")
    print(f"\n{what}, which chose nothing (mean, 95 % interval over seeds):")
    print(table.to_string(index=False, float_format=lambda value: f"{value:.4g}"))
    for name, found in against.items():
        level = comparison_results.confidence(len(found))
        print(f"\nAgainst {name}, paired over seeds ({level:.2%} intervals, all together 95 %):")
        columns = ["role", "difference", "low", "high", "wins", "seeds", "verdict"]
        print(found[columns].to_string(index=False, float_format=lambda value: f"{value:+.4f}"))
