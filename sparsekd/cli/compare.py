"""The command `compare`: methods side by side on the same task, student, seeds and budget."""

from collections.abc import Sequence
from typing import Annotated, Any

import pandas as pd
from pydantic import Field

from sparsekd.catalog.stage_parameters import MaskParams, ScoreParams
from sparsekd.cli.answers import print_answers
from sparsekd.cli.models import check_answers, student_values
from sparsekd.cli.options import (
    DeviceRequest,
    Mask,
    Option,
    Repeated,
    Score,
    SeedsRequest,
    SmallestDifference,
    Student,
    TeacherTrain,
    Train,
    split,
)
from sparsekd.cli.output import majority_lines, note, print_json, table_text, verdict_table
from sparsekd.cli.progress import note_launch, wait_for
from sparsekd.cli.tasks import TaskRequest
from sparsekd.errors import BadInput, SparseKDError
from sparsekd.runs import answer_files, jobs, references
from sparsekd.runs.records import Plan, Recipe
from sparsekd.studies import majority, recipes, results, training_cost, tuning
from sparsekd.studies.comparisons import comparison, comparison_results, comparison_spec, variants
from sparsekd.studies.comparisons.comparison_spec import ComparisonSpec
from sparsekd.studies.launch import plan_launch, variant_costs
from sparsekd.studies.model_answers import ModelAnswers
from sparsekd.studies.power import SMALLEST, Power, before_launch
from sparsekd.studies.study_wording import scope_in_words
from sparsekd.studies.teacher_parts import parts, teacher_seed
from sparsekd.tasks import TaskCard
from sparsekd.tasks.demo import DEMO_CHECKPOINTS


class CompareRequest(SeedsRequest, DeviceRequest, TaskRequest):
    """One comparison."""

    methods: Annotated[tuple[str, ...], Option(arguments={"type": split})] = Field(
        description=f"all, or names with commas between: {', '.join(variants.all_names())}; "
        "vanilla:teacher_2 … are the further teachers alone; any method of one teacher may have a "
        ":sparse_teacher too"
    )
    teacher: Annotated[tuple[str, ...], Repeated] = Field(
        (),
        description="fine-tuning run, local checkpoint or hub id; again for each further teacher, "
        "which may be a file of answers; a checkpoint named twice is fine-tuned twice (default on "
        "demo tasks: both demo models)",
    )
    teachers: int = Field(
        1,
        description="how many times each teacher is fine-tuned, with seeds from 0: every method "
        "and seed is trained with each, and the verdict is about new teachers too",
    )
    set: Annotated[
        tuple[str, ...],
        Option(arguments={"action": "append", "metavar": "METHOD.PARAMETER=VALUE"}),
    ] = Field((), description="a parameter of one method, such as vanilla.alpha=0.7")
    tune: Annotated[
        tuple[str, ...],
        Option(arguments={"action": "append", "metavar": "PARAMETER=A,B,…"}),
    ] = Field(
        (),
        description="values to try of a parameter of the training or of methods, such as "
        "learning_rate=3e-5,1e-4,3e-4; every variant that has it is trained with each, and its "
        "best on the selection split is reported; again for each further parameter",
    )
    smallest_difference: SmallestDifference = SMALLEST
    assistant_layers: int = Field(0, description="layers of the assistant; 0 = half way between")
    student: Student = Field({})
    mask: Mask = Field({})
    train: Train = Field({})
    teacher_train: TeacherTrain = Field({})
    score: Score = Field({})

    def comparison(self, card: TaskCard) -> ComparisonSpec:
        """Return the comparison that is asked for."""
        names = self.teacher or _default_teachers(card)
        teachers = tuple(
            self._teacher(card, text, seed=names[:place].count(text))
            for place, text in enumerate(names)
        )
        students, student = comparison_spec.defaults(_origin(teachers[0]))
        return ComparisonSpec(
            task=card.name,
            methods=self.methods,
            teachers=teachers,
            train=students.changed(dict(self.train)),
            student=student.changed(student_values(self.student)),
            score=ScoreParams.of(dict(self.score)),
            mask=MaskParams.of(dict(self.mask)),
            seeds=self.chosen_seeds(1),
            assistant_layers=self.assistant_layers,
            changes=changes(self.set),
            tune=tried_values(self.tune),
            fine_tunings=self.teachers,
        )

    def _teacher(self, card: TaskCard, text: str, seed: int) -> Recipe | str:
        """Return a finished model's recipe, the fine-tuning of a checkpoint, or answers.

        A checkpoint that is named again is fine-tuned again, with the next seed.
        """
        if answer_files.looks_like_answers(text):
            return references.teacher(text, card)
        made = references.made(text)
        if made is not None:
            return made
        checkpoint = references.model(text)
        defaults, _, _ = recipes.defaults(references.origin(checkpoint))
        train = recipes.teacher_training(defaults, self.train, self.teacher_train)
        return recipes.finetune(card.name, checkpoint, train, seed)


