"""Gradient × activation of each unit.

Source: Molchanov, Tyree, Karras, Aila, Kautz, ICLR 2017, arXiv 1611.06440 (there of the loss).
"""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from sparsekd.catalog.stage_parameters import AttributeParams
from sparsekd.data import Batch, Encoded
from sparsekd.knowledge.attribution import gold_gradients, mean_absolute
from sparsekd.knowledge.gradients import PassOptions
from sparsekd.models.gates import Taps

Matrix = NDArray[np.float32]


def rank(
    teacher: PreTrainedModel,
    data: Encoded,
    _tokenizer: PreTrainedTokenizerBase,
    _params: AttributeParams,
    options: PassOptions,
) -> tuple[Matrix, Matrix]:
    """Return the mean over examples of |Σ_tokens activation · gradient| of the gold log-odds.

    Shapes: -> heads (L, H), neurons (L, F).
    Raises:
        Incompatible: layers of different sizes, as after pruning. BadInput: NaN; no examples.
    """

    def of_batch(batch: Batch, taps: Taps) -> tuple[list[Tensor], list[Tensor]]:
        return taps.gate_gradients(gold_gradients(teacher, batch, taps))

    return mean_absolute(teacher, data, of_batch, options)
