"""The request for a trade-off study: its grids and controls, and which requests are refused."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sparsekd.catalog import rankings
from sparsekd.catalog.baselines import BASELINES
from sparsekd.catalog.method_card import MethodCard, Variant
from sparsekd.catalog.methods import METHODS, find
from sparsekd.catalog.parameters import MethodParams, TrainParams
from sparsekd.catalog.ranking_card import RankingCard
from sparsekd.catalog.stage_parameters import MaskParams, ScoreParams, StudentParams
from sparsekd.errors import BadInput, unknown
from sparsekd.runs import references
from sparsekd.runs.records import ATTEMPT_STRIDE, Recipe
from sparsekd.studies import recipes
from sparsekd.studies.teacher_kinds import ANSWER_CONTROLS
from sparsekd.system.wording import counted

SWEEP_CONTROLS = ("plain", *rankings.CONTROLS, "extreme_lambdas")
"""The controls that every study has unless it names its own."""
ALL_CONTROLS = (*SWEEP_CONTROLS, *ANSWER_CONTROLS)
RENAMED_CONTROLS = {"ends": "extreme_lambdas"}  # in study files and commands of earlier versions
EXTREME_LAMBDAS = (0.0, 1.0)
DEFAULT_LAMBDAS = (0.0, 0.25, 0.5, 0.75, 1.0)
DEFAULT_SPARSITIES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
DEFAULT_SEEDS = (0, 1, 2, 3, 4)
SHARED_MASK_FIELDS = ("neuron_sparsity", "round_to", "normalise")  # the same for all masks
MOST_RUNS = 50_000


@dataclass(frozen=True)
class SweepSpec:
    """A request for a trade-off study: one task, teacher and student; grids and seeds.

    `teacher` is the recipe of a dense teacher; sparsity 0 is always there. `mask` has what masks
    share beyond λ and sparsity. `changes` sets parameters of methods, by method and parameter.
    """

    task: str
    teacher: Recipe
    methods: tuple[str, ...] = ("vanilla",)
    lams: tuple[float, ...] = DEFAULT_LAMBDAS
    sparsities: tuple[float, ...] = DEFAULT_SPARSITIES
    seeds: tuple[int, ...] = DEFAULT_SEEDS
    train: TrainParams = field(default_factory=TrainParams)
    student: StudentParams = field(default_factory=StudentParams)
    score: ScoreParams = field(default_factory=ScoreParams)
    mask: MaskParams = field(default_factory=MaskParams)
    controls: tuple[str, ...] = SWEEP_CONTROLS
    changes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def positive_sparsities(self) -> tuple[float, ...]:
        """Return the sparsities at which something is removed."""
        return tuple(sparsity for sparsity in self.sparsities if sparsity > 0)

    @property
    def cell_count(self) -> int:
        """Return the cells to choose from, for each method; sparsity 0 is one, whatever λ."""
        return len(self.lams) * len(self.positive_sparsities) + 1

    @property
    def comparison_count(self) -> int:
        """Return how many verdicts the study plans, of all methods and controls."""
        free = int("plain" in self.controls) + len(self.answer_controls)
        if not self.positive_sparsities:
            return len(self.methods) * free
        ends = [lam for lam in EXTREME_LAMBDAS if lam in (*self.lams, *self.control_lambdas)]
        return len(self.methods) * (1 + len(self.control_rankings) + len(ends) + free)

    @property
    def control_lambdas(self) -> tuple[float, ...]:
        """Return λ = 0 and λ = 1 where they are controls and not on the grid."""
        wanted = "extreme_lambdas" in self.controls
        return tuple(lam for lam in EXTREME_LAMBDAS if wanted and lam not in self.lams)

    @property
    def answer_controls(self) -> list[str]:
        """Return the controls that have something else in place of the teacher's answers."""
        return [name for name in ANSWER_CONTROLS if name in self.controls]

    def control_params(self, control: str) -> MethodParams:
        """Return the parameters of such a control, with the study's changes of its method.

        A baseline has its own.
        """
        if control in BASELINES:
            return BASELINES[control].params.of(dict(self.changes.get(control, {})))
        card, variant = control_variant(control)
        return card.params.of({**self.changes.get(card.name, {}), **variant.values})

    @property
    def control_rankings(self) -> list[RankingCard]:
        """Return the rankings whose masks are controls."""
        return [rankings.find(name) for name in rankings.CONTROLS if name in self.controls]

    def params(self, method: str) -> MethodParams:
        """Return a method's parameters, with the changes."""
        return find(method).params.of(dict(self.changes.get(method, {})))


def control_variant(control: str) -> tuple[MethodCard, Variant]:
    """Return the method and the variant that a control is, where it is no baseline."""
    cards = (find("vanilla"), find("fine_tuning"))
    return next((card, card.variants[control]) for card in cards if control in card.variants)


