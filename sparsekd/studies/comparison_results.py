"""How the ways of a comparison stand: rows, what each cost, paired differences with verdicts."""

from typing import Any

import numpy as np
import pandas as pd

from sparsekd.runs import store
from sparsekd.runs.records import Plan, Run, State, Step
from sparsekd.studies import results, roles, stats

BASELINES = ("vanilla", "fine_tuning")
ALPHA = 1 - stats.CONFIDENCE


def rows(plan: Plan) -> list[dict[str, Any]]:
    """One row per finished student that is compared and reported split, in the plan's order.

    `steps` are the student's own optimiser steps, `extra_steps` those of its training episodes
    and of the students made on the way to it (a trial student, an assistant), `extra_seconds`
    likewise; what teachers cost that are shared by all is not in them.
    """
    runs = store.several(step.recipe.run_id for step in plan.steps)
    part = {step.recipe.run_id: step.role for step in plan.steps}
    return [
        {
            "method": step.role,
            "title": roles.title(step.role),
            "seed": step.seed,
            "split": split,
            "metrics": metrics,
            "teachers": _teachers(step, part),
            "run": step.recipe.run_id,
        }
        | spent(runs[step.recipe.run_id], runs)
        for step in plan.steps
        if roles.competes(step.role) and _done(runs.get(step.recipe.run_id))
        for split, metrics in runs[step.recipe.run_id].outcome.metrics.items()
        if split != "selection"
    ]


def _done(run: Run | None) -> bool:
    return run is not None and run.state is State.DONE


def _teachers(step: Step, part: dict[str, str]) -> list[str]:
    """The roles of a student's teachers; none where it learns from the gold labels alone."""
    if step.recipe.method == "fine_tuning":
        return []
    return [part.get(name, name) for name in step.recipe.teachers]


def spent(run: Run, runs: dict[str, Run]) -> dict[str, Any]:
    """What a student cost: itself, and what was made for it alone."""
    facts = run.outcome.facts
    before = [runs[name] for name in _on_the_way(run, runs)]
    students = [other.outcome for other in before if other.recipe.stage == "distil"]
    return {
        "steps": facts.get("steps", 0),
        "extra_steps": sum(each.episode_steps for each in (run.outcome, *students))
        + sum(each.facts.get("steps", 0) for each in students),
        "tries": 1,
        "seconds": round(run.seconds, 3),
        "extra_seconds": round(sum(other.seconds for other in before), 3),
        "held_out_passes": facts.get("held_out_passes", 0),
        "parameters": facts.get("parameters", 0),
    }


def _on_the_way(run: Run, runs: dict[str, Run]) -> set[str]:
    """The runs of the plan that this one needs, teachers that were fine-tuned left out."""
    found: set[str] = set()
    waiting = [run.id]
    while waiting:
        for name in runs[waiting.pop()].recipe.needs:
            if name in runs and name not in found and runs[name].recipe.stage != "finetune":
                found.add(name)
                waiting.append(name)
    return found


def costs(plan: Plan) -> pd.DataFrame:
    """Per way, mean over its finished seeds: what it cost; columns role, what, seeds, steps …"""
    found = pd.DataFrame(rows(plan))
    names = ["steps", "extra_steps", "tries", "seconds", "extra_seconds", "held_out_passes"]
    if found.empty:
        return pd.DataFrame(columns=["role", "what", "seeds", *names])
    found = found.drop_duplicates("run").rename(columns={"method": "role", "title": "what"})
    grouped = found.groupby(["role", "what"], sort=False)
    return grouped[names].mean().assign(seeds=grouped.size()).reset_index()


def teachers(plan: Plan) -> list[dict[str, Any]]:
    """The fine-tuned teachers: role, run, checkpoint, metrics by split, seconds."""
    runs = store.several(step.recipe.run_id for step in plan.steps)
    return [
        {
            "role": step.role,
            "run": step.recipe.run_id,
            "checkpoint": step.recipe.inputs.get("checkpoint", "").split("#")[0],
            "metrics": runs[step.recipe.run_id].outcome.metrics,
            "seconds": round(runs[step.recipe.run_id].seconds, 3),
        }
        for step in plan.steps
        if roles.teaches(step.role) and _done(runs.get(step.recipe.run_id))
    ]


def unfinished(plan: Plan) -> list[dict[str, Any]]:
    """The compared students that are not there, and the reason where one is known."""
    runs = store.several(step.recipe.run_id for step in plan.steps)
    return [
        {"method": step.role, "seed": step.seed, "run": step.recipe.run_id}
        | {"reason": _reason(runs.get(step.recipe.run_id), runs)}
        for step in plan.steps
        if roles.competes(step.role) and not _done(runs.get(step.recipe.run_id))
    ]


def _reason(run: Run | None, runs: dict[str, Run]) -> str:
    if run is None:
        return "It was not asked for yet, or has been deleted."
    words = f"{run.outcome.message} {run.outcome.hint}".strip()
    if run.state is not State.QUEUED:
        return words or f"It is {run.state.value}."
    waits = [runs[name] for name in run.recipe.needs if name in runs and not _done(runs[name])]
    return _reason(waits[0], runs) if waits else "It waits for its turn."


# --- verdicts --------------------------------------------------------------------------------


def compared(plan: Plan) -> list[str]:
    """The ways of a comparison, in its order, whether or not they are finished."""
    return list(dict.fromkeys(step.role for step in plan.steps if roles.competes(step.role)))


def confidence(ways: int) -> float:
    """The confidence of each interval where all `ways` must hold together with 95 %.

    Source: Bonferroni's inequality; Dunn, Journal of the American Statistical Association, 1961.
    """
    return 1 - ALPHA / max(1, ways)


def differences(
    values: pd.DataFrame, split: str, metric: str, against: str, ways: list[str]
) -> pd.DataFrame:
    """Each way against one of them, paired over seeds: difference, widened interval, verdict.

    The interval is as wide as the number of `ways` demands, finished or not, so that looking at
    fewer of them, or earlier, makes nothing significant.
    """
    chosen = values[(values["split"] == split) & (values["metric"] == metric)]
    by_seed = chosen.pivot_table(index="seed", columns="role", values="value")
    others = [way for way in ways if way != against]
    level = confidence(len(others))
    found = [
        {"role": way, "what": roles.title(way)}
        | _paired(by_seed[[way, against]].dropna(), level, metric == "loss")
        for way in others
        if {way, against} <= set(by_seed.columns)
    ]
    names = ["role", "what", "difference", "low", "high", "seeds", "wins", "confidence", "verdict"]
    return pd.DataFrame(found, columns=names)


def _paired(pairs: pd.DataFrame, level: float, lower_is_better: bool) -> dict[str, Any]:
    """Shapes: pairs (seeds, 2)."""
    gaps = (pairs.iloc[:, 0] - pairs.iloc[:, 1]).to_numpy()
    low, high = stats.interval(gaps, level)
    return {
        "difference": float(np.mean(gaps)) if len(gaps) else float("nan"),
        "low": low,
        "high": high,
        "seeds": len(gaps),
        "wins": int((gaps < 0 if lower_is_better else gaps > 0).sum()),
        "confidence": level,
        "verdict": results.verdict(gaps, lower_is_better, level),
    }
