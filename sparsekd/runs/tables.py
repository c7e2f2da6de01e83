"""Runs as frames, which pages draw and the command line prints."""

from collections.abc import Iterable

import pandas as pd

from sparsekd.catalog import rankings
from sparsekd.catalog.methods import METHODS, trained_as
from sparsekd.catalog.methods import title as title_of
from sparsekd.catalog.stage_parameters import LAYERED, OF_TEACHER
from sparsekd.errors import NotFound
from sparsekd.runs import store
from sparsekd.runs.records import Recipe, Run, State
from sparsekd.system.wording import counted

STAGES = {
    "finetune": "Fine-tuning",
    "distil": "Distillation",
    "baseline": "Baseline",
    "score": "Scoring",
    "prune": "Pruning",
    "probe": "Probing masks",
    "ablate": "Ablation",
    "attribute": "Attribution",
    "export": "Export",
    "measure": "Measuring speed",
}


def title(recipe: Recipe) -> str:
    """Return a run in a few words."""
    params = recipe.params
    match recipe.stage:
        case "finetune":
            return f"Teacher on {recipe.task}{', as it is' if recipe.as_it_is else ''}"
        case "distil":
            student = params["student"]
            size = counted(student["layers"], "layer") if student["choice"] in LAYERED else ""
            source = recipe.inputs["teacher"].split("#")[0]
            words = [f"Student of {source}", student["choice"], size]
            if recipe.method == "fine_tuning":
                words[0] = f"Student with {_untaught(student['choice'])}"
            elif (name := trained_as(recipe.method, params["method"])) != METHODS["vanilla"].title:
                words.insert(0, name)
            words += [f"seed {recipe.seed}", f"attempt {recipe.attempt}" if recipe.attempt else ""]
            return ", ".join(word for word in words if word)
        case "baseline":
            return f"{title_of(recipe.method)}, seed {recipe.seed}"
        case "score":
            return f"Scores of {recipe.inputs['teacher'].split('#')[0]} for its student"
        case "prune":
            mask = params["mask"]
            by_scores = mask["kind"] == "scores"
            how = f"λ {mask['lam']:g}" if by_scores else rankings.phrase(mask["kind"])
            return f"Teacher pruned by {mask['sparsity']:.0%}, {how}"
        case "probe":
            return "Sparsity curve of the masked teacher"
        case "attribute" | "ablate" | "export" | "measure":
            return _about_one_model(recipe)


def _untaught(choice: str) -> str:
    """Return what a student of gold labels alone does without, by its initial weights."""
    return "no soft labels" if choice in (*OF_TEACHER, "pruned") else "no teacher at all"


def _about_one_model(recipe: Recipe) -> str:
    params = recipe.params
    model = (recipe.inputs.get("teacher") or recipe.inputs["model"]).split("#")[0]
    match recipe.stage:
        case "attribute":
            return f"{rankings.title(recipe.variant)} of the units of {model}"
        case "ablate":
            return f"Ablation of {model} on {params['ablate']['split']}"
        case "export":
            return f"{model} as {recipe.variant}"
        case _:
            return f"Speed of {model} on {params['device']}"


def runs_table(runs: Iterable[Run]) -> pd.DataFrame:
    """Return one row per run, by id."""
    rows = [
        {
            "id": run.id,
            "state": str(run.state),
            "stage": run.recipe.stage,
            "what": title(run.recipe),
            "task": run.recipe.task,
            "method": run.recipe.method,
            "seed": run.recipe.seed,
            "device": run.device,
            "share": 1.0 if run.state is State.DONE else run.progress.share,
            "phase": run.progress.phase,
            "seconds": run.seconds,
            "created": pd.Timestamp(run.created, unit="s"),
            "message": f"{run.outcome.message} {run.outcome.hint}".strip(),
        }
        for run in runs
    ]
    columns = [
        *("id", "state", "stage", "what", "task", "method", "seed", "device", "share"),
        *("phase", "seconds", "created", "message"),
    ]
    return pd.DataFrame(rows, columns=columns).set_index("id")


def curves(run_id: str) -> pd.DataFrame:
    """Return logged numbers: columns step, name (``loss/soft``, ``selection/mcc``), value."""
    rows = [(event.step, event.name, event.value) for event in store.events(run_id)]
    return pd.DataFrame(rows, columns=["step", "name", "value"])


def method_values(logged: pd.DataFrame) -> pd.DataFrame:
    """Return what a method logged, named like ``weight/response``: step, kind, name, value."""
    parts = logged["name"].str.split("/", n=1)
    named = logged.assign(kind=parts.str[0], name=parts.str[-1])
    return named[~named["kind"].isin(["loss", "selection"])][["step", "kind", "name", "value"]]


def last_step(run: Run, logged: pd.DataFrame) -> int:
    """Return the last optimiser step that a run has logged, or will take as far as is known."""
    facts = run.outcome.facts
    if "steps" in facts:
        return int(facts["steps"] + run.outcome.episode_steps)
    return max(
        int(logged["step"].max()), run.progress.total if "epoch" in run.progress.phase else 0
    )


def stages(noted: pd.DataFrame, last: int) -> pd.DataFrame:
    """Return stages from the values logged at their beginnings: name, from, to, in steps."""
    begins = noted.sort_values("step").drop_duplicates("step", keep="last")
    ends = [*begins["step"].iloc[1:], max(last, int(begins["step"].max()) + 1)]
    return pd.DataFrame({"name": begins["name"], "from": begins["step"], "to": ends})


def agreement(found: pd.DataFrame) -> pd.DataFrame:
    """Return means of a method's findings by layer: columns measure, layer, when, value."""
    measures = [name for name in found if name not in ("when", "row", "layer", "text")]
    long = found.melt(["when", "layer"], measures, "measure", "value").dropna(subset="value")
    means = long.groupby(["measure", "layer", "when"], sort=False)["value"].mean().reset_index()
    return means.astype({"layer": int})


def instances(found: pd.DataFrame) -> pd.DataFrame:
    """Return one row per example: text, chosen teachers, each teacher's probability and loss."""
    wide = found.pivot(index="row", columns="teacher", values=["probability", "teacher_loss"])
    kinds, teachers = (wide.columns.get_level_values(level) for level in range(2))
    pairs = zip(kinds, teachers, strict=True)
    wide.columns = [f"{_COLUMN[kind]} {teacher}" for kind, teacher in pairs]
    firsts = found.groupby("row")[["text", "label", "student_loss"]].first()
    chosen = found[found["chosen"].astype(bool)].groupby("row")["teacher"]
    taught = chosen.agg(lambda teachers: ", ".join(str(each) for each in teachers))
    return firsts.assign(taught_by=taught).join(wide).reset_index()


_COLUMN = {"probability": "probability of teacher", "teacher_loss": "loss of teacher"}


def findings(run: Run) -> pd.DataFrame:
    """Return a method's findings on some training examples, before and after; may be empty."""
    path = run.folder / "findings.parquet"
    return pd.read_parquet(path) if path.exists() else pd.DataFrame({"when": []})


def probe_table(run: Run) -> pd.DataFrame:
    """Return a probing run's table: ranking, lam, sparsity, metrics, distance, heads, neurons."""
    path = run.folder / "probe.parquet"
    if not path.exists():
        raise NotFound(f"Run {run.id} has left no {path.name}.", "Delete the run and probe again.")
    return pd.read_parquet(path)
