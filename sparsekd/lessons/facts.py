"""Facts of a view: what its numbers are called in a lesson's text and answers.

A fact is a number, a word, or a list; its name says what it is of: `dense_100` is the quality of
the dense teacher's student with 100 labels.
"""

import dataclasses
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import scipy
from numpy.typing import NDArray

from sparsekd.catalog.stage_parameters import MaskParams
from sparsekd.inspector import client, requests
from sparsekd.inspector.protocol import PredictionResponse
from sparsekd.lessons import studied, views
from sparsekd.runs import references
from sparsekd.studies.comparisons import comparison_results
from sparsekd.studies.model_answers import ModelAnswers
from sparsekd.studies.sweeps import sweep_results
from sparsekd.studies.sweeps.sweep_metric import default_sweep_metric
from sparsekd.studies.verdict import BETTER, Verdict
from sparsekd.tasks.predictions import predicted, probabilities
from sparsekd.units import harm, score_tables
from sparsekd.units.ablation import Ablation
from sparsekd.units.ranked_mask import rank_and_build
from sparsekd.units.scores import Scores

Fact = float | str | list[float] | list[str]
Facts = dict[str, Fact]


def facts(view: views.AnyView) -> Facts:
    """Return the facts of a view, from the store that is read.

    Raises:
        NotFound: its study, or one of its models or measurements, is not there.
    """
    return OF[type(view)](view)


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def _word(name: object) -> str:
    """Return a name as part of a fact's."""
    return re.sub(r"\W+", "_", str(name))


def _verdict(name: object, found: dict[str, Any]) -> Facts:
    """Return a verdict, and its difference in points."""
    facts: Facts = {
        f"verdict_{_word(name)}": found["verdict"],
        f"gap_{_word(name)}": 100 * float(found["difference"]),
        f"size_{_word(name)}": 100 * abs(float(found["difference"])),
    }
    for p in {"p", "p_corrected"} & found.keys():
        facts[f"{p}_{_word(name)}"] = float(found[p])
    return facts


# --- sentences -------------------------------------------------------------------------------


def _answers(view: views.Answers) -> Facts:
    found: Facts = {}
    sureties: dict[str, float] = {}
    card = references.card(studied.study(view).task)
    for role, run in studied.models(view).items():
        response = client.send(requests.prediction(run, (view.text,)), PredictionResponse)
        found[f"{role}_says"] = predicted(card, response.logits)
        if card.kind == "classes":
            for name, logits in (("", response.logits / view.temperature), ("_1", response.logits)):
                shares = probabilities(card.kind, logits)
                found[f"{role}_surety{name}"] = float(shares.max())
                found[f"{role}_rest{name}"] = float(1 - shares.max())
                sureties[role] = float(shares.max())
    if sureties:
        found["surest"] = max(sureties, key=lambda role: sureties[role])
    return found


# --- heads and neurons -----------------------------------------------------------------------


def _names(chosen: NDArray[np.bool_]) -> list[str]:
    """Return the chosen heads as "layer.head", from 1. Shapes: chosen (L, H)."""
    return [f"{layer + 1}.{head + 1}" for layer, head in np.argwhere(chosen)]


def _lowest(values: NDArray[Any], count: int) -> NDArray[np.bool_]:
    """Return which are the lowest values. Shapes: values (L, H) -> (L, H)."""
    found = np.zeros(values.size, dtype=bool)
    found[np.argsort(values, axis=None, kind="stable")[:count]] = True
    return found.reshape(values.shape)


def _mask(view: views.Scores | views.Pad | views.Ablation) -> Facts:
    run = studied.scores(studied.study(view))
    scores = Scores.load(run.folder / "scores.npz")
    mask = rank_and_build(scores, MaskParams(lam=view.lam, sparsity=view.sparsity)).mask
    by_student, by_teacher = (
        rank_and_build(scores, MaskParams(lam=lam, sparsity=view.sparsity)).mask for lam in (0, 1)
    )
    maps, _ = score_tables.matrices(scores, view.lam, "layer")
    return {
        "removed_heads": _names(~mask.heads),
        "heads_removed": float((~mask.heads).sum()),
        "neurons_removed": float((~mask.neurons).sum()),
        "heads": float(mask.heads.size),
        "neurons": float(mask.neurons.size),
        "exchanged_heads": str((by_student.heads & ~by_teacher.heads).sum()),
        "exchanged_neurons": float((by_student.neurons & ~by_teacher.neurons).sum()),
        "highest_layer": str(int(maps["E"].max(axis=1).argmax()) + 1),
        "likeness": float(scipy.stats.spearmanr(maps["E"].ravel(), maps["F"].ravel()).statistic),
    }


def _ablation(view: views.Ablation) -> Facts:
    known = _mask(view)
    run = studied.ablation(studied.scores(studied.study(view)))
    harms = harm.harms(Ablation.load(run.folder / "ablation.npz"), "head", "task_loss")
    removed = known["removed_heads"]
    names = removed if isinstance(removed, list) else []
    harmless = _names(_lowest(harms, len(names)))
    return known | {
        "harmless_heads": harmless,
        "shared": str(sum(name in names for name in harmless)),
        "worst_heads": _names(_lowest(-harms, 1)),
        "worst_harm": float(harms.max()),
        "least_harm": float(harms.min()),
    }


