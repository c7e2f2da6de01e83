"""Scores of a teacher's heads and neurons: what each is worth to the task and to the student.

Batches are computed sorted by length; what belongs to one scoring batch is summed afterwards,
in the data's own order.

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
from sparsekd.knowledge.gradients import Pace, watched
from sparsekd.models import architectures
from sparsekd.units.jacobians import Rows
from sparsekd.units.rescoring import check_logits, directions, logit_gradients, provenance, weights
from sparsekd.units.scores import Scores

Array = NDArray[Any]


@dataclass(frozen=True)
class Streamed:
    """Both aggregations of one pass, and the teacher's logits, which need no other.

    Shapes: logits (N, C), N here the number of examples.
    """

    per_batch: Scores
    per_example: Scores
    logits: NDArray[np.float32]


def jacobian(
    teacher: PreTrainedModel, encoded: Encoded, into: Rows, pace: Pace | None = None
) -> NDArray[np.float32]:
    """Put each example's derivatives of the logit directions by the gates into a row of `into`.

    One backward pass for each of K = C − 1 differences of logits (1 for regression).

    Returns:
        The teacher's logits.

    Shapes: into (N, K, U) -> (N, C), N here the number of examples.
    Raises:
        BadInput: NaN or infinite gradients. Incompatible: a pruned teacher. Cancelled.
    """
    pace = pace or Pace()
    shape = architectures.shape(teacher)
    logits = np.zeros((len(encoded), shape.classes), dtype=np.float32)
    done, row_bytes = 0, 4 * directions(shape.classes) * _units(shape.grid())
    with watched(teacher, pace) as watch:
        for rows in pace.batches(encoded.lengths, row_bytes, teacher.device):
            outputs = watch.logits(encoded.batch(rows, teacher.device))
            gradients = watch.gradients(outputs, _differences(len(rows), shape.classes))
            logits[rows], into[rows] = _numpy(outputs), _numpy(gradients)
            done += len(rows)
            pace.told(done, len(encoded))
    return logits


def stream(
    teacher: PreTrainedModel,
    encoded: Encoded,
    student: Array,
    params: ScoreParams,
    pace: Pace | None = None,
) -> Streamed:
    """Scores without keeping the Jacobian: where it would be too large, or is not wanted again.

    Up to three classes, C − 1 backward passes serve both losses exactly; beyond, there is one
    for each loss. Memory does not grow with the number of examples.

    Args:
        student: The trial student's logits, in the data's order.

    Shapes: student (N, C), N here the number of examples.
    Raises:
        Incompatible: teacher and student disagree on the classes; a pruned teacher.
        BadInput: NaN or infinite logits or gradients; labels that are no classes. Cancelled.
    """
    pace = pace or Pace()
    shape = architectures.shape(teacher)
    logits = np.zeros((len(encoded), shape.classes), dtype=np.float32)
    check_logits(logits, student, encoded.labels)
    sums = Sums(len(encoded), _units(shape.grid()), params.batch_size)
    done, row_bytes = 0, 4 * min(directions(shape.classes), 2) * sums.units
    with watched(teacher, pace) as watch:
        for window in sums.windows():
            for local in pace.batches(encoded.lengths[window], row_bytes, teacher.device):
                rows = local + window.start
                outputs = watch.logits(encoded.batch(rows, teacher.device))
                logits[rows] = _numpy(outputs)
                slopes = logit_gradients(
                    _numpy(outputs), student[rows], encoded.labels[rows], params
                )
                seeds, shares = _passes(slopes)
                sums.add(rows, watch.gradients(outputs, seeds), shares)
                done += len(rows)
                pace.told(done, len(encoded))
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


def _passes(slopes: Array) -> tuple[Array, Array]:
    """What to differentiate, and its share in each loss: the cheaper of the two ways.

    Shapes: slopes (2, B, C) -> (B, K, C), (2, B, K).
    """
    _, examples, classes = slopes.shape
    if directions(classes) <= len(slopes):
        return _differences(examples, classes), weights(slopes)
    one_each = np.eye(len(slopes))[:, None, :].repeat(examples, axis=1)
    return slopes.swapaxes(0, 1), one_each


def _differences(examples: int, classes: int) -> Array:
    """z_c − z_{C−1} for c < C − 1, or the one logit.

    Shapes: -> (B, K, C).
    """
    seeds = np.eye(directions(classes), classes)
    if classes > 1:
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