def compare(request: CompareRequest) -> None:
    """Compare methods side by side: the same task, student, seeds and budget for all.

    Raises:
        SparseKDError: some run failed; the finished ones are printed before.
    """
    card = request.card()
    comparing, left_out = comparison_spec.expand_all(request.comparison(card))
    for reason in dict.fromkeys(left_out.values()):
        names = ", ".join(name for name, why in left_out.items() if why == reason)
        note(f"Left out: {names}. {reason}")
    check_answers(comparing.references, card, comparing.train)
    plan = comparison.plan(comparing)
    note(f"Comparison {plan.id}: {plan.title}, {len(plan.steps)} runs")
    _note_costs(plan, card, comparing)
    note_launch([step.recipe for step in plan.steps], request.device)
    note(_power(comparing, plan, request.smallest_difference).words)
    jobs.submit_plan(plan, request.device)
    wait_for(plan.steps, keep_going=True)
    _print(request, card, plan, left_out)
    missing = comparison_results.unfinished(plan)
    if missing:
        names = ", ".join(dict.fromkeys(entry["method"] for entry in missing))
        raise SparseKDError(f"Not finished: {names}. {missing[0]['reason']}")


def _note_costs(plan: Plan, card: TaskCard, comparing: ComparisonSpec) -> None:
    """Print what starts and what each variant costs for one seed, before it starts."""
    examples = training_cost.training_examples(card, None)
    one = training_cost.training_cost(examples, comparing.train)
    costs = variant_costs(plan, one.steps if one else None).dropna(axis="columns", how="all")
    each = "seed and teacher" if comparing.fine_tunings > 1 else "seed"
    note(f"{plan_launch(plan).what}. For each {each}:")
    note(table_text(costs, "{:g}"))


def _power(spec: ComparisonSpec, plan: Plan, smallest: float) -> Power:
    comparisons = len(comparison_results.variants(plan)) - 1
    return before_launch(
        spec.task,
        spec.teachers[0],
        spec.train.labelled,
        len(spec.seeds),
        comparisons,
        smallest,
        spec.fine_tunings,
    )


def _default_teachers(card: TaskCard) -> tuple[str, ...]:
    """Return the demo teachers of a demo task."""
    if card.origin != "demo":
        raise BadInput(
            f"{card.name} needs a teacher.",
            "Name a fine-tuning run, a local folder or a hub id with --teacher.",
        )
    return tuple(DEMO_CHECKPOINTS)


def _origin(teacher: Recipe | str) -> str:
    """Return the checkpoint that the first teacher was fine-tuned from.

    Raises:
        BadInput: the first teacher is sparse, a student, or answers: no student starts from it.
    """
    if isinstance(teacher, str):
        raise BadInput(
            f"The first teacher is {teacher.split('#')[0]}, which has no layers.",
            "Name a dense one first: students start from its layers.",
        )
    if teacher.stage != "finetune":
        raise BadInput(
            f"The first teacher ({teacher.run_id}) is not a fine-tuned one.",
            "Name a dense one first: students start from its layers.",
        )
    return references.origin(teacher.inputs["checkpoint"])


