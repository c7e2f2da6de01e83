"""Rankings computed from a teacher: one module each, named as its card in the catalogue.

A module defines `rank`: `rank(teacher)` for a ranking of weights, and
`rank(teacher, data, tokenizer, params, options)` for a ranking of data. Both return one value per
unit, heads (L, H) and neurons (L, F); the lowest are removed first. Pruned teachers, whose layers
differ in size, are refused beforehand.
"""

from importlib import import_module

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from sparsekd.catalog import rankings
from sparsekd.catalog.stage_parameters import AttributeParams
from sparsekd.data import Encoded
from sparsekd.knowledge.gradients import PassOptions
from sparsekd.models import architectures
from sparsekd.units.scores import Scores

Matrix = NDArray[np.float32]


def from_weights(name: str, teacher: PreTrainedModel, reference: str = "") -> Scores:
    """Compute a ranking of the teacher's weights; both halves of the scores are the same.

    Args:
        reference: The teacher as recipes name it, for the provenance.

    Raises:
        NotFound: no ranking has that name.
        Incompatible: layers of different sizes, as after pruning.
    """
    architectures.shape(teacher).grid()
    heads, neurons = import_module(f"{__name__}.{rankings.find(name).name}").rank(teacher)
    provenance = {"ranking": name} | ({"inputs": {"teacher": reference}} if reference else {})
    return Scores(heads, heads, neurons, neurons, provenance)


def from_data(
    teacher: PreTrainedModel,
    data: Encoded,
    tokenizer: PreTrainedTokenizerBase,
    params: AttributeParams,
    options: PassOptions | None = None,
) -> tuple[Matrix, Matrix]:
    """Compute the ranking `params.kind` of the teacher on examples.

    Shapes: -> heads (L, H), neurons (L, F).
    Raises:
        Incompatible: layers of different sizes, as after pruning. BadInput: NaN; no examples.
        Cancelled.
    """
    architectures.shape(teacher).grid()
    module = import_module(f"{__name__}.{rankings.find(params.kind).name}")
    found: tuple[Matrix, Matrix] = module.rank(
        teacher, data, tokenizer, params, options or PassOptions()
    )
    return found
