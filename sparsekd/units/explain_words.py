"""The explanation of one unit as a plain sentence."""

from sparsekd.units.explain import Explanation
from sparsekd.units.harm import Effect
from sparsekd.units.lambda_spans import Span


def sentence(unit: Explanation, first: int = 0) -> str:
    """Return the explanation as one plain sentence.

    Args:
        first: Number of the lowest layer and unit: 0 in files and commands, 1 on pages.
    """
    name = f"{unit.unit} {unit.index + first} of layer {unit.layer + first}"
    verb = "removed" if unit.removed else "kept"
    start = f"At λ = {unit.params.lam:g} and sparsity {_percent(unit.sparsity)} {name} is {verb}"
    clauses = [_reason(unit), _over_lambda(unit), _over_sparsity(unit), _of_the_layer(unit)]
    clauses += [] if unit.effect is None else [_of_effect(unit.effect)]
    return f"{start}: {'; '.join(clauses)}."


def _reason(unit: Explanation) -> str:
    are = "are removed" if unit.count != 1 else "is removed"
    order = f"it is number {unit.place:,} of {unit.pool:,} {unit.unit}s in the order of removal"
    cut = f"of which the first {unit.count:,} {are}" if unit.count else "of which none is removed"
    if unit.removed == unit.removed_unrounded:
        return f"{order}, {cut}"
    does = "removes it too" if unit.removed else "keeps it"
    return f"{order}, {cut}, but rounding its layer to multiples of {unit.round_to} {does}"


def _over_lambda(unit: Explanation) -> str:
    others = [span for span in unit.spans if span.removed != unit.removed]
    if not others:
        return "it is removed at every λ" if unit.removed else "it is kept at every λ"
    shown = [_range(span) for span in others[:3]]
    if len(others) > 3:
        shown.append(f"{len(others) - 3} more ranges")
    verb = "kept" if unit.removed else "removed"
    return f"it would be {verb} at λ {' and '.join(shown)}"


def _range(span: Span) -> str:
    if span.start == span.end:
        return f"= {span.start:.4g}"
    if span.start == 0:
        return f"up to {span.end:.4g}"
    if span.end == 1:
        return f"from {span.start:.4g} on"
    return f"from {span.start:.4g} to {span.end:.4g}"


def _over_sparsity(unit: Explanation) -> str:
    if unit.removal_sparsity is None:
        return "at this λ no possible mask removes it"
    return f"at this λ it is removed from sparsity {_percent(unit.removal_sparsity)} on"


def _of_the_layer(unit: Explanation) -> str:
    layer = unit.context
    return f"its layer loses {layer.removed:,} of {layer.units:,} {unit.unit}s"


def _of_effect(effect: Effect) -> str:
    change = effect.changes["task_loss"]
    does = (
        "leaves the task loss as it is"
        if change == 0
        else (f"{'raises' if change > 0 else 'lowers'} the task loss by {abs(change):.3g}")
    )
    what = {
        "head": "removing it alone",
        "neuron": "removing it alone",
        "group": f"removing the {effect.neurons:,} neurons of its group",
    }[effect.measured]
    among = {"head": "heads", "neuron": "neurons of its layer", "group": "groups"}[effect.measured]
    place = effect.places["task_loss"]
    return f"{what} {does} (number {place:,} of {effect.of:,} {among} by harm)"


def _percent(share: float) -> str:
    return f"{100 * share:.4g}%"
