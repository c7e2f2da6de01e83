"""Plain data about runs: recipe, progress, outcome, plan. JSON in and out."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self

Stage = Literal[
    "finetune",
    "distil",
    "baseline",
    "score",
    "prune",
    "probe",
    "export",
    "measure",
    "ablate",
    "attribute",
]


class State(StrEnum):
    """The state of a run; `interrupted` is read off a released lock, never stored."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"


UNFINISHED = {State.QUEUED, State.RUNNING}
RESUMABLE = {State.FAILED, State.CANCELLED, State.INTERRUPTED}


ATTEMPT_STRIDE = 1000  # between the random seeds of two attempts at one student
LATER_FIELDS = ("attempt", "repeat", "variant")


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the result of one run, and nothing else.

    Attributes:
        method: The distillation method; empty for stages that train nothing.
        inputs: Maps a role (teacher, teacher_2, …, student, scores, checkpoint, init, entropy_of)
            to a run id, or to a model from outside: ``folder:<path>#<fingerprint>``, ``hub:<id>``
            or one of `sparsekd.tasks.demo.DEMO_CHECKPOINTS`; a teacher may be
            ``answers:<name>#<hash>``.
        attempt: Counts further trainings of the same student, with other random draws.
        repeat: Counts further measurements of the same model.
        variant: The kind of mask, of attribution, or the format of an export.
    """

    stage: Stage
    task: str
    method: str = ""
    inputs: dict[str, str] = field(default_factory=dict)
    params: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    attempt: int = 0
    repeat: int = 0
    variant: str = ""

    @cached_property
    def run_id(self) -> str:
        """Return a hash of the recipe: a finished run is found again, not repeated."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:12]

    @property
    def random_seed(self) -> int:
        """Return the seed of every random draw of the run."""
        return self.seed + ATTEMPT_STRIDE * self.attempt

    @property
    def as_it_is(self) -> bool:
        """Return whether a finished classifier becomes the teacher, without training."""
        return self.stage == "finetune" and self.params.get("train", {}).get("epochs", 1) == 0

    @property
    def needs(self) -> list[str]:
        """Return the ids of the runs that this one needs."""
        return [name for name in self.inputs.values() if ":" not in name]

    @property
    def teachers(self) -> list[str]:
        """Return the references of all teachers, the first one first."""
        roles = ["teacher", *(f"teacher_{number}" for number in range(2, len(self.inputs) + 1))]
        return [self.inputs[role] for role in roles if role in self.inputs]

    def to_json(self) -> str:
        """Return the canonical text: sorted keys, no spaces.

        Fields that a later version added are left out at their defaults, so that the ids of
        recipes without them stay as they were.
        """
        values = asdict(self)
        written = {n: v for n, v in values.items() if v or n not in LATER_FIELDS}
        return json.dumps(written, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote."""
        return cls(**json.loads(text))


@dataclass(frozen=True)
class Progress:
    """The progress of a run: `done` of `total` in this phase; `eta` and rates in seconds."""

    phase: str = ""
    done: int = 0
    total: int = 0
    examples_per_second: float | None = None
    eta: float | None = None
    memory_mib: float | None = None

    @property
    def share(self) -> float:
        """Return the share that is done, 0–1."""
        return min(1.0, self.done / self.total) if self.total else 0.0


@dataclass(frozen=True)
class Outcome:
    """The end of a run.

    `metrics` maps split to metric to value; `facts` holds small plain facts (parameters, units).
    `lasting` marks a failure that the same recipe would repeat.
    """

    metrics: dict[str, dict[str, float]] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    message: str = ""
    hint: str = ""
    lasting: bool = False

    @property
    def episode_steps(self) -> int:
        """Return the optimiser steps of the training episodes before the final training."""
        earlier = self.facts.get("rehearsal_steps", 0)  # the fact's name until it was renamed
        return int(self.facts.get("episode_steps", earlier))


@dataclass(frozen=True)
class Event:
    """One logged number: a loss term, a metric, at an optimiser step."""

    step: int
    name: str
    value: float


@dataclass(frozen=True)
class Run:
    """A recipe with its history; times are seconds since the epoch.

    `retries` are left after failures that are not lasting; `failures` counts those so far.
    """

    recipe: Recipe
    state: State
    folder: Path
    device: str = "auto"
    pid: int | None = None
    created: float = 0.0
    started: float | None = None
    finished: float | None = None
    seconds: float = 0.0
    retries: int = 0
    failures: int = 0
    progress: Progress = field(default_factory=Progress)
    outcome: Outcome = field(default_factory=Outcome)

    @property
    def id(self) -> str:
        """Return the recipe's id."""
        return self.recipe.run_id


@dataclass(frozen=True)
class Step:
    """One run of a plan, and its role there."""

    role: str
    recipe: Recipe

    @property
    def seed(self) -> int:
        """Return the recipe's seed."""
        return self.recipe.seed


@dataclass(frozen=True)
class Plan:
    """The runs of one request, each after its inputs.

    `command` is the command line that repeats it, where the runs do not determine it: a search.
    `name` is the id of a plan that was not requested, but grows with the runs of one teacher.
    """

    title: str
    task: str
    steps: tuple[Step, ...]
    kind: Literal["study", "comparison", "sweep"] = "study"
    command: str = ""
    name: str = ""

    @cached_property
    def id(self) -> str:
        """Return the plan's name, or a hash of the runs and their roles."""
        if self.name:
            return self.name
        text = json.dumps([(step.role, step.recipe.run_id) for step in self.steps])
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def to_json(self) -> str:
        """Return the text that the catalogue stores."""
        return json.dumps(asdict(self), sort_keys=True, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote."""
        raw = json.loads(text)
        steps = tuple(Step(step["role"], Recipe(**step["recipe"])) for step in raw["steps"])
        kind, command = raw.get("kind", "study"), raw.get("command", "")
        return cls(raw["title"], raw["task"], steps, kind, command)
