"""The command `sweep`: a trade-off study, from a file or from words."""

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from sparsekd.catalog.parameters import TrainParams
from sparsekd.catalog.stage_parameters import MaskParams, ScoreParams, StudentParams
from sparsekd.cli.comparing import changes
from sparsekd.cli.follow import follow
from sparsekd.cli.options import given
from sparsekd.cli.telling import print_json, say
from sparsekd.errors import BadInput, SparseKDError
from sparsekd.runs import jobs, references
from sparsekd.runs.records import Plan, Run, State, Step
from sparsekd.scheduler.executors.local import cores
from sparsekd.studies import command, search, sweep_file
from sparsekd.studies import cost as budgets
from sparsekd.studies import sweep as sweeps
from sparsekd.studies.search import Tried
from sparsekd.studies.sweep import Sweep
from sparsekd.studies.sweep_file import Declaration
from sparsekd.tasks import TaskCard

LISTS = ("methods", "lam", "sparsity", "controls")


def sweep(args: Namespace, cards: dict[str, TaskCard]) -> None:
    """Make every student that is missing, then say where the best bargain is.

    `cards` are the named tasks. With --dry-run nothing is made.

    Raises:
        SparseKDError: some run failed; what is finished has been told by then.
    """
    asked = sweep_file.expand(wanted(args), cards)
    tries = args.search
    plans = [search.sketch(one, tries) if tries else sweeps.plan(one) for one in asked]
    costs = [budgets.estimate(plan) for plan in plans]
    for one, plan, cost in zip(asked, plans, costs, strict=True):
        name = "Search" if tries else f"Study {plan.id}"
        say(f"{name}: {plan.title}, {tries or one.tries} cells to choose from per method")
        say(budgets.in_words(cost, cores()))
    if args.dry_run:
        if args.json:
            pairs = zip(plans, costs, strict=True)
            print_json([{"study": plan.id, **asdict(cost)} for plan, cost in pairs])
        return
    if tries:
        plans = [_searched(one, tries, args.device) for one in asked]
    else:
        _made(plans, args.device)
    facts = [found(plan) for plan in plans]
    if args.json:
        print_json(facts)
    else:
        print("\n\n".join(in_words(one) for one in facts))
    if args.report:
        from sparsekd.figures import report  # plotly, likewise

        report.write(plans, args.report)
        say(f"Report in {args.report}")
    missing = [entry for one in facts for entry in one["unfinished"]]
    if missing:
        raise SparseKDError(
            f"{len(missing)} runs are not finished. {missing[0]['message']}".strip()
        )


def _made(plans: list[Plan], device: str) -> None:
    for plan in plans:
        jobs.submit_plan(plan, device)
    for plan in plans:
        follow(plan.steps, whole=True)


def _searched(asked: Sweep, trials: int, device: str) -> Plan:
    """Trial after trial, then the controls; the same words go on with a search that stopped."""

    def make(steps: Sequence[Step]) -> dict[str, Run]:
        asked_for = {run.id: run for run in jobs.submit([s.recipe for s in steps], device, 1)}
        missing = [s for s in steps if asked_for[s.recipe.run_id].state is not State.DONE]
        return asked_for | follow(missing, whole=True)

    def hear(trial: Tried) -> None:
        where = f"λ = {trial.lam:g}, sparsity {trial.sparsity:g}"
        came = "failed" if trial.selected is None else f"{trial.selected:.4f} on selection"
        say(f"Trial {trial.number + 1} of {trials}: {where}: {came}")

    words = f"{command.command(sweeps.plan(asked))} --search {trials}"
    return search.search(asked, trials, make, hear, words).plan


def found(plan: Plan) -> dict[str, Any]:
    """What a study found, for every method: choices, verdicts, the answer in words."""
    from sparsekd.studies import sweep_results  # its statistics take a second to load

    card = references.card(plan.task)
    metric, split = card.metrics[0], card.validation[0]
    students = sweep_results.students(plan)
    answers = []
    for method in students["method"][students["ranking"] != "none"].unique():
        choices = sweep_results.choices(students, method, split, metric)
        verdicts = sweep_results.verdicts(students, method, split, metric)
        answers.append(
            {
                "method": method,
                "answer": sweep_results.sentence(verdicts, choices, metric),
                "choices": [asdict(choice) for choice in choices],
                "verdicts": verdicts.to_dict("records"),
                "grid": sweep_results.grid(students, method, split, metric).to_dict("records"),
            }
        )
    return {
        "study": plan.id,
        "title": plan.title,
        "task": plan.task,
        "split": split,
        "metric": metric,
        "methods": answers,
        "unfinished": sweep_results.unfinished(plan).to_dict("records"),
        "command": command.command(plan),
    }


def in_words(facts: dict[str, Any]) -> str:
    """The same for people."""
    lines = [f"{facts['title']}: {facts['metric']} on {facts['split']}, which chose nothing"]
    for one in facts["methods"]:
        lines += ["", one["answer"]]
        for name, unsaid in (("choices", ["method", "values"]), ("verdicts", ["control"])):
            if one[name]:
                table = pd.DataFrame(one[name]).drop(columns=unsaid)
                lines += ["", table.to_string(index=False, float_format="{:.4f}".format)]
    return "\n".join(lines)


def wanted(args: Namespace) -> Declaration:
    """The study that a file or the words of a command line declare; words change the file's."""
    base = sweep_file.read(args.file).values() if args.file else {}
    if not (base or args.task):
        raise BadInput("No task is named.", "Give --task, or --file with a study.")
    words: dict[str, Any] = {"task": args.task, "teacher": args.teacher, "seeds": args.seeds}
    words |= {name: getattr(args, name) for name in LISTS}
    values = base | {name: value for name, value in words.items() if value is not None}
    groups = {
        "train": given(args, TrainParams),
        "teacher_train": given(args, TrainParams, "teacher-"),
        "score": given(args, ScoreParams, "score-"),
        "mask": {n: v for n, v in given(args, MaskParams).items() if n not in LISTS},
        "set": changes(args.set or []),
    }
    for name, group in groups.items():
        values[name] = dict(values.get(name, {})) | group
    student = given(args, StudentParams, "student-")
    if student:
        values["student"] = [dict(one) | student for one in values.get("student", [{}])]
    return Declaration.of(values)
