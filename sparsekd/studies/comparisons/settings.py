"""The settings that each variant of a comparison is trained with: one, or one for each tried value.

Every variant is tried with every value of the parameters that it has, on the same seeds. The
training that makes a trial student or an assistant is not tuned.
"""

from collections.abc import Sequence
from itertools import product
from types import NoneType
from typing import Any, get_args

from sparsekd.catalog.baselines import BASELINES
from sparsekd.catalog.fields import label_in_sentence
from sparsekd.catalog.parameters import MethodParams, Params, TrainParams
from sparsekd.errors import BadInput, unknown
from sparsekd.studies.comparisons.comparison_spec import ComparisonSpec
from sparsekd.studies.comparisons.variants import StudentVariant, parse

DATA = ("train_examples", "labelled", "label_noise")
"""Training parameters that are no setting: they decide the data, which all tries share."""
Setting = tuple[TrainParams, MethodParams]


def settings(spec: ComparisonSpec, variant: StudentVariant) -> list[Setting]:
    """Return the settings of a variant in the order of the values; a single one without tuning.

    A parameter that the method lacks, or that makes the variant, stays as it is.

    Raises:
        BadInput: a value is outside its range.
    """
    own = variant.params(spec.changes)
    names = [name for name in spec.tune if _has(variant, name)]
    found = []
    for values in product(*(spec.tune[name] for name in names)):
        given = dict(zip(names, values, strict=True))
        train = {name: value for name, value in given.items() if name in TrainParams.model_fields}
        rest = {name: value for name, value in given.items() if name not in train}
        found.append((spec.train.changed(train), own.changed(rest)))
    return found


def _has(variant: StudentVariant, name: str) -> bool:
    """Return whether a parameter changes how a variant is trained, and not which one it is."""
    if name in TrainParams.model_fields:
        return variant.card.name not in BASELINES
    return name in variant.card.params.model_fields and name not in variant.values


def tunable(methods: Sequence[str]) -> list[str]:
    """Return the numbers that can be tuned: of the training, then of the named methods."""
    classes: list[type[Params]] = [TrainParams, *(parse(name).card.params for name in methods)]
    found = dict.fromkeys(name for params in classes for name in params.model_fields)
    return [name for name in found if name not in DATA and _is_number(name, classes)]


def _is_number(name: str, classes: Sequence[type[Params]]) -> bool:
    fields = [each.model_fields[name] for each in classes if name in each.model_fields]
    types = [set(get_args(field.annotation) or (field.annotation,)) for field in fields]
    return all(each <= {int, float, NoneType} for each in types)


def check_tuning(spec: ComparisonSpec) -> None:
    """Check that at least two different numbers are tried for each tuned parameter.

    Raises:
        NotFound: no such parameter of the training or of the compared methods.
        BadInput: it decides the data or is no number; a single value; one given twice; one
            outside its range.
    """
    known = tunable(spec.methods)
    for name, values in spec.tune.items():
        if name in DATA:
            raise BadInput(
                f"{name} decides the data, which all tries share.",
                f"Set it for all of them: --{name.replace('_', '-')}.",
            )
        if name not in known:
            raise unknown("number to tune", name, known)
        if len(values) < 2:
            raise BadInput(
                f"One value of {name} is nothing to choose from.",
                f"Give several: --tune {name}=A,B,C.",
            )
        if len({_number(value) for value in values}) < len(values):
            raise BadInput(f"A value of {name} is given twice.", "Give each one once.")
    for method in spec.methods:
        settings(spec, parse(method))


def _number(value: Any) -> Any:
    """Return what is compared: 3e-5 and 0.00003 are one value."""
    try:
        return float(value)
    except ValueError:
        return value  # refused with the parameter's own words when a setting is made of it


def longest_training(spec: ComparisonSpec) -> TrainParams:
    """Return the training of the most steps among all settings, for an estimate of the cost."""
    used = spec.train.values() | {name: list(values) for name, values in spec.tune.items()}
    epochs, sizes = (
        [int(float(value)) for value in (given if isinstance(given, list) else [given])]
        for given in (used["epochs"], used["batch_size"])
    )
    return spec.train.changed({"epochs": max(epochs), "batch_size": min(sizes)})


def tuned_in_words(spec: ComparisonSpec) -> str:
    """Return which parameters are tuned: "learning rate and α tuned"; empty for none."""
    names = [label_in_sentence(name) for name in spec.tune]
    return f"{' and '.join(names)} tuned" if names else ""
