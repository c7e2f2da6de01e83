"""A unit's fate as one plain sentence."""

from sparsekd.units.explain import Fate
from sparsekd.units.harm import Effect
from sparsekd.units.lambda_spans import Span


def sentence(fate: Fate, first: int = 0) -> str:
    """The card in one plain sentence.

    Args:
        first: What the lowest layer and unit are called: 0 in files and commands, 1 on pages.
    """
    name = f"{fate.unit} {fate.index + first} of layer {fate.layer + first}"
    verb = "goes" if fate.goes else "stays"
    start = f"At λ = {fate.params.lam:g} and sparsity {_percent(fate.sparsity)} {name} {verb}"
    clauses = [_reason(fate), _over_lambda(fate), _over_sparsity(fate), _of_the_layer(fate)]
    clauses += [] if fate.effect is None else [_of_effect(fate.effect)]
    return f"{start}: {'; '.join(clauses)}."


def _reason(fate: Fate) -> str:
    how = "are removed" if fate.count != 1 else "is removed"
    order = f"it is number {fate.place:,} of {fate.pool:,} {fate.unit}s in the order of removal"
    cut = f"of which the first {fate.count:,} {how}" if fate.count else "of which none is removed"
    if fate.goes == fate.goes_unrounded:
        return f"{order}, {cut}"
    does = "takes it along" if fate.goes else "spares it"
    return f"{order}, {cut}, but rounding its layer to multiples of {fate.round_to} {does}"


def _over_lambda(fate: Fate) -> str:
    verb = "stay" if fate.goes else "go"
    others = [span for span in fate.spans if span.goes != fate.goes]
    if not others:
        return f"no λ would let it {verb}" if fate.goes else "it stays at every λ"
    shown = [_range(span) for span in others[:3]]
    if len(others) > 3:
        shown.append(f"{len(others) - 3} more ranges")
    return f"it would {verb} at λ {' and '.join(shown)}"


def _range(span: Span) -> str:
    if span.start == span.end:
        return f"= {span.start:.4g}"
    if span.start == 0:
        return f"up to {span.end:.4g}"
    if span.end == 1:
        return f"from {span.start:.4g} on"
    return f"from {span.start:.4g} to {span.end:.4g}"


def _over_sparsity(fate: Fate) -> str:
    if fate.goes_at is None:
        return "at this λ no possible mask removes it"
    return f"at this λ it goes from sparsity {_percent(fate.goes_at)} on"


def _of_the_layer(fate: Fate) -> str:
    layer = fate.context
    return f"its layer loses {layer.going:,} of {layer.units:,} {fate.unit}s"


def _of_effect(effect: Effect) -> str:
    change = effect.changes["task_loss"]
    does = (
        "leaves the task loss as it is"
        if change == 0
        else (f"{'raises' if change > 0 else 'lowers'} the task loss by {abs(change):.3g}")
    )
    what = {
        "head": "removed alone it",
        "neuron": "removed alone it",
        "group": f"removing the {effect.neurons:,} neurons of its group",
    }[effect.measured]
    among = {"head": "heads", "neuron": "neurons of its layer", "group": "groups"}[effect.measured]
    place = effect.places["task_loss"]
    return f"{what} {does} (number {place:,} of {effect.of:,} {among} by harm)"


def _percent(share: float) -> str:
    return f"{100 * share:.4g} %"
