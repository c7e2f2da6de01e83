"""Expressiveness and student-friendliness of a teacher's heads and neurons.

Batches are computed sorted by length; gradients are then summed by scoring batch, in the data's
own order.

Source: Yang, Zhang, Song, EMNLP 2022, arXiv 2210.03923 (paper and reference code).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel

from sparsekd.catalog.stage_parameters import ScoreParams
from sparsekd.data import Encoded
from sparsekd.knowledge.accumulator import Sums
from sparsekd.knowledge.gradients import PassOptions, gate_gradients
from sparsekd.models import architectures
from sparsekd.units.jacobians import Rows, directions
from sparsekd.units.rescoring import check_logits, logit_gradients, provenance, weights
from sparsekd.units.scores import Scores

Array = NDArray[Any]


@dataclass(frozen=True)
class Streamed:
    """Both aggregations of one pass, and the teacher's logits of the same pass.

    Shapes: logits (N, C), N here the number of examples.
    """

    per_batch: Scores
    per_example: Scores
    logits: NDArray[np.float32]


def jacobian(
    teacher: PreTrainedModel, encoded: Encoded, into: Rows, options: PassOptions | None = None
) -> NDArray[np.float32]:
    """Write each example's derivatives of the logit directions by the gates to a row of `into`.

    One backward pass for each of K = C − 1 differences of logits (1 for regression), with several
    labels for each of the C logits.

    Returns:
        The teacher's logits.

    Shapes: into (N, K, U) -> (N, C), N here the number of examples.
    Raises:
        BadInput: NaN or infinite gradients. Incompatible: a pruned teacher. Cancelled.
    """
    options = options or PassOptions()
    shape = architectures.shape(teacher)
    logits = np.zeros((len(encoded), shape.classes), dtype=np.float32)
    several = encoded.labels.ndim == 2
    done, row_bytes = 0, 4 * directions(shape.classes, several) * _units(shape.grid())
    with gate_gradients(teacher, options) as gates:
        for rows in options.batches(encoded.lengths, row_bytes, teacher.device):
            outputs = gates.logits(encoded.batch(rows, teacher.device))
            gradients = gates.gradients(outputs, _directions(len(rows), shape.classes, several))
            logits[rows], into[rows] = _numpy(outputs), _numpy(gradients)
            done += len(rows)
            options.advance(done, len(encoded))
    return logits


def stream(
    teacher: PreTrainedModel,
    encoded: Encoded,
    student: Array,
    params: ScoreParams,
    options: PassOptions | None = None,
) -> Streamed:
    """Return scores without storing the Jacobian, for data where it would be too large.

    Where there are up to two directions (three classes, two labels), their backward passes serve
    both losses exactly; beyond, there is one for each loss. Memory does not grow with the number of
    examples.

    Args:
        student: The trial student's logits, in the data's order.

    Shapes: student (N, C), N here the number of examples.
    Raises:
        Incompatible: teacher and student disagree on the classes; a pruned teacher.
        BadInput: NaN or infinite logits or gradients; labels that are no classes. Cancelled.
    """
    options = options or PassOptions()
    shape = architectures.shape(teacher)
    logits = np.zeros((len(encoded), shape.classes), dtype=np.float32)
    check_logits(logits, student, encoded.labels)
    sums = Sums(len(encoded), _units(shape.grid()), params.batch_size)
    several = encoded.labels.ndim == 2
    done, row_bytes = 0, 4 * min(directions(shape.classes, several), 2) * sums.units
    with gate_gradients(teacher, options) as gates:
        for window in sums.windows():
            for local in options.batches(encoded.lengths[window], row_bytes, teacher.device):
                rows = local + window.start
                outputs = gates.logits(encoded.batch(rows, teacher.device))
                logits[rows] = _numpy(outputs)
                slopes = logit_gradients(
                    _numpy(outputs), student[rows], encoded.labels[rows], params
                )
                seeds, shares = _passes(slopes, several)
                sums.add(rows, gates.gradients(outputs, seeds), shares)
                done += len(rows)
                options.advance(done, len(encoded))
            sums.close_window()
    return _streamed(sums, logits, shape.grid(), params)


def _streamed(
    sums: Sums, logits: NDArray[np.float32], grid: tuple[int, int, int], params: ScoreParams
) -> Streamed:
    def scores(units: Array, aggregate: str) -> Scores:
        made = params.model_copy(update={"aggregate": aggregate})
        return Scores.from_units(units, grid, provenance(made, len(logits)))

    per_example = scores(sums.of_examples / len(logits), "per_example")
    return Streamed(scores(sums.of_batches, "per_batch"), per_example, logits)


def _passes(slopes: Array, multilabel: bool) -> tuple[Array, Array]:
    """Return the combinations to differentiate and their weights in each loss: the fewer passes.

    Shapes: slopes (2, B, C) -> (B, K, C), (2, B, K).
    """
    _, examples, classes = slopes.shape
    if directions(classes, multilabel) <= len(slopes):
        return _directions(examples, classes, multilabel), weights(slopes, multilabel)
    one_each = np.eye(len(slopes))[:, None, :].repeat(examples, axis=1)
    return slopes.swapaxes(0, 1), one_each


def _directions(examples: int, classes: int, multilabel: bool) -> Array:
    """Return the directions z_c − z_{C−1} for c < C − 1, or the one logit; of labels, all logits.

    Shapes: -> (B, K, C).
    """
    seeds = np.eye(directions(classes, multilabel), classes)
    if classes > 1 and not multilabel:
        seeds[:, -1] = -1
    return seeds[None].repeat(examples, axis=0)


def _units(grid: tuple[int, int, int]) -> int:
    layers, heads, neurons = grid
    return layers * (heads + neurons)


def _numpy(values: Tensor) -> Array:
    exact: Array = (
        values.detach().cpu().to(torch.promote_types(values.dtype, torch.float32)).numpy()
    )
    return exact