def changes(words: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return METHOD.PARAMETER=VALUE words as parameters by method."""
    values: dict[str, dict[str, Any]] = {}
    for word in words:
        place, equals, value = word.partition("=")
        method, dot, name = place.rpartition(".")
        if not (equals and dot):
            raise BadInput(f"--set {word!r} is not METHOD.PARAMETER=VALUE.", "vanilla.alpha=0.7")
        values.setdefault(method, {})[name.replace("-", "_")] = value
    return values


def tried_values(words: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return PARAMETER=A,B words as values by parameter."""
    values: dict[str, tuple[str, ...]] = {}
    for word in words:
        name, equals, listed = word.partition("=")
        name = name.replace("-", "_")
        if not (name and equals):
            raise BadInput(f"--tune {word!r} is not PARAMETER=A,B.", "learning_rate=3e-5,1e-4")
        if name in values:
            raise BadInput(f"{name} is tuned twice.", "Give all its values at once.")
        values[name] = tuple(split(listed))
    return values


def _print(request: CompareRequest, card: TaskCard, plan: Plan, left_out: dict[str, str]) -> None:
    frame = results.study_frame(plan)
    metric, split = card.metrics[0], card.validation[0]
    roles = comparison_results.variants(plan)
    summary = results.summary(frame[frame["role"].isin(roles)], split, metric)
    baseline = comparison_results.baseline(roles)
    opponents = dict.fromkeys([baseline, *comparison_results.BASELINES])
    against = {
        name: comparison_results.differences(frame, split, metric, name, roles)
        for name in opponents
        if name in roles
    }
    answers = [ModelAnswers(part, card, split) for part in parts(plan)]
    tuned = {teacher_seed(each.plan): each for each in tuning.tunings(plan)}
    by_teacher = results.teacher_means(frame, split, metric)
    usual = majority.plan_facts(plan, split, metric, results.summary(frame, split, metric))
    below = majority_lines(usual, metric)
    if not request.as_json:
        summary = summary.merge(by_teacher, on="role", how="left")
        _print_text(summary, against, plan, f"{metric} on {split}", below)
        for seed, each in tuned.items():
            _print_teacher(seed, len(answers))
            _print_tuning(each)
        for each in answers:
            _print_teacher(teacher_seed(each.plan), len(answers))
            print_answers(each)
        return
    differences = {name: rows.to_dict("records") for name, rows in against.items()}
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
            "teacher_means": by_teacher.to_dict("records"),
            **usual,
            "costs": comparison_results.costs(plan).to_dict("records"),
            "baseline": baseline,
            "differences": differences,
            "tuning": [
                {"teacher_seed": seed, **row}
                for seed, each in tuned.items()
                for row in each.table().to_dict("records")
            ],
            "tuning_notes": list(
                dict.fromkeys(words for each in tuned.values() for words in tuning.notes(each))
            ),
            **answers[0].facts(),
            "other_teachers": [
                {"teacher_seed": teacher_seed(each.plan), **each.facts()} for each in answers[1:]
            ],
            "left_out": [{"method": name, "reason": why} for name, why in left_out.items()],
            "unfinished": comparison_results.unfinished(plan),
        }
    )


def _print_text(
    summary: pd.DataFrame, against: dict[str, pd.DataFrame], plan: Plan, what: str, below: str
) -> None:
    spent = comparison_results.costs(plan).drop(columns=["what", "seconds", "seeds"])
    columns = ["role", "mean", "low", "high", "seeds", "seconds"]
    table = summary[[*columns, *results.teacher_columns(summary)]].merge(
        spent, on="role", how="left"
    )
    print(f"\n{what}, which chose nothing (mean, 95% interval):")
    print(table_text(table, "{:.4g}"))
    print(below, end="\n" if below else "")
    for place, (name, verdicts) in enumerate(against.items()):
        status = "exploratory, " if place else ""
        if len(verdicts):
            print(f"\nAgainst {name}, {status}paired over seeds:")
            print(verdict_table(verdicts, "role"))
            if not place:
                print(scope_in_words(verdicts))


def _print_teacher(seed: int, teachers: int) -> None:
    """Print which of several teachers the following is about."""
    if teachers > 1:
        print(f"\n--- The teacher of seed {seed} ---")


def _print_tuning(found: tuning.Tuning) -> None:
    """Print every setting that was tried, and what limits the choice."""
    table = found.table()
    table["chosen"] = ["*" if chosen else "" for chosen in table["chosen"]]
    print(f"\nTuning: mean {found.criterion} on the selection split, which is not reported")
    print("(*: the chosen setting, which is reported above):")
    print(table_text(table[["role", "setting", "selected", "seeds", "chosen"]], "{:.4g}"))
    for sentence in tuning.notes(found):
        print(sentence)
