"""Label budgets and label noise as axes: one trade-off study for each pair of values."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from sparsekd.catalog.parameters import TrainParams
from sparsekd.errors import BadInput, Incompatible
from sparsekd.runs import references
from sparsekd.runs.records import Plan, Recipe
from sparsekd.studies.sweeps import sweep
from sparsekd.studies.sweeps.sweep_spec import SweepSpec

LABEL_AXES = ("labelled", "label_noise")
"""The training parameters that are axes, and so not given once for all studies."""


def with_labels(
    spec: SweepSpec, labelled: Sequence[int], noises: Sequence[float], finished: bool = False
) -> list[SweepSpec]:
    """Return the study for each number of labels and each label noise; empty axes stay as they are.

    The budget is the students'. Noise is in the data: a teacher that the study fine-tunes has it
    too; one that is `finished` already, or used as it is, stays so.

    Raises:
        BadInput: a value twice; Incompatible: noise in labels that are not classes.
    """
    for name, values in (("labelled", labelled), ("label_noise", noises)):
        if len(set(values)) < len(values):
            raise BadInput(f"{name} names a value twice.", "Name each value once.")
    card = references.cards().get(spec.task)
    if card and card.kind != "classes" and any(noises):
        raise Incompatible(
            f"label_noise: an example of {card.name} does not have one class.",
            "Choose a classification task, or no label noise.",
        )
    return [
        replace(
            spec,
            teacher=spec.teacher
            if finished or spec.teacher.as_it_is or not noises
            else _trained(spec.teacher, {"label_noise": noise}),
            train=spec.train.changed({"labelled": labels, "label_noise": noise}),
        )
        for noise in noises or (spec.train.label_noise,)
        for labels in labelled or (spec.train.labelled,)
    ]


def _trained(teacher: Recipe, values: dict[str, float]) -> Recipe:
    """Return the fine-tuning of a teacher with other training parameters."""
    train = TrainParams.of(teacher.params["train"]).changed(values)
    return replace(teacher, params=teacher.params | {"train": train.values()})


# --- read back -------------------------------------------------------------------------------


def family(plan: Plan, plans: Iterable[Plan]) -> list[Plan]:
    """Return the studies that differ from one in labels, noise, grid, seeds and controls alone.

    The study itself is among them; sorted by noise, then by labels, all of them last.
    """
    wanted = _key(sweep.spec_of(plan))
    found = {plan.id: plan}
    for other in plans:
        alike = other.kind == "sweep" and other.task == plan.task and not other.command
        if alike and _key(sweep.spec_of(other)) == wanted:
            found.setdefault(other.id, other)
    best: dict[tuple[float, float], Plan] = {}
    for each in found.values():
        place = place_of(each)
        if place not in best or each.id == plan.id:
            best[place] = each
    return [best[place] for place in sorted(best)]


def place_of(plan: Plan) -> tuple[float, float]:
    """Return noise and labels of a study's students, infinity for all labels."""
    train = sweep.spec_of(plan).train
    return train.label_noise, float(train.labelled or "inf")


def _key(spec: SweepSpec) -> tuple[object, ...]:
    """Return what the studies of one family have in common."""
    train = spec.train.changed({"labelled": 0, "label_noise": 0.0}).values()
    teacher = _trained(spec.teacher, {"label_noise": 0.0}).run_id
    return spec.task, spec.methods, teacher, tuple(train.items()), spec.student
