"""The training loop: epochs, evaluation after each, early stopping, checkpoints."""

import math
import time
from copy import deepcopy
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from sparsekd.errors import BadInput, Cancelled, Incompatible
from sparsekd.knowledge.evaluation import evaluate
from sparsekd.methods.base import BatchOutputs, StepResult, TrainingProgress
from sparsekd.training.checkpoint import Checkpoint, merged
from sparsekd.training.clock import Clock
from sparsekd.training.events import EpochEnded, StepLogged
from sparsekd.training.loss_means import LossMeans
from sparsekd.training.optimisation import moments, set_moments
from sparsekd.training.state import TrainerState, TrainingResult
from sparsekd.training.step import TrainingStep


class Trainer:
    """The loop of training steps over epochs, with evaluation on the selection split after each.

    Where the method needs training episodes, the same steps are taken before, each time from the
    first weights with a fresh optimiser, and without evaluation.

    Raises:
        Incompatible: the job's checkpoint belongs to another job.
    """

    def __init__(self, training_step: TrainingStep) -> None:
        self.training_step, self.job = training_step, training_step.job
        self.state, self.losses, self.clock = TrainerState(), LossMeans(), Clock()
        self.epoch_steps = training_step.epoch_steps
        self.training_steps = self.epoch_steps * self.job.params.epochs  # of each training
        self.episodes = self.job.method.training_episodes
        self.steps = self.training_steps * (self.episodes + 1)
        weights = self.training_step.all_weights() if self.episodes else {}
        self.first_weights = {name: tensor.detach().clone() for name, tensor in weights.items()}
        self.best_weights: dict[str, Tensor] = {}
        self.batches: list[NDArray[np.int64]] = []
        self.inspected_before = training_step.inspect_examples()
        if self.job.checkpoint:
            self.restore(self.job.checkpoint)

    # --- the loop -----------------------------------------------------------------------------

    def run(self) -> None:
        """Take steps until the training is finished.

        Raises:
            Cancelled: the job's `should_stop` returned True.
        """
        self.job.model.train()
        while not self.finished:
            if self.job.callbacks.should_stop():
                raise self.cancel()
            self.advance()

    @property
    def finished(self) -> bool:
        """Return whether the planned steps or the patience are used up."""
        patience = self.job.params.patience
        return self.state.step >= self.steps or self.state.epochs_since_best >= patience

    def cancel(self) -> Cancelled:
        """Save a last checkpoint; return the error that ends the training."""
        self.save()
        return Cancelled(
            f"Stopped after step {self.state.step} of {self.steps}.",
            "Resume the run to go on from there.",
        )

    def advance(self) -> None:
        """Take one step, then evaluate, report and save if it is time to."""
        start = time.monotonic()
        self.take_step()
        self.after_step(time.monotonic() - start)

    def take_step(self) -> None:
        """Train on the next batch and pass the result to the method."""
        progress = self.progress()
        outputs, terms = self.training_step.run(self.next_rows(progress), progress)
        self.end_step(outputs, terms, progress)

    def progress(self) -> TrainingProgress:
        """Return the position of the next step in its training."""
        episode, step = divmod(self.state.step, self.training_steps)
        return TrainingProgress(step, self.training_steps, step // self.epoch_steps, episode)

    def next_rows(self, progress: TrainingProgress) -> NDArray[np.int64]:
        """Return the rows of the next batch; before the first one, start its training.

        Shapes: -> (B,).
        """
        if progress.step == 0:
            self.start_training(progress.episode)
        index = progress.step % self.epoch_steps
        if index == 0 or not self.batches:
            self.batches = self.training_step.epoch_batches(progress.epoch, progress.episode)
        return self.batches[index]

    def start_training(self, episode: int) -> None:
        """Start an episode or the final training: all but the first restore the first weights."""
        if episode:
            self.training_step.optimiser.state.clear()
            self.training_step.load_weights(self.first_weights)
        self.job.method.on_train_start(episode)

    def end_step(
        self, outputs: BatchOutputs, terms: dict[str, Tensor], progress: TrainingProgress
    ) -> None:
        """Pass the result of a step to the method and count it."""
        observe = self.training_step.eval_outputs
        self.job.method.on_step_end(
            StepResult(outputs, terms, progress, self.evaluate_for_method, observe)
        )
        self.losses.add(terms)
        self.count_step(len(outputs.rows))

    def count_step(self, examples: int) -> None:
        """Count a step over some examples."""
        self.clock.count(examples)
        self.state.step += 1

    def after_step(self, seconds: float) -> None:
        """Evaluate, report and save if it is time to, after a step that took `seconds`."""
        start = time.monotonic()
        epoch_ended = self.state.step % self.epoch_steps == 0
        final = self.state.step > self.training_steps * self.episodes
        if epoch_ended and final:
            self.end_epoch()
        self.state.seconds += seconds + time.monotonic() - start
        if epoch_ended or self.clock.report_due():
            self.report(epoch_ended and final)
        if epoch_ended:
            self.losses.clear()
        if self.clock.save_due(self.job.callbacks.save_every, epoch_ended):
            self.save()

    # --- evaluation ---------------------------------------------------------------------------

    def end_epoch(self) -> None:
        """Evaluate the student and keep a copy of its weights if they are the best so far."""
        losses, start = self.mean_losses(), time.monotonic()
        metrics = self.evaluate()
        self.clock.count_evaluation(start)
        epoch = len(self.state.history)
        better = not self.state.best or self.rank(metrics) > self.rank(self.state.best)
        best = self.eligible(epoch) and better
        if best:
            self.state.best, self.state.best_epoch = metrics, epoch
            weights = self.job.model.state_dict()
            self.best_weights = {name: each.detach().clone() for name, each in weights.items()}
        entry = {"epoch": epoch, "step": self.state.step, "losses": losses, "metrics": metrics}
        self.state.history.append(entry | {"best": best})

    def evaluate(self) -> dict[str, float]:
        """Return the current student's metrics and mean loss on the selection split."""
        return evaluate(self.job.model, self.job.selection, self.job.card, self.job.device)[0]

    def evaluate_for_method(self) -> dict[str, float]:
        """Count and return an evaluation that the method requests."""
        self.state.passes += 1
        return self.evaluate()

    def rank(self, metrics: dict[str, float]) -> tuple[float, float]:
        """Return the sort key of an evaluation: the first metric, then the lower loss."""
        return metrics[self.job.card.metrics[0]], -metrics["loss"]

    def eligible(self, epoch: int) -> bool:
        """Return whether an epoch may be the best: the last one, or where the method is ready."""
        step = (epoch + 1) * self.epoch_steps - 1
        progress = TrainingProgress(step, self.training_steps, epoch, self.episodes)
        return self.job.method.ready(progress) or step == self.training_steps - 1

    def mean_losses(self) -> dict[str, float]:
        """Return each term's mean over the examples of the epoch so far.

        Raises:
            BadInput: one is not finite.
        """
        means = self.losses.values()
        for name, mean in means.items():
            if not math.isfinite(mean):
                raise BadInput(
                    f"The loss term {name!r} became {mean} before step {self.state.step}.",
                    "The training diverged: lower learning_rate (now "
                    f"{self.job.params.learning_rate:g}).",
                )
        return means

    # --- reports and checkpoints --------------------------------------------------------------

    def report(self, epoch_ended: bool) -> None:
        """Send an event with the position, the losses and what the method logged."""
        step, method = self.state.step, self.job.method
        episode, index = divmod(step - 1, self.training_steps)
        logged, method.logged = method.logged, []
        speed, eta = self.clock.speed(self.steps - step)
        event = StepLogged(
            step=step,
            steps=self.steps,
            epoch=index // self.epoch_steps,
            epochs=self.job.params.epochs,
            episode=episode,
            episodes=self.episodes,
            losses=self.mean_losses(),
            logged=logged,
            examples_per_second=speed,
            eta=eta,
        )
        if epoch_ended:
            last = self.state.history[-1]
            event = EpochEnded(**vars(event), metrics=last["metrics"], best=last["best"])
        self.job.callbacks.on_event(event)

    def save(self) -> None:
        """Save a checkpoint, unless the training has already diverged."""
        self.mean_losses()
        if self.job.method.logged:
            self.report(epoch_ended=False)
        start = time.monotonic()
        self.job.callbacks.save_checkpoint(self.checkpoint())
        self.clock.count_save(start)

    def checkpoint(self) -> Checkpoint:
        """Return everything that the rest of the training depends on."""
        parts = {
            "best": self.best_weights,
            "optimiser": moments(self.training_step.optimiser),
            "sums": self.losses.sums,
            "method": self.job.method.state_dict(),
        }
        facts = {"seen": self.losses.counts, "steps": self.steps, "seed": self.job.seed}
        return Checkpoint(
            merged(parts) | self.training_step.all_weights(), asdict(self.state) | facts
        )

    def restore(self, checkpoint: Checkpoint) -> None:
        """Continue from a checkpoint of the same job.

        Raises:
            Incompatible: it belongs to another job.
        """
        facts = deepcopy(checkpoint.facts)
        self.check_plan(facts.pop("steps"), facts.pop("seed"))
        counts = facts.pop("seen")
        self.state = TrainerState(**facts)
        self.losses = LossMeans(self.on_device(checkpoint.part("sums")), counts)
        self.training_step.load_weights(checkpoint.tensors)
        set_moments(self.training_step.optimiser, checkpoint.part("optimiser"))
        self.job.method.load_state_dict(checkpoint.part("method"))
        self.best_weights = self.on_device(checkpoint.part("best"))
        progress = self.progress()
        self.batches = self.training_step.epoch_batches(progress.epoch, progress.episode)

    def check_plan(self, steps: int, seed: int) -> None:
        """Check that a checkpoint was planned with this job's steps and seed.

        Raises:
            Incompatible: it was not.
        """
        if (steps, seed) != (self.steps, self.job.seed):
            raise Incompatible(
                f"The checkpoint plans {steps} steps with seed {seed}, this run {self.steps} "
                f"with seed {self.job.seed}.",
                "Delete the checkpoint to start from the beginning.",
            )

    def on_device(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the tensors on the job's device."""
        return {name: tensor.to(self.job.device) for name, tensor in tensors.items()}

    def result(self) -> TrainingResult:
        """Give the model its best weights; return how the training went."""
        self.job.model.load_state_dict(self.best_weights)
        self.job.model.eval()
        state, episode_steps = self.state, self.training_steps * self.episodes
        after = self.training_step.inspect_examples()
        inspected = {"before": self.inspected_before, "after": after}
        return TrainingResult(
            state.best,
            state.best_epoch,
            state.step - episode_steps,
            state.seconds,
            state.history,
            episode_steps,
            state.passes,
            [{"when": when} | row for when, rows in inspected.items() for row in rows],
            self.job.method.facts(),
        )
