"""The command `study`: the whole StarK study with its controls."""

from pydantic import Field

from sparsekd.catalog.methods import METHODS, find
from sparsekd.catalog.stage_parameters import MaskParams, ScoreParams
from sparsekd.cli.answers import print_answers
from sparsekd.cli.models import start_checkpoint, student_values
from sparsekd.cli.options import (
    DeviceRequest,
    Mask,
    MethodParams,
    Score,
    SeedsRequest,
    Student,
    TeacherTrain,
    Train,
)
from sparsekd.cli.output import majority_lines, note, print_json, table_text, verdict_table
from sparsekd.cli.progress import note_launch, wait_for
from sparsekd.cli.tasks import TaskRequest
from sparsekd.runs import jobs, references
from sparsekd.runs.records import Plan
from sparsekd.studies import majority, recipes, results, stark
from sparsekd.studies.model_answers import ModelAnswers
from sparsekd.tasks import TaskCard

METHOD_HELP = ", ".join(METHODS)


class StudyRequest(SeedsRequest, DeviceRequest, TaskRequest):
    """One StarK study."""

    teacher: str | None = Field(None, description="fine-tuning run, local checkpoint or hub id")
    method: str = Field("vanilla", description=METHOD_HELP)
    student: Student = Field({})
    mask: Mask = Field({})
    method_params: MethodParams = Field({})
    train: Train = Field({})
    teacher_train: TeacherTrain = Field({})
    score: Score = Field({})

    def study(self, card: TaskCard) -> stark.StudySpec:
        """Return the study that is asked for."""
        checkpoint = start_checkpoint(self.teacher, card)
        teacher, students, student = recipes.defaults(references.origin(checkpoint))
        method = find(self.method)
        return stark.StudySpec(
            task=card.name,
            checkpoint=checkpoint,
            teacher=recipes.teacher_training(teacher, self.train, self.teacher_train),
            train=students.changed(dict(self.train)),
            student=student.changed(student_values(self.student)),
            method=method.name,
            method_params=method.params.of(dict(self.method_params)),
            score=ScoreParams.of(dict(self.score)),
            mask=MaskParams.of(dict(self.mask)),
            seeds=self.chosen_seeds(1),
            finetuned=references.finetuned(self.teacher) if self.teacher else None,
        )


def study(request: StudyRequest) -> None:
    """Run a StarK study: teacher, trial student, scores, sparse teacher, student, controls."""
    card = request.card()
    plan = stark.plan(request.study(card))
    note(f"Study {plan.id}: {plan.title}, {len(plan.steps)} runs")
    note_launch([step.recipe for step in plan.steps], request.device)
    jobs.submit_plan(plan, request.device)
    wait_for(plan.steps)
    _print(request, card, plan)


def _print(request: StudyRequest, card: TaskCard, plan: Plan) -> None:
    frame = results.study_frame(plan)
    metric, split = card.metrics[0], card.validation[0]
    summary = results.summary(frame, split, metric)
    comparisons = results.comparisons(frame, split, metric)
    answers = ModelAnswers(plan, card, split)
    usual = majority.plan_facts(plan, split, metric, summary)
    below = majority_lines(usual, metric)
    if request.as_json:
        print_json(
            {
                "study": plan.id,
                "title": plan.title,
                "task": card.name,
                "rows": results.study_rows(plan),
                "summary": summary.to_dict("records"),
                **usual,
                "comparisons": comparisons.to_dict("records"),
                **answers.facts(),
            }
        )
        return
    columns = ["what", "mean", "low", "high", "seeds", "parameters", "seconds"]
    print(f"\n{metric} on {split}, which chose nothing (mean, 95% interval over seeds):")
    print(table_text(summary[columns]))
    print(below, end="\n" if below else "")
    print("\nStudent of the sparse teacher against, paired over seeds (Holm's correction):")
    print(verdict_table(comparisons, "what"))
    print_answers(answers)
