"""The commands that examine a mask: `fidelity`, `explain-unit`, `masks`."""

from itertools import combinations
from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import Field

from sparsekd.catalog import rankings
from sparsekd.catalog.stage_parameters import MaskParams
from sparsekd.cli.models import file_of
from sparsekd.cli.options import Given, Group, Option, Repeated, Request
from sparsekd.cli.output import note, output, table_text
from sparsekd.errors import BadInput, NotFound
from sparsekd.runs import references
from sparsekd.units import explain, explain_words, harm, overlap
from sparsekd.units.ablation import Ablation
from sparsekd.units.fidelity import (
    RESAMPLES,
    TOP,
    Ranks,
    all_rankings,
    rankings_of,
    table,
)
from sparsekd.units.masking import Mask
from sparsekd.units.rank_statistics import STATISTICS
from sparsekd.units.scores import Scores

SCORES_HELP = "scores.npz from `score`, or the id of a scoring run"
ABLATION_HELP = "ablation.npz from `ablate`, or the id of an ablation run"


class FidelityRequest(Request):
    """Scores, and the ablation that they are compared with."""

    scores: str = Field(description=SCORES_HELP)
    ablation: str = Field(description=ABLATION_HELP)
    teacher: str | None = Field(
        None, description="teacher whose weights are ranked too (default: the ablated one)"
    )
    more: Annotated[
        tuple[str, ...],
        Option(arguments={"nargs": "+", "action": "extend", "metavar": "NAME=FILE"}),
    ] = Field((), description="other scores, such as `attribute` writes: a file or a run id")
    lam: Annotated[tuple[float, ...], Option(arguments={"nargs": "+", "type": float})] = Field(
        (0.5,), description="λ of K"
    )
    units: Literal["head", "group", "neuron"] = Field(
        "head", description="heads, groups of neurons, or the single neurons that were ablated"
    )
    top: float = Field(TOP, description="share of the units that is the top")
    compared: Literal["harm", "size"] = Field(
        "harm", description="whether removal hurts, or whether it changes anything"
    )
    normalise: Literal["layer", "none"] = Field("layer", description="normalisation of E and F")
    seed: int = Field(0, description="seed of the random score and of the intervals")
    resamples: int = Field(RESAMPLES, description="bootstrap resamples, at least 1")


class ExplainUnitRequest(Request):
    """One head or one neuron."""

    scores: str = Field(description=SCORES_HELP)
    layer: int = Field(description="0 is next to the embeddings")
    head: int | None = Field(None, description="from 0")
    neuron: int | None = Field(None, description="from 0")
    ablation: str | None = Field(None, description=ABLATION_HELP)
    params: Annotated[Given, Group(MaskParams, without=("kind",))] = Field({})

    def unit(self) -> tuple[Literal["head", "neuron"], int]:
        """Return which unit is meant.

        Raises:
            BadInput: none or two are named.
        """
        if self.head is not None and self.neuron is None:
            return "head", self.head
        if self.neuron is not None and self.head is None:
            return "neuron", self.neuron
        raise BadInput("One unit is explained at a time.", "Give either --head or --neuron.")


class MasksRequest(Request):
    """Two masks or more."""

    mask: Annotated[tuple[str, ...], Repeated] = Field(
        description="mask.npz, or the id of a pruning run; twice or more"
    )


def fidelity(request: FidelityRequest) -> None:
    """Compare the order in which scores rank units with what removing each really changes."""
    if request.resamples < 1:
        raise BadInput(f"resamples = {request.resamples} is below 1.", "10,000 is the default.")
    truth = Ablation.load(file_of(request.ablation, "ablate"))
    scores = Scores.load(file_of(request.scores, "score"))
    harm.check_same_teacher(scores.shape, truth)
    weights = _from_weights(request.teacher, truth)
    lams = list(request.lam)
    ranks = all_rankings(scores, lams, weights, request.seed, request.normalise)
    for word in request.more:
        name, path = _named(word)
        ranks |= rankings_of(name, Scores.load(path))
    frame = table(
        ranks,
        truth,
        request.seed,
        request.units,
        request.top,
        request.compared,
        request.resamples,
    )
    facts = {"units": request.units, "compared": request.compared, "ablation": truth.provenance}
    output(request, facts | {"scores": _nested(frame)}, _fidelity_text(frame))


