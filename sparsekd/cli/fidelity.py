"""Commands that question a mask: do scores foretell ablation, why does a unit go, who agrees."""

import argparse
from argparse import Namespace
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd

from sparsekd.catalog.stage_parameters import MaskParams
from sparsekd.cli.options import add_params, given
from sparsekd.cli.telling import say, tell
from sparsekd.errors import BadInput, NotFound
from sparsekd.runs import references
from sparsekd.units import explain, explain_words, harm, overlap
from sparsekd.units import fidelity as measures
from sparsekd.units.ablation import Ablation
from sparsekd.units.masking import Mask
from sparsekd.units.scores import Scores


def fidelity(args: Namespace) -> None:
    """How well each score foretells what removing a unit really does."""
    truth, scores = Ablation.load(args.ablation), Scores.load(args.scores)
    harm.check_same_teacher(scores.shape, truth)
    ranks = measures.rankings(
        scores, args.lam, _magnitude(args.teacher, truth), args.seed, args.normalise
    )
    for word in args.more:
        name, path = _named(word)
        ranks |= measures.rankings_of(name, Scores.load(path))
    frame = measures.table(
        ranks, truth, args.seed, args.units, args.top, args.compared, args.resamples
    )
    facts = {"units": args.units, "compared": args.compared, "ablation": truth.provenance}
    tell(args, facts | {"scores": _nested(frame)}, _fidelity_words(frame))


def fidelity_options(command: argparse.ArgumentParser) -> None:
    """What `fidelity` takes."""
    command.add_argument("--scores", type=Path, required=True, help="scores.npz from `score`")
    command.add_argument("--ablation", type=Path, required=True, help="ablation.npz from `ablate`")
    command.add_argument("--teacher", help="for magnitude (default: the one that was ablated)")
    command.add_argument(
        "--more", nargs="+", action="extend", default=[], metavar="NAME=FILE",
        help="scores from elsewhere, such as `attribute` writes",
    )  # fmt: skip
    command.add_argument("--lam", type=float, nargs="+", default=[0.5], help="λ of K")
    command.add_argument(
        "--units", choices=harm.GRANULARITIES, default="head",
        help="heads, groups of neurons, or the single neurons that were ablated",
    )  # fmt: skip
    command.add_argument(
        "--top", type=float, default=measures.TOP, help="share of the units that is the top"
    )
    command.add_argument(
        "--compared", choices=["harm", "size"], default="harm",
        help="whether removal hurts, or whether it changes anything",
    )  # fmt: skip
    command.add_argument("--normalise", choices=["layer", "none"], default="layer")
    command.add_argument("--seed", type=int, default=0, help="of the random score and intervals")
    command.add_argument("--resamples", type=_positive, default=measures.RESAMPLES)


def explain_unit(args: Namespace) -> None:
    """Why one head or neuron goes or stays: ranks, flips, effect."""
    unit, index = ("head", args.head) if args.neuron is None else ("neuron", args.neuron)
    truth = Ablation.load(args.ablation) if args.ablation else None
    params = MaskParams.of(given(args, MaskParams))
    explanation = explain.explain(Scores.load(args.scores), unit, args.layer, index, params, truth)
    words = explain_words.sentence(explanation)
    tell(args, explanation.to_json() | {"sentence": words}, words)


def explain_unit_options(command: argparse.ArgumentParser) -> None:
    """What `explain-unit` takes."""
    command.add_argument("--scores", type=Path, required=True, help="scores.npz from `score`")
    command.add_argument("--layer", type=int, required=True, help="0 is next to the embeddings")
    which = command.add_mutually_exclusive_group(required=True)
    which.add_argument("--head", type=int, help="from 0")
    which.add_argument("--neuron", type=int, help="from 0")
    command.add_argument("--ablation", type=Path, help="ablation.npz from `ablate`")
    add_params(command, MaskParams, without=("kind",))


def masks(args: Namespace) -> None:
    """What masks keep in common, layer by layer, and how often each unit is kept."""
    loaded = {str(path): Mask.load(path) for path in args.mask}
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
    tell(args, facts, _masks_words(pairs, agreement))


def masks_options(command: argparse.ArgumentParser) -> None:
    """What `masks` takes."""
    command.add_argument(
        "--mask", type=Path, action="append", required=True, help="mask.npz; give it twice or more"
    )


# --- shared ----------------------------------------------------------------------------------


def _magnitude(teacher: str | None, truth: Ablation) -> measures.Ranks | None:
    """Weight norms of the teacher named, or of the one that was ablated, if it is still there."""
    known = teacher or truth.provenance.get("inputs", {}).get("teacher")
    try:
        return None if known is None else _norms(str(known))
    except (NotFound, BadInput) as gone:  # its files are gone, changed, or were never local
        if teacher:
            raise
        say(f"No magnitude: {gone.message} Name the teacher with --teacher.")
        return None


def _norms(teacher: str) -> measures.Ranks:
    from sparsekd.knowledge.magnitude import magnitude
    from sparsekd.models import loading

    model, _ = loading.load_saved(references.folder(references.model(teacher)))
    return magnitude(model)


def _named(word: str) -> tuple[str, Path]:
    name, equals, path = word.partition("=")
    if not (name and equals and path):
        raise BadInput(f"--more {word!r} names no score.", "Write name=file.npz.")
    return name, Path(path)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is below 1")
    return number


def _nested(frame: pd.DataFrame) -> dict[str, dict[str, dict[str, Any]]]:
    """Per score and measured quantity: each statistic with its interval."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for row in frame.to_dict("records"):
        values: dict[str, Any] = {name: row[name] for name in measures.STATISTICS}
        values["intervals"] = {
            name: [row[f"{name}_low"], row[f"{name}_high"]] for name in measures.STATISTICS
        }
        values |= {name: row[name] for name in ("units", "top", "by_chance", "verdict")}
        found.setdefault(str(row["score"]), {})[str(row["truth"])] = values
    return found


def _fidelity_words(frame: pd.DataFrame) -> str:
    shown = frame.assign(
        **{
            name: [
                f"{row[name]:+.2f} [{row[f'{name}_low']:+.2f}, {row[f'{name}_high']:+.2f}]"
                for _, row in frame.iterrows()
            ]
            for name in measures.STATISTICS
        }
    )
    columns = ["truth", "score", *measures.STATISTICS, "verdict"]
    return str(shown[columns].to_string(index=False))


def _masks_words(pairs: dict[tuple[str, str], pd.DataFrame], agreement: pd.DataFrame) -> str:
    parts = []
    for (first, second), frame in pairs.items():
        shown = frame.assign(layer=frame["layer"].map(lambda layer: "all" if layer < 0 else layer))
        words = shown.to_string(index=False, float_format=lambda value: f"{value:.3f}")
        parts.append(f"{first} and {second}:\n{words}")
    words = agreement.to_string(index=False, float_format=lambda value: f"{value:.3f}")
    return "\n\n".join([*parts, f"All {len(pairs)} pairs together:\n{words}"])