# --- studies ---------------------------------------------------------------------------------


def _labels(view: views.Labels) -> Facts:
    found: Facts = {}
    results = studied.family(studied.study(view))
    table = results.table()
    by_noise = table["noise"].nunique() > 1

    def place(row: dict[str, Any]) -> str:
        if by_noise:
            return f"{100 * row['noise']:.0f}"
        return "all" if np.isinf(row["labels"]) else f"{row['labels']:.0f}"

    for row in _rows(table):
        found[f"{row['kind']}_{place(row)}"] = row["mean"]
        if isinstance(row["verdict"], str):
            found |= _verdict(f"{row['kind']}_{place(row)}", row)
    for kind, rows in table.groupby("kind", sort=False):
        found[f"{kind}_curve"] = [float(value) for value in rows["mean"]]
    teachers = {f"teacher_{place(row)}": row["value"] for row in _rows(results.teachers)}
    return found | teachers


def _study(view: views.Verdict) -> Facts:
    of = studied.metric(studied.study(view), view.seeds)
    found: Facts = {f"{row['role']}_mean": row["mean"] for row in _rows(of.summary())}
    for row in _rows(of.control_verdicts()):
        found |= _verdict(row["control"], row)
    return found


def _trade_offs(view: views.TradeOffs | views.Choices) -> Facts:
    plan = studied.study(view)
    students = sweep_results.students(plan)
    of = default_sweep_metric(plan, students)
    if of is None:
        raise studied.unfinished(plan)
    table = sweep_results.curve(students, sweep_results.teachers(plan), of.split, of.metric)
    found: Facts = {}
    for row in _rows(table):
        shares = [100 * row[name] for name in ("lam", "sparsity") if row[name] == row[name]]
        name = "_".join([row["ranking"], *(f"{share:.0f}" for share in shares)])
        found[name] = row["mean"]
        if row["teacher_mean"] == row["teacher_mean"]:  # a student without soft labels has none
            found[f"teacher_{name}"] = row["teacher_mean"]
            found[f"distance_{name}"] = row["teacher_distance"]
    found |= _curves(table)
    results = sweep_results.conclusions(students, of.split, of.metric)[of.method]
    for kind, one in results.choices.items():
        found[f"reported_{kind}"] = one.reported
    for kind, verdict in results.verdicts.items():
        found |= _of_verdict(kind, verdict)
    ours = results.choices.get("scores")
    if ours is not None:
        own: Facts = {"claimed": ours.claimed, "optimism": 100 * ours.optimism}
        own |= {"luck": 100 * ours.luck, "chosen_sparsity": ours.sparsity, "chosen_lam": ours.lam}
        found |= own | {"tries": float(ours.tries)}
    return found


def _of_verdict(kind: str, verdict: Verdict) -> Facts:
    return _verdict(kind, dataclasses.asdict(verdict))


def _curves(table: pd.DataFrame) -> Facts:
    """Return quality by rising sparsity for each λ: from the dense teacher on, and without it."""
    found: Facts = {}
    columns = {
        "curve": "mean",
        "teacher_curve": "teacher_mean",
        "distance_curve": "teacher_distance",
    }
    dense = table[table["ranking"] == "dense"]
    for lam in table.loc[table["ranking"] == "scores", "lam"].unique():
        own = table[(table["ranking"] == "scores") & (table["lam"] == lam)]
        rows = pd.concat([dense, own.sort_values("sparsity")])
        for name, column in columns.items():
            values = [float(value) for value in rows[column]]
            found[f"{name}_{100 * lam:.0f}"] = values
            found[f"{name.replace('curve', 'removed')}_{100 * lam:.0f}"] = values[len(dense) :]
    return found


def _classes(view: views.Classes) -> Facts:
    plan = studied.study(view)
    answers = ModelAnswers(plan, references.card(plan.task), studied.metric(plan).split)
    if not answers.transitions:
        raise studied.unfinished(plan)
    changes = _rows(answers.changes(answers.transitions[0]))
    found: Facts = {f"change_{_word(row['label'])}": 100 * row["difference"] for row in changes}
    lowest = min(changes, key=lambda row: row["difference"])
    return found | {"loses_most": _word(lowest["label"])}


def _methods(view: views.Methods) -> Facts:
    plan = studied.study(view)
    of, variants = studied.metric(plan), comparison_results.variants(plan)
    found: Facts = {_word(row["role"]): row["mean"] for row in _rows(of.summary())}
    against = comparison_results.baseline(variants)
    gaps = comparison_results.differences(of.frame, of.split, of.metric, against, variants)
    for row in _rows(gaps):
        found |= _verdict(row["role"], row)
    better = gaps[gaps["verdict"] == BETTER].sort_values("difference", ascending=False)
    return found | {"best": _word(better["role"].iloc[0]) if len(better) else "none"}


OF: dict[type[views.View], Callable[[Any], Facts]] = {
    views.Answers: _answers,
    views.Labels: _labels,
    views.Scores: _mask,
    views.Pad: _mask,
    views.Ablation: _ablation,
    views.Verdict: _study,
    views.TradeOffs: _trade_offs,
    views.Choices: _trade_offs,
    views.Classes: _classes,
    views.Methods: _methods,
}