def explain_unit(request: ExplainUnitRequest) -> None:
    """Explain why one head or neuron is kept or removed: ranks, λ spans, effect."""
    unit, index = request.unit()
    truth = Ablation.load(file_of(request.ablation, "ablate")) if request.ablation else None
    params = MaskParams.of(dict(request.params))
    scores = Scores.load(file_of(request.scores, "score", "attribute"))
    explanation = explain.explain(scores, unit, request.layer, index, params, truth)
    text = explain_words.sentence(explanation)
    output(request, explanation.to_json() | {"sentence": text}, text)


def masks(request: MasksRequest) -> None:
    """Compare masks: units kept by both, by one, by none, layer by layer; Jaccard indices."""
    loaded = {text: Mask.load(file_of(text, "prune")) for text in request.mask}
    agreement = overlap.agreement(list(loaded.values()))
    heads, neurons = overlap.stability(list(loaded.values()))
    pairs = {
        (first, second): overlap.compare(loaded[first], loaded[second])
        for first, second in combinations(loaded, 2)
    }
    facts = {
        "masks": list(loaded),
        "pairs": [
            {"first": first, "second": second, "rows": frame.to_dict("records")}
            for (first, second), frame in pairs.items()
        ],
        "agreement": agreement.to_dict("records"),
        "stability": {"heads": heads.tolist(), "neurons": neurons.tolist()},
    }
    output(request, facts, _masks_text(pairs, agreement))


def _from_weights(teacher: str | None, truth: Ablation) -> dict[str, Ranks]:
    """Rank the weights of the named teacher, or of the ablated one; {} if that is gone."""
    known = teacher or truth.provenance.get("inputs", {}).get("teacher")
    try:
        return {} if known is None else _ranked(str(known))
    except (NotFound, BadInput) as gone:  # its files are gone, changed, or were never local
        if teacher:
            raise
        titles = ", ".join(rankings.find(name).title for name in rankings.names("weights"))
        note(f"Not compared: {titles}. {gone.message} Name the teacher with --teacher.")
        return {}


def _ranked(teacher: str) -> dict[str, Ranks]:
    from sparsekd.knowledge.rankings import from_weights
    from sparsekd.models import loading

    model, _ = loading.load_saved(references.folder(references.model(teacher)))
    found = {name: from_weights(name, model) for name in rankings.names("weights")}
    return {
        name: (each.head_expressiveness, each.neuron_expressiveness) for name, each in found.items()
    }


def _named(word: str) -> tuple[str, Path]:
    name, equals, path = word.partition("=")
    if not (name and equals and path):
        raise BadInput(f"--more {word!r} names no score.", "Write name=file.npz.")
    return name, file_of(path, "score", "attribute")


def _nested(frame: pd.DataFrame) -> dict[str, dict[str, dict[str, Any]]]:
    """Return each statistic with its interval, by score and measured quantity."""
    nested: dict[str, dict[str, dict[str, Any]]] = {}
    for row in frame.to_dict("records"):
        values: dict[str, Any] = {name: row[name] for name in STATISTICS}
        values["intervals"] = {
            name: [row[f"{name}_low"], row[f"{name}_high"]] for name in STATISTICS
        }
        values |= {name: row[name] for name in ("units", "top", "by_chance", "verdict")}
        nested.setdefault(str(row["score"]), {})[str(row["truth"])] = values
    return nested


def _fidelity_text(frame: pd.DataFrame) -> str:
    shown = frame.assign(
        **{
            name: [
                f"{row[name]:+.2f} [{row[f'{name}_low']:+.2f}, {row[f'{name}_high']:+.2f}]"
                for _, row in frame.iterrows()
            ]
            for name in STATISTICS
        }
    )
    columns = ["truth", "score", *STATISTICS, "verdict"]
    return table_text(shown[columns])


def _masks_text(pairs: dict[tuple[str, str], pd.DataFrame], agreement: pd.DataFrame) -> str:
    parts = []
    for (first, second), frame in pairs.items():
        shown = frame.assign(layer=frame["layer"].map(lambda layer: "all" if layer < 0 else layer))
        text = table_text(shown, "{:.3f}")
        parts.append(f"{first} and {second}:\n{text}")
    text = table_text(agreement, "{:.3f}")
    return "\n\n".join([*parts, f"All {len(pairs)} pairs together:\n{text}"])
