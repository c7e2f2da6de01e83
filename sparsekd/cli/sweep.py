"""The command `sweep`: a trade-off study, from a file or from options."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
from pydantic import Field

from sparsekd.catalog.parameters import TrainParams
from sparsekd.catalog.stage_parameters import MaskParams
from sparsekd.cli.compare import changes
from sparsekd.cli.options import (
    DeviceRequest,
    Given,
    Group,
    Option,
    Repeated,
    Score,
    SeedsRequest,
    SmallestDifference,
    Student,
    TeacherTrain,
    split,
)
from sparsekd.cli.output import note, print_json, table_text, verdict_table
from sparsekd.cli.progress import note_launch, wait_for
from sparsekd.cli.tasks import ColumnsRequest, describe
from sparsekd.errors import BadInput, SparseKDError
from sparsekd.runs import jobs, label_checks, overlaps, references
from sparsekd.runs.records import Plan, Run, State, Step
from sparsekd.scheduler.executors.local import cores
from sparsekd.studies import command, cost
from sparsekd.studies.power import SMALLEST, Power, before_launch
from sparsekd.studies.sweeps import search, search_plan, sweep_file, sweep_spec
from sparsekd.studies.sweeps.label_axes import LABEL_AXES
from sparsekd.studies.sweeps.search_plan import SearchTrial
from sparsekd.studies.sweeps.sweep import plan as plan_of
from sparsekd.studies.sweeps.sweep_file import SweepFile
from sparsekd.studies.sweeps.sweep_spec import SweepSpec
from sparsekd.system.wording import counted

DECLARED = SweepFile.model_fields
Listed = Option(arguments={"type": split, "metavar": "A,B,…"})


def _declared(name: str) -> Any:
    """Return a field that a study file declares too; only what is given changes the file."""
    default = DECLARED[name].default
    if default == ():
        return Field(None, description=DECLARED[name].description)
    shown = ", ".join(f"{value}" for value in default) if isinstance(default, tuple) else default
    return Field(None, description=f"{DECLARED[name].description} (default: {shown})")


class SweepRequest(SeedsRequest, DeviceRequest, ColumnsRequest):
    """One trade-off study, or one per task and student."""

    file: Path | None = Field(None, description="a study in YAML or JSON; options change it")
    task: Annotated[tuple[str, ...], Repeated] = Field(
        (), description="name of a task, or a folder; again for a further task"
    )
    teacher: str | None = Field(None, description=DECLARED["teacher"].description)
    methods: Annotated[tuple[str, ...] | None, Listed] = _declared("methods")
    lam: Annotated[tuple[str, ...] | None, Listed] = _declared("lam")
    sparsity: Annotated[tuple[str, ...] | None, Listed] = _declared("sparsity")
    controls: Annotated[tuple[str, ...] | None, Listed] = _declared("controls")
    labelled: Annotated[tuple[str, ...] | None, Listed] = _declared("labelled")
    label_noise: Annotated[tuple[str, ...] | None, Listed] = _declared("label_noise")
    set: Annotated[
        tuple[str, ...],
        Option(arguments={"action": "append", "metavar": "METHOD.PARAMETER=VALUE"}),
    ] = Field((), description="a parameter of one method, such as vanilla.alpha=0.7")
    search: Annotated[int, Option(arguments={"metavar": "N"})] = Field(
        0,
        description="N trials that Optuna chooses between the least and greatest λ and sparsity, "
        "not a grid; the same command with more trials continues the search",
    )
    smallest_difference: SmallestDifference = SMALLEST
    dry_run: bool = Field(False, description="print what it costs, start nothing")
    report: Path | None = Field(None, description="also write the study as an HTML file")
    student: Student = Field({})
    mask: Annotated[Given, Group(MaskParams, without=("kind", "lam", "sparsity"))] = Field({})
    train: Annotated[Given, Group(TrainParams, without=LABEL_AXES)] = Field({})
    teacher_train: TeacherTrain = Field({})
    score: Score = Field({})

    def declaration(self) -> SweepFile:
        """Return the declared study: that of the file, changed by the given options.

        Raises:
            BadInput: no task is named.
        """
        base = sweep_file.read(self.file).values() if self.file else {}
        if not (base or self.task):
            raise BadInput("No task is named.", "Give --task, or --file with a study.")
        given = {
            "task": self.task or None,
            "teacher": self.teacher,
            "methods": self.methods,
            "lam": self.lam,
            "sparsity": self.sparsity,
            "controls": self.controls,
            "labelled": self.labelled,
            "label_noise": self.label_noise,
        }
        values: dict[str, Any] = base | {
            name: value for name, value in given.items() if value is not None
        }
        if self.seed is not None or self.seeds is not None:
            values["seeds"] = self.chosen_seeds(len(sweep_spec.DEFAULT_SEEDS))
        groups = {
            "train": self.train,
            "teacher_train": self.teacher_train,
            "score": self.score,
            "mask": self.mask,
            "set": changes(self.set),
        }
        for name, group in groups.items():
            values[name] = {**values.get(name, {}), **group}
        if self.student:
            values["student"] = [{**one, **self.student} for one in values.get("student", [{}])]
        return SweepFile.of(values)


def sweep(request: SweepRequest) -> None:
    """Run a trade-off study: λ × sparsity × method × seed, with controls and a verdict.

    Raises:
        SparseKDError: some run failed; the finished ones are printed before.
    """
    cards = {name: request.card_of(name) for name in request.task}
    for card in cards.values():
        note(describe(card))
    specs = sweep_file.expand(request.declaration(), cards)
    trials = request.search
    plans = [search_plan.expected_plan(s, trials) if trials else plan_of(s) for s in specs]
    label_checks.check(step.recipe for plan in plans for step in plan.steps)
    costs = [cost.estimate(plan, request.device) for plan in plans]
    powers = [_power(spec, specs, request.smallest_difference) for spec in specs]
    for spec, plan, estimate, found in zip(specs, plans, costs, powers, strict=True):
        name = "Search" if trials else f"Study {plan.id}"
        cells = counted(trials or spec.cell_count, "cell")
        note(f"{name}: {plan.title}, {cells} to choose from per method")
        note(cost.in_words(estimate, cores()))
        note_launch([step.recipe for step in plan.steps], request.device)
        note(found.words)
    if request.dry_run:
        if request.as_json:
            rows = zip(plans, costs, powers, strict=True)
            print_json(
                [
                    {"study": plan.id, **asdict(estimate), "power": asdict(found)}
                    for plan, estimate, found in rows
                ]
            )
        return
    if trials:
        plans = [_search(spec, trials, request.device) for spec in specs]
    else:
        _run(plans, request.device)
    _print(request, plans)


def _power(spec: SweepSpec, specs: Sequence[SweepSpec], smallest: float) -> Power:
    """Return what a study of a family can decide, whose verdicts are corrected together."""
    comparisons = sum(each.comparison_count for each in specs if each.task == spec.task)
    labelled, seeds = spec.train.labelled, len(spec.seeds)
    return before_launch(spec.task, spec.teacher, labelled, seeds, comparisons, smallest)


def _print(request: SweepRequest, plans: list[Plan]) -> None:
    facts = [results(plan) for plan in plans]
    from sparsekd.studies.sweeps import label_results

    groups = label_results.families(plans)
    if request.as_json:
        labels = [label_facts(group) for group in groups]
        print_json({"studies": facts, "labels": labels} if groups else facts)
    else:
        grouped = {plan.id for group in groups for plan in group}
        alone = [one for one in facts if one["study"] not in grouped]
        print("\n\n".join([*map(in_words, alone), *map(labels_in_words, groups)]))
    for warning in {
        word: None for one in facts for words in one["warnings"].values() for word in words
    }:
        note(f"Warning: {warning}")
    if request.report:
        from sparsekd.figures import report  # plotly takes half a second to load

        report.write(plans, request.report)
        note(f"Report in {request.report}")
    missing = [entry for one in facts for entry in one["unfinished"]]
    if missing:
        raise SparseKDError(
            f"{len(missing)} runs are not finished. {missing[0]['message']}".strip()
        )


def _run(plans: list[Plan], device: str) -> None:
    for plan in plans:
        jobs.submit_plan(plan, device)
    for plan in plans:
        wait_for(plan.steps, keep_going=True)


def _search(spec: SweepSpec, trials: int, device: str) -> Plan:
    """Run trial after trial, then the controls; a stopped search continues where it was."""

    def make(steps: Sequence[Step]) -> dict[str, Run]:
        submitted = {run.id: run for run in jobs.submit([s.recipe for s in steps], device, 1)}
        missing = [s for s in steps if submitted[s.recipe.run_id].state is not State.DONE]
        return submitted | wait_for(missing, keep_going=True)

    def on_trial(trial: SearchTrial) -> None:
        where = f"λ = {trial.lam:g}, sparsity {trial.sparsity:g}"
        result = "failed" if trial.selected is None else f"{trial.selected:.4f} on selection"
        note(f"Trial {trial.number + 1} of {trials}: {where}: {result}")

    words = f"{command.command(plan_of(spec))} --search {trials}"
    return search.search(spec, trials, make, on_trial, words).plan


def results(plan: Plan) -> dict[str, Any]:
    """Return the results of a sweep as plain values: for each method its conclusion and grid."""
    from sparsekd.studies import majority
    from sparsekd.studies.sweeps import sweep_results  # its statistics take a second to load
    from sparsekd.studies.sweeps.sweep_metric import SweepMetric

    card = references.card(plan.task)
    metric, split = card.metrics[0], card.validation[0]
    students = sweep_results.students(plan)
    found = sweep_results.conclusions(students, split, metric)
    return {
        "study": plan.id,
        "title": plan.title,
        "task": plan.task,
        "split": split,
        "metric": metric,
        "majority": majority.plan_scores(plan, split),
        "warnings": {
            method: SweepMetric(plan, students, method, split, metric).warnings(one)
            for method, one in found.items()
        },
        "overlap": overlaps.warning(card),
        "methods": [
            {
                "method": method,
                "sentence": one.sentence,
                "choices": [choice.row() for choice in one.choices.values()],
                "verdicts": one.table().to_dict("records"),
                "grid": sweep_results.grid(students, method, split, metric).to_dict("records"),
            }
            for method, one in found.items()
        ],
        "unfinished": sweep_results.unfinished(plan).to_dict("records"),
        "command": command.command(plan),
    }


def in_words(facts: dict[str, Any]) -> str:
    """Return the same as text."""
    lines = [f"{facts['title']}: {facts['metric']} on {facts['split']}, which chose nothing"]
    usual = facts["majority"].get(facts["metric"])
    lines += [] if usual is None else [f"One answer to every text (majority): {usual:.4g}"]
    lines += [facts["overlap"]] if facts["overlap"] else []
    for one in facts["methods"]:
        lines += ["", one["sentence"]]
        if one["choices"]:
            choices = pd.DataFrame(one["choices"]).drop(columns=["method", "values"])
            lines += ["", table_text(choices)]
        if one["verdicts"]:
            lines += ["", verdict_table(pd.DataFrame(one["verdicts"]), "what")]
    return "\n".join(lines)


def label_facts(plans: list[Plan]) -> dict[str, Any]:
    """Return the results over label budgets and label noise as plain values."""
    from sparsekd.studies import majority
    from sparsekd.studies.sweeps import label_results  # its statistics take a second to load

    found = label_results.label_study(plans)
    return {
        "studies": [plan.id for plan in plans],
        "split": found.split,
        "metric": found.metric,
        "ours": found.ours,
        "sentences": found.sentences(),
        "students": found.table().to_dict("records"),
        "teachers": found.teachers.to_dict("records"),
        "majority": majority.plan_scores(plans[0], found.split),
    }


def labels_in_words(plans: list[Plan]) -> str:
    """Return the same as text."""
    from sparsekd.studies.sweeps import label_results

    found = label_results.label_study(plans)
    table = found.table()
    places = zip(table["noise"], table["labels"], strict=True)
    table["labels"] = [label_results.place_in_words(*place) for place in places]
    names = ["labels", "method", "what", "mean", "low", "high", "seeds", "difference"]
    teachers = ", ".join(
        f"{label_results.place_in_words(row['noise'], row['labels'])} {row['value']:.3f}"
        for row in found.teachers.to_dict("records")
    )
    lines = [
        f"{plans[0].task}: {found.metric} on {found.split}, which chose nothing, by label budget",
        *found.sentences(),
        f"The teacher: {teachers}.",
        table_text(table[[*names, "p_corrected", "verdict"]]),
    ]
    return "\n\n".join(lines)
