"""The command `runs`: list, show, cancel, resume, delete, recover."""

from dataclasses import asdict
from typing import Annotated

from pydantic import Field

from sparsekd.cli.options import Option, Request
from sparsekd.cli.output import note, output, run_facts
from sparsekd.cli.progress import wait_for
from sparsekd.errors import BadInput
from sparsekd.runs import jobs, recovery, store, tables
from sparsekd.runs.records import UNFINISHED, Run, Step
from sparsekd.runs.recovery import Recovery
from sparsekd.studies import by_hand
from sparsekd.system.wording import counted

ID_HELP = "id of a run, or its first letters"


class RunRequest(Request):
    """One run."""

    id: Annotated[str, Option("<id>")] = Field(description=ID_HELP)


class SeveralRequest(Request):
    """One run, or all runs of a study."""

    id: Annotated[str, Option("<id>", {"nargs": "?"})] = Field("", description=ID_HELP)
    study: str | None = Field(None, description="a study's id: all its runs")


class CancelRequest(SeveralRequest):
    """The runs to stop."""

    all: bool = Field(False, description="every unfinished run")


class ResumeRequest(SeveralRequest):
    """The runs to resume."""

    wait: bool = Field(False, description="show progress until they end")


def list_(request: Request) -> None:
    """List all runs."""
    runs = store.runs()
    table = tables.runs_table(runs)[["state", "stage", "what", "task", "seed", "seconds"]]
    text = table.to_string() if runs else "No runs yet."
    output(request, [run_facts(run) for run in runs], text)


def show(request: RunRequest) -> None:
    """Show one run."""
    run = store.get(request.id)
    lines = [
        f"{name}: {value}" for name, value in run_facts(run).items() if value not in ("", None)
    ]
    output(request, run_facts(run), "\n".join(lines))


def cancel(request: CancelRequest) -> None:
    """Stop runs; what is finished stays."""
    if request.id:
        _output_run(request, jobs.cancel(request.id))
        return
    runs = store.runs(states=UNFINISHED)
    if request.study:
        ids = {step.recipe.run_id for step in by_hand.plan(request.study).steps}
        runs = [run for run in runs if run.id in ids]
    elif not request.all:
        raise BadInput("No run is named.", "Give a run's id, --study ID or --all.")
    jobs.cancel_all(runs)
    text = f"Stopping {len(runs)} runs; what is finished stays."
    output(request, {"cancelled": [run.id for run in runs]}, text)


def resume(request: ResumeRequest) -> None:
    """Resume a run, or what is missing of a study."""
    if request.study:
        plan = by_hand.plan(request.study)
        jobs.submit_plan(plan)
        if request.wait:
            wait_for(plan.steps, keep_going=True)
        output(request, {"study": plan.id}, f"Study {plan.id}: what is missing is queued.")
        return
    if not request.id:
        raise BadInput("No run is named.", "Give a run's id or --study ID.")
    run = jobs.resume(request.id)
    if request.wait:
        run = wait_for([Step(run.recipe.stage, run.recipe)])[run.id]
    _output_run(request, run)


def delete(request: RunRequest) -> None:
    """Delete a run and its files."""
    run = store.get(request.id)
    store.delete(run.id)
    output(request, {"id": run.id, "deleted": True}, f"Run {run.id} is deleted.")


def recover(request: Request) -> None:
    """Rebuild a lost or broken catalogue from the run folders; finished runs come back."""
    found = recovery.recover()
    for line in found.lost:
        note(f"Not recovered: {line}")
    words = [f"The broken catalogue is now {found.moved}."] if found.moved else []
    counts = (counted(len(names), one) for names, one in _kinds(found))
    words.append(f"Recovered: {', '.join(counts)}.")
    output(request, asdict(found), " ".join(words))


def _kinds(found: Recovery) -> tuple[tuple[list[str], str], ...]:
    return (found.runs, "run"), (found.plans, "study"), (found.tasks, "local task")


def _output_run(request: Request, run: Run) -> None:
    output(request, run_facts(run), f"Run {run.id} is {run.state}.")
