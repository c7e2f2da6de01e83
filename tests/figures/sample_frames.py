"""Frames of a made-up sweep, in the columns of `sparsekd.studies.sweeps.sweep_results`."""

import math

import numpy as np
import pandas as pd

LAMS = (0.0, 0.25, 0.5, 0.75, 1.0)
SPARSITIES = tuple(round(0.1 * tenth, 1) for tenth in range(1, 10))
SEEDS = 5


def skill(lam: float, sparsity: float) -> float:
    """Students are best of teachers that lost a third; a friendly ranking (λ = 0) is worse."""
    return 0.86 + 0.05 * math.exp(-((sparsity - 0.35) ** 2) / 0.08) * (0.6 + 0.4 * lam)


def curve(seeds: int = SEEDS) -> pd.DataFrame:
    """Per ranking, λ and sparsity."""
    drawn = np.random.default_rng(0)
    places = [
        ("none", "fine_tuning", math.nan, math.nan, 0.84),
        ("dense", "vanilla", math.nan, 0.0, 0.87),
    ]
    places += [("scores", "vanilla", lam, p, skill(lam, p)) for lam in LAMS for p in SPARSITIES]
    places += [("random", "vanilla", math.nan, p, 0.86 - 0.1 * p) for p in SPARSITIES]
    places += [("magnitude", "vanilla", math.nan, p, 0.868 - 0.07 * p) for p in SPARSITIES]
    rows = []
    for ranking, method, lam, sparsity, mean in places:
        half = 0.006 + 0.004 * drawn.random() if seeds > 1 else math.nan
        mean += 0.003 * drawn.normal()
        own = math.nan if ranking == "none" else 0.95 - 0.3 * sparsity**2
        distance = math.nan if ranking == "none" else 0.3 - 0.2 * sparsity
        rows.append(
            (ranking, method, lam, sparsity, mean, mean - half, mean + half, seeds, own, distance)
        )
    columns = ["ranking", "method", "lam", "sparsity", "mean", "low", "high", "seeds"]
    return pd.DataFrame(rows, columns=[*columns, "teacher_mean", "teacher_distance"])


def grid(missing: tuple[tuple[float, float], ...] = ()) -> pd.DataFrame:
    """λ × sparsity with the dense cell at 0 for every λ."""
    drawn = np.random.default_rng(1)
    rows = []
    dense = [0.87, 0.86, 0.88, 0.865, 0.875]
    for lam in LAMS:
        for sparsity in (0.0, *SPARSITIES):
            values = [skill(lam, sparsity) + 0.004 * drawn.normal() for _ in range(SEEDS)]
            values = dense if sparsity == 0 else values
            gone = (lam, sparsity) in missing
            mean = math.nan if gone else float(np.mean(values))
            spread = (math.nan, math.nan) if gone else (mean - 0.005, mean + 0.005)
            rows.append((lam, sparsity, mean, *spread, 0 if gone else 5, [] if gone else values))
    return pd.DataFrame(rows, columns=["lam", "sparsity", "mean", "low", "high", "seeds", "values"])


def students(seeds: int = SEEDS) -> pd.DataFrame:
    """Long form, on selection and validation."""
    drawn = np.random.default_rng(2)
    rows = []
    places = [("dense", math.nan, 0.0, attempt) for attempt in range(6)]
    places += [("scores", lam, p, 0) for lam in LAMS for p in SPARSITIES]
    for ranking, lam, sparsity, attempt in places:
        for seed in range(seeds):
            base = 0.87 if ranking == "dense" else skill(lam, sparsity)
            run = f"{ranking}-{lam}-{sparsity}-{attempt}-{seed}"
            for split in ("selection", "validation"):
                value = base + 0.01 * drawn.normal()
                rows.append(
                    (
                        *(run, "student", "vanilla", ranking, lam, sparsity, attempt, seed),
                        *("done", split, "accuracy", value, 1000 + seed, 2.0),
                    )
                )
    columns = ["run", "role", "method", "ranking", "lam", "sparsity", "attempt", "seed", "state"]
    return pd.DataFrame(
        rows, columns=[*columns, "split", "metric", "value", "parameters", "seconds"]
    )


def front(measured: bool = True) -> pd.DataFrame:
    """A teacher, sparse teachers, students."""
    rows = [("Teacher", "teacher", 1_000_000, 0.95, 9.0)]
    rows += [
        (
            f"Teacher without {p:.0%}",
            "sparse teacher",
            1_000_000 * (1 - 0.8 * p),
            0.95 - 0.3 * p**2,
            9 - 5 * p,
        )
        for p in SPARSITIES
    ]
    rows += [
        (f"Student, λ {lam:g}, {p:.0%}", "student", 260_000, skill(lam, p), 2.1)
        for lam in LAMS
        for p in SPARSITIES
    ]
    frame = pd.DataFrame(rows, columns=["what", "kind", "parameters", "quality", "latency_ms"])
    frame["latency_ms"] = frame["latency_ms"] if measured else math.nan
    return frame.assign(on_front=False)


def stability() -> pd.DataFrame:
    """Heads and neurons."""
    rows = [
        ("vanilla", lam, p, units, p + (1 - p) * (0.2 + 0.5 * lam), p / (2 - p), 5)
        for units in ("heads", "neurons")
        for lam in LAMS
        for p in SPARSITIES
    ]
    columns = ["method", "lam", "sparsity", "units", "overlap", "chance", "seeds"]
    return pd.DataFrame(rows, columns=columns)


def costs() -> pd.DataFrame:
    """Two runs at a time, killed once in between."""
    drawn = np.random.default_rng(3)
    stages = ["finetune", *["distil", "score", "prune", "distil"] * 40]
    seconds = [{"finetune": 60, "distil": 8, "score": 3, "prune": 1.5}[stage] for stage in stages]
    seconds = [value * (0.9 + 0.2 * drawn.random()) for value in seconds]
    ends = 1_795_000_000 + np.cumsum(seconds) / 2 + np.where(np.arange(len(stages)) > 90, 200, 0)
    return pd.DataFrame(
        {
            "run": [f"r{number}" for number in range(len(stages))],
            "stage": stages,
            "role": "student",
            "started": ends - seconds,
            "finished": ends,
            "seconds": seconds,
            "cumulative_seconds": np.cumsum(seconds),
        }
    )
