"""Training: one loop for every method, resumable at any step with the same result."""

from contextlib import ExitStack

import torch

from sparsekd.knowledge.observe import reduced_last_layer
from sparsekd.models.memory import enough_memory
from sparsekd.training.job import Callbacks, TrainingJob
from sparsekd.training.stacked import check_stackable, train_stacked
from sparsekd.training.state import TrainingResult
from sparsekd.training.step import TrainingStep
from sparsekd.training.trainer import Trainer

__all__ = [
    "Callbacks",
    "TrainingJob",
    "TrainingResult",
    "check_stackable",
    "train",
    "train_stacked",
]

MEMORY_HINT = "Lower batch_size or max_length, or choose a smaller student."


def train(job: TrainingJob) -> TrainingResult:
    """Train the job's model in place until the planned steps or the patience are used up.

    Batches are bucketed by length, padded to their own longest; where the method does not need
    its hidden states, the last layer is computed for [CLS] only. The same job gives the same
    result on a CPU, whether or not it was interrupted and resumed in between.

    Raises:
        Cancelled: `should_stop` returned True; the checkpoint saved last continues from there.
        BadInput: the loss is not finite; Unavailable: memory ran out.
        Incompatible: model, method, data and teachers do not fit together, or the checkpoint
            belongs to another job.
    """
    with enough_memory(MEMORY_HINT), ExitStack() as contexts:
        contexts.enter_context(torch.random.fork_rng(job.cuda_devices))
        step = TrainingStep(job)
        contexts.enter_context(reduced_last_layer(job.model, job.method.student_needs))
        trainer = Trainer(step)
        trainer.run()
        return trainer.result()
