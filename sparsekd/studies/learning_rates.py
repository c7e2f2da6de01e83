"""A learning rate that suits the size of a model, beside the one that was chosen."""

import math
from collections.abc import Iterable

from sparsekd.runs.peak_memory import Estimator
from sparsekd.runs.records import Recipe
from sparsekd.system.wording import counted

BASE, WIDTH, DEPTH = 3e-5, 768, 12
"""The published rate of a base model, and its size."""
USUAL = (1e-5, 2e-5, 3e-5, 5e-5, 1e-4, 3e-4)
FAR = 2.5
"""Factor between a chosen and a suggested rate from which the command line says so."""


def suggested(layers: int, width: int) -> float:
    """Return the usual learning rate of AdamW nearest to 3e-5 · 768 / width · √(12 / layers).

    An update of Adam has the same size in every weight, so it changes the output of a layer in
    proportion to its width, and that of a residual stack with the square root of its depth. It is a
    place to start a search from: data and number of steps count too.

    Source: Devlin et al., NAACL 2019, arXiv 1810.04805 (a base model's rate); Yang et al., NeurIPS
    2021, arXiv 2203.03466 (width); Turc et al., 2019, arXiv 1908.08962 (5e-5, 1e-4 and 3e-4 for
    small models); the rule for both sizes together is a choice of this project.
    """
    wanted = BASE * WIDTH / width * math.sqrt(DEPTH / layers)
    return min(USUAL, key=lambda rate: abs(math.log(rate / wanted)))


def in_words(recipes: Iterable[Recipe], near: bool = False) -> str:
    """Return the suggested learning rates of the models that some runs train, each size once.

    Args:
        near: Say also those from which the chosen rate differs by less than the factor `FAR`.

    Sizes that are unknown until a model is here are left out.
    """
    planned = {recipe.run_id: recipe for recipe in recipes}
    estimator = Estimator(planned)
    found: dict[tuple[int, int, float], None] = {}
    for recipe in planned.values():
        shape = estimator.trained(recipe)
        if shape is not None:
            rate = float(recipe.params["train"]["learning_rate"])
            found[shape.layers, shape.hidden, rate] = None
    return " ".join(filter(None, (_sentence(*one, near) for one in found)))


def _sentence(layers: int, width: int, chosen: float, near: bool) -> str:
    usual = suggested(layers, width)
    far = max(usual / chosen, chosen / usual) >= FAR
    if not (far or near):
        return ""
    words = (
        f"Suggested learning rate for {counted(layers, 'layer')} of width {width}: {_text(usual)}"
    )
    if not far:
        return f"{words}."
    reason = f"the smaller a model, the larger its steps ({_text(BASE)} for 12 layers of width 768)"
    return f"{words}; the chosen {_text(chosen)} is far from it: {reason}."


def _text(rate: float) -> str:
    """Return 0.0001 as 1e-4."""
    mantissa, exponent = f"{rate:.2e}".split("e")
    return f"{float(mantissa):g}e{int(exponent)}"