def check(spec: SweepSpec) -> None:
    """Check a request before it is expanded.

    Raises:
        BadInput: an empty grid, values outside [0, 1) or twice, seeds twice, too many runs;
        NotFound: an unknown method or control, with the nearest names; Incompatible: a control
            that does not fit the student.
    """
    grids = {"methods": spec.methods, "lam": spec.lams, "sparsity": spec.sparsities}
    for name, values in (grids | {"seeds": spec.seeds}).items():
        if not values:
            raise BadInput(f"The grid of {name} is empty.", f"Name at least one {name}.")
        twice = dict.fromkeys(value for value in values if values.count(value) > 1)
        if twice:
            words = ", ".join(f"{value}" for value in twice)
            raise BadInput(f"{name} names {words} twice.", "Name each value once.")
    for control in spec.controls:
        if control == "dense_tries":
            raise BadInput(
                "The control dense_tries is gone: further tries of the dense teacher have other "
                "seeds, and so more luck than the cells of the grid, which share theirs.",
                "Leave it out: the luck of choosing among cells is estimated and taken off.",
            )
        if control not in ALL_CONTROLS:
            raise unknown("control", control, ALL_CONTROLS)
    _check_answer_controls(spec)
    _check_values(spec)
    for method in spec.methods:
        _check_method(spec, method)
    count = run_count(spec)
    if count > MOST_RUNS:
        raise BadInput(
            f"This study asks for {count:,} runs: {describe_grid(spec)}.",
            f"At most {MOST_RUNS:,} are planned at once: choose fewer λ, sparsities or seeds.",
        )


def _check_answer_controls(spec: SweepSpec) -> None:
    card = references.cards().get(spec.task)
    for name in spec.answer_controls:
        if card and card.regression and spec.control_params(name).needs_classes:
            raise BadInput(
                f"The control {name} needs classes; the labels of {card.name} are numbers.",
                "Leave it out.",
            )
        if name not in BASELINES:
            recipes.started(spec.student, control_variant(name)[1].start)


def _check_values(spec: SweepSpec) -> None:
    for lam in spec.lams:
        if not 0 <= lam <= 1:
            raise BadInput(f"λ = {lam:g} is outside [0, 1].", "1 keeps what is expressive.")
    for sparsity in spec.sparsities:
        if not 0 <= sparsity < 1:
            raise BadInput(
                f"Sparsity {sparsity:g} is outside [0, 1).", "0 removes nothing, 1 everything."
            )
    for seed in spec.seeds:
        if not 0 <= seed < ATTEMPT_STRIDE:
            raise BadInput(
                f"Seed {seed} is outside 0 to {ATTEMPT_STRIDE - 1}.", "Choose smaller seeds."
            )


def _check_method(spec: SweepSpec, method: str) -> None:
    card = find(method)
    if card.least_teachers != 1 or card.most_teachers != 1:
        fits = [name for name, other in METHODS.items() if other.most_teachers == 1]
        raise BadInput(
            f"{card.title} does not learn from one sparse teacher.", f"Choose {', '.join(fits)}."
        )
    spec.params(method)


def run_count(spec: SweepSpec) -> int:
    """Return how many runs a study has, without expanding it."""
    seeds, methods, sparse = len(spec.seeds), len(spec.methods), len(spec.positive_sparsities)
    lams = len(spec.lams) + len(spec.control_lambdas)
    one_seed = 1 + bool(sparse) + 2 * lams * sparse
    one_seed += sparse * len(spec.control_rankings)
    shared_masks = sum(card.shared for card in spec.control_rankings)
    shared = 1 + sparse * shared_masks
    per_seed = int("plain" in spec.controls) + len(spec.answer_controls)
    per_seed += sparse * (len(spec.control_rankings) - shared_masks)
    return shared + seeds * (per_seed + methods * one_seed)


def describe_grid(spec: SweepSpec) -> str:
    """Return the grid as a product: 1 method × 5 λ × 10 sparsities × 5 seeds."""
    grid = (
        counted(len(spec.lams), "λ", "λ"),
        counted(len(spec.sparsities), "sparsity", "sparsities"),
    )
    methods, seeds = counted(len(spec.methods), "method"), counted(len(spec.seeds), "seed")
    return " × ".join((methods, *(grid if spec.positive_sparsities else ()), seeds))


def labels_in_words(train: TrainParams) -> list[str]:
    """Return the label budget and the label noise of a training, as far as there are any."""
    budget = [f"{train.labelled:,} labels"] if train.labelled else []
    return budget + ([f"{100 * train.label_noise:g}% label noise"] if train.label_noise else [])
