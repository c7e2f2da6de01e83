"""The command `runs`: list, show, cancel, resume, delete."""

from argparse import Namespace

from sparsekd.cli.follow import follow
from sparsekd.cli.telling import run_facts, tell
from sparsekd.errors import BadInput
from sparsekd.runs import jobs, store, tables
from sparsekd.runs.records import UNFINISHED, Run, Step


def runs(args: Namespace) -> None:
    """List, show, cancel, resume or delete runs."""
    {
        "list": _list,
        "show": _show,
        "cancel": _cancel,
        "resume": _resume,
        "delete": _delete,
    }[args.action](args)


def _list(args: Namespace) -> None:
    found = store.runs()
    table = tables.runs_table(found)[["state", "stage", "what", "task", "seed", "seconds"]]
    words = table.to_string() if found else "No runs yet."
    tell(args, [run_facts(run) for run in found], words)


def _show(args: Namespace) -> None:
    run = store.get(args.id)
    lines = [
        f"{name}: {value}" for name, value in run_facts(run).items() if value not in ("", None)
    ]
    tell(args, run_facts(run), "\n".join(lines))


def _cancel(args: Namespace) -> None:
    if args.id:
        _tell_run(args, jobs.cancel(args.id))
        return
    asked = store.runs(states=UNFINISHED)
    if args.study:
        part = {step.recipe.run_id for step in store.plan(args.study).steps}
        asked = [run for run in asked if run.id in part]
    elif not args.all:
        raise BadInput("Nothing is named.", "Give a run's id, --study ID or --all.")
    jobs.cancel_all(asked)
    words = f"{len(asked)} runs are asked to stop; what is finished stays."
    tell(args, {"cancelled": [run.id for run in asked]}, words)


def _resume(args: Namespace) -> None:
    if args.study:
        plan = store.plan(args.study)
        jobs.submit_plan(plan)
        if args.wait:
            follow(plan.steps, whole=True)
        tell(args, {"study": plan.id}, f"Study {plan.id} goes on with what is missing.")
        return
    if not args.id:
        raise BadInput("Nothing is named.", "Give a run's id or --study ID.")
    run = jobs.resume(args.id)
    if args.wait:
        run = follow([Step(run.recipe.stage, run.recipe)])[run.id]
    _tell_run(args, run)


def _delete(args: Namespace) -> None:
    run = store.get(args.id)
    store.delete(run.id)
    tell(args, {"id": run.id, "deleted": True}, f"Run {run.id} is deleted.")


def _tell_run(args: Namespace, run: Run) -> None:
    tell(args, run_facts(run), f"Run {run.id} is {run.state}.")
