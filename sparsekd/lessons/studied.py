"""What a view shows: its study, and the results and runs of that, in the store that is read."""

from sparsekd.errors import NotFound, unknown
from sparsekd.lessons import views
from sparsekd.runs import ablations, store
from sparsekd.runs.records import Plan, Run, State
from sparsekd.studies import sample as sample_study
from sparsekd.studies.study_metric import StudyMetric, default_metric
from sparsekd.studies.sweeps import label_axes, label_results
from sparsekd.studies.sweeps.label_results import LabelStudy


def study(view: views.View) -> Plan:
    """Return the study that a view shows; of a family the first.

    Raises:
        NotFound: there is none of this name or id.
    """
    named = {name: plans[0].id for name, plans in sample_study.studies().items()}
    wanted = named.get(view.study, view.study)
    found = next((plan for plan in store.plans() if wanted and plan.id.startswith(wanted)), None)
    if found is None:
        raise unknown("study", view.study, [*named, *(plan.id for plan in store.plans())])
    return found


def family(plan: Plan) -> LabelStudy:
    """Return the results of the studies that differ from a study in labels or noise alone."""
    known = store.plans()
    for plans in sample_study.studies().values():
        names = {each.id for each in plans}
        if plan.id in names:
            return label_results.label_study([each for each in known if each.id in names])
    return label_results.label_study(label_axes.family(plan, known))


def metric(plan: Plan, seeds: int | None = None) -> StudyMetric:
    """Return the task's first metric of a study, of its first seeds alone where they are counted.

    Raises:
        NotFound: nothing of it is finished.
    """
    found = default_metric(plan)
    if found is None:
        raise unfinished(plan)
    first = sorted(found.frame["seed"].unique())[:seeds]
    return StudyMetric(
        found.frame[found.frame["seed"].isin(first)], found.split, found.metric, plan
    )


def scores(plan: Plan) -> Run:
    """Return the first scores of a study.

    Raises:
        NotFound: they are not finished, or it has none.
    """
    return _first(plan, "scores")


def ablation(scores_run: Run) -> Run:
    """Return the latest ablation of the teacher that was scored.

    Raises:
        NotFound: there is none.
    """
    found = next(iter(ablations.finished(scores_run.recipe.inputs["teacher"]).values()), None)
    if found is None:
        raise NotFound("There is no ablation of this teacher.", "Measure one on the page Explain.")
    return found


def models(view: views.Answers) -> dict[str, Run]:
    """Return the models of a view by role, of the study's first seed.

    Raises:
        NotFound: one is not finished, or is none of the study's.
    """
    plan = study(view)
    return {role: _first(plan, role) for role in view.models}


def unfinished(plan: Plan) -> NotFound:
    """Return the error of a study without results."""
    return NotFound(f"No student of study {plan.id} is finished.", "Finish it first.")


def _first(plan: Plan, role: str) -> Run:
    name = next((step.recipe.run_id for step in plan.steps if step.role == role), "")
    run = store.get_many([name]).get(name)
    if run is None or run.state is not State.DONE:
        raise NotFound(f"Study {plan.id} has no finished {role!r}.", "Name another role or study.")
    return run
