"""Reinforced multi-teacher selection: a policy selects the teachers of each instance."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sparsekd.catalog.methods.teacher_selection import TeacherSelectionParams
from sparsekd.methods.base import BatchOutputs, Method, Setup, StepResult, TrainingProgress
from sparsekd.methods.choice_agreement import ChoiceAgreement
from sparsekd.methods.held_out_reward import HeldOutReward
from sparsekd.methods.teacher_policy import uniform
from sparsekd.methods.teacher_rewards import (
    Instances,
    concatenate,
    held_out_losses,
    loss_terms,
    mixture_weights,
    states_of,
    targets_of,
    teacher_weights,
)
from sparsekd.methods.teacher_selector import TeacherSelector, check_setup, uses_accuracy
from sparsekd.models import architectures

STEP_LOGS = 200  # logged values of one name, approximately
FIXED = ("weights", "held_out_weights")
ON_POLICY, PRETRAINING, RANDOM_TEACHER = range(3)  # independent streams of random draws


class TeacherSelection(Method):
    """α · CE + (1 − α) · mean KL to the teachers that a policy selects for each instance.

    The schedule: the student is trained with the average of all teachers; the policy is trained
    with the student frozen; then both are trained in turn. The state of teacher k on an instance
    is the student's [CLS], the teacher's class probabilities and its loss on the gold label, or
    where there is none, on the mean of all teachers; where no teacher is selected, the likeliest
    one is used.

    Choices of this project: the instance's vector is the student's [CLS] of the last layer,
    detached, divided by the root of its width. Logits are softened by a temperature, with the
    factor T² (T = 1 in the paper). The default reward is the decrease of the loss on the selection
    split by the student's real updates (`HeldOutReward`); it takes no selector pre-training, since
    a frozen student has none. The source's rewards, r1 to r3, are on the instance itself (`credit`)
    and follow one gradient step on the student's own logits (`look_ahead`): the loss before it does
    not depend on the action while the student is frozen. With two classes r1 prefers the teacher
    with the smallest loss on the gold label, the oracle's choice; −L_KD also rewards a teacher that
    the student already resembles, useful or not. The baseline of these is the reward without that
    step, with all teachers selected, plus a moving average of the gain of a step. The third
    reward's accuracy is the task's first metric on the selection split, evaluated every
    `reward_every` steps for all actions since. The fixed weights are learned once
    (`mixture_weights`), from the selection split, since teachers fit the training examples too
    well. A state's loss is on the training example, as in the source: the policy is rewarded for
    using it on other examples. Regression: squared errors, and the teacher's output in place of
    class probabilities.

    The state contains the gold label, so the policy only acts during training.

    Source: Yuan et al., AAAI 2021, arXiv 2012.06048 (policy, rewards, schedule).
    """

    params: TeacherSelectionParams

    def prepare(self, setup: Setup) -> None:
        """Request the student's [CLS] where a policy needs it; build the selector.

        Raises:
            Incompatible: fewer than two teachers; for the third reward, fewer held-out examples
                than a batch has, or too few steps to evaluate accuracy once.
        """
        student, params = setup.student, self.params
        self.teachers, self.device, self.rows = setup.teacher_count, setup.device, setup.rows
        self.metric = setup.card.metrics[0]
        self.last_layer = len(architectures.blocks(student))
        self.student_needs = {"cls": (self.last_layer,)} if params.choose == "policy" else {}
        self.staged = params.choose in ("policy", "weights")
        pretrained = max(1, min(round(params.pretrain * setup.steps), setup.steps - 1))
        self.pretrained = pretrained if self.staged else 0
        check_setup(params, setup, self.pretrained)
        self.log_every = math.ceil(setup.steps / STEP_LOGS)
        self.key = int(torch.randint(2**62, (1,)))  # torch is seeded by the trainer
        width = int(student.config.hidden_size) + setup.card.classes + 1
        self.selector = TeacherSelector(params, self.teachers, width, self.device)
        self.weights = torch.full((self.teachers,), 1 / self.teachers, device=self.device)
        if setup.held_out is not None and setup.held_out_labels is not None:
            self.weights = mixture_weights(held_out_losses(setup.held_out, setup.held_out_labels))
        self.agreement = ChoiceAgreement(self.teachers, self.device)
        self.held_out: HeldOutReward | None = None
        if params.rewards_held_out:
            self.held_out = HeldOutReward(
                params, self.selector.policy, self.pretrained, setup.steps, self.key
            )

    def loss(self, outputs: BatchOutputs, progress: TrainingProgress) -> dict[str, Tensor]:
        """Return the soft term of the selected teachers and the hard term."""
        instances = self.instances(outputs)
        _, weights = self.select(instances, progress.step)
        return loss_terms(outputs.student.logits, instances, weights, self.params)

    def ready(self, progress: TrainingProgress) -> bool:
        """Return whether the pre-training, with equal weights, is over."""
        return progress.step >= self.pretrained or not self.staged

    # --- selection ---------------------------------------------------------------------------

    def select(self, instances: Instances, step: int) -> tuple[Tensor, Tensor]:
        """Return the actions at a step of the training, and each teacher's weight.

        Shapes: -> (B, N) of 0 and 1, (B, N) with rows that add up to 1.
        """
        match self.params.choose:
            case "policy" if step >= self.pretrained:
                draws = uniform(self.key, (ON_POLICY, step), instances.rows, self.teachers)
                return self.selector.sample(instances, draws)
            case "weights" | "held_out_weights":
                weights = self.weights.expand(len(instances), -1)
                return torch.ones_like(weights), weights
            case "oracle":
                best = instances.losses().argmin(-1)
            case "random":
                draw = uniform(self.key, (RANDOM_TEACHER, step), np.zeros(1, dtype=np.int64), 1)
                teacher = (draw[0, 0] * self.teachers).long().to(self.device)
                best = teacher.expand(len(instances))
            case _:
                actions = torch.ones(len(instances), self.teachers, device=self.device)
                return actions, actions / self.teachers
        actions = F.one_hot(best, self.teachers).float()
        return actions, actions

    def instances(self, outputs: BatchOutputs) -> Instances:
        """Return a batch as the selector observes it."""
        logits = outputs.student.logits.detach().float()
        teachers = torch.stack([each.logits.float() for each in outputs.teachers], dim=1)
        no_states = logits.new_empty(len(logits))
        labels, labelled = outputs.labels, outputs.labelled_mask()
        targets = targets_of(teachers, labels, labelled)
        rows, weights_of = outputs.rows, outputs.class_weights
        instances = Instances(
            logits, teachers, labels, targets, no_states, rows, labelled, weights_of
        )
        if self.params.choose != "policy":
            return instances
        cls = outputs.student.cls[self.last_layer].detach().float()
        return replace(instances, states=states_of(cls, instances))

    # --- training the selector ---------------------------------------------------------------

    def on_step_end(self, result: StepResult) -> None:
        """Train the selector: at the end of the pre-training, then after every step."""
        progress, step = result.progress, result.progress.step
        instances = self.instances(result.outputs)
        actions, weights = self.select(instances, step)
        if step % self.log_every == 0:
            self.log_shares(progress, weights)
        if step >= self.pretrained:
            self.agreement.add(weights, instances.losses(), instances.labelled)
        if self.held_out:
            self.reward_held_out(self.held_out, result, instances, actions)
        elif self.staged and step + 1 == self.pretrained:
            self.pretrain_selector(result)
        elif self.params.choose == "policy" and step >= self.pretrained:
            rewards = self.selector.reinforce(instances, actions, weights)
            if step % self.log_every == 0:
                self.log_rewards(progress, *rewards)
            if uses_accuracy(self.params):
                self.reinforce_by_accuracy(result, instances, actions)

    def reward_held_out(
        self, reward: HeldOutReward, result: StepResult, instances: Instances, actions: Tensor
    ) -> None:
        """Add the step to its window; where one ends, train the policy and begin the next."""
        step = result.progress.step
        if step >= self.pretrained:
            reward.add(instances.states, actions)
        if step not in reward.ends:
            return
        loss = result.evaluate()["loss"]
        if step < self.pretrained:
            reward.start(step, loss)
            return
        gain, baseline = reward.end(step, loss)
        self.log(result.progress, {"reward/held_out": gain, "reward/held_out baseline": baseline})

    def pretrain_selector(self, result: StepResult) -> None:
        """Train the selector on some training examples with the student frozen."""
        batch = len(result.outputs.rows)
        examples = self.collect(result, batch)
        if self.params.choose == "weights":
            self.weights = mixture_weights(examples.losses())
            return
        rewards = []
        for number in range(self.params.selector_passes):
            draws = uniform(self.key, (PRETRAINING, number), examples.rows, self.teachers)
            for start in range(0, len(examples), batch):
                rows = slice(start, start + batch)
                part = examples.subset(rows)
                actions, weights = self.selector.sample(part, draws[rows])
                rewards.append(self.selector.reinforce(part, actions, weights))
        last_pass = rewards[-math.ceil(len(examples) / batch) :]
        means = (torch.stack(each).mean() for each in zip(*last_pass, strict=True))
        self.log_rewards(result.progress, *means)

    def collect(self, result: StepResult, batch: int) -> Instances:
        """Return at most `selector_examples` training examples with their current outputs."""
        rows = np.random.default_rng(self.key).permutation(self.rows)
        rows = rows[: self.params.selector_examples]
        parts = [
            self.instances(result.observe(rows[start : start + batch]))
            for start in range(0, len(rows), batch)
        ]
        return concatenate(parts)

    def reinforce_by_accuracy(
        self, result: StepResult, instances: Instances, actions: Tensor
    ) -> None:
        """Apply the accuracy part of r3 every `reward_every` steps, to all actions since."""
        self.selector.window.append((instances.states, actions))
        if (result.progress.step + 1 - self.pretrained) % self.params.reward_every:
            return
        accuracy, baseline = self.selector.reinforce_by_accuracy(result.evaluate()[self.metric])
        values = {"reward/held_out": float(accuracy), "reward/held_out baseline": float(baseline)}
        self.log(result.progress, values)

    # --- logs, examples and checkpoints ------------------------------------------------------

    def log_rewards(self, progress: TrainingProgress, reward: Tensor, baseline: Tensor) -> None:
        """Log reward and baseline; called at intervals, since it waits for the device."""
        self.log(progress, {"reward/total": float(reward), "reward/baseline": float(baseline)})

    def log_shares(self, progress: TrainingProgress, weights: Tensor) -> None:
        """Log the share of a batch's instances that each teacher has, or its fixed weight."""
        fixed = self.params.choose in FIXED
        shares = weights.mean(0) if fixed else weights.gt(0).float().mean(0)
        numbered = enumerate(shares.tolist(), start=1)
        self.log(progress, {f"share/teacher_{number}": share for number, share in numbered})

    @torch.no_grad()
    def inspect_examples(self, outputs: BatchOutputs) -> list[dict[str, Any]]:
        """Return each instance's teachers with probability and loss; `chosen` is the greedy action.

        Empty for one random teacher per batch, which is not selected for an instance.
        """
        if self.params.choose == "random":
            return []
        instances = self.instances(outputs)
        probabilities, chosen = self.greedy(instances)
        losses = instances.losses()
        student = instances.loss(instances.student, instances.targets)
        return [
            {
                "row": int(row),
                "teacher": teacher + 1,
                "probability": float(probabilities[index, teacher]),
                "chosen": bool(chosen[index, teacher]),
                "teacher_loss": float(losses[index, teacher]),
                "student_loss": float(student[index]),
                "label": instances.labels[index].tolist(),
            }
            for index, row in enumerate(instances.rows)
            for teacher in range(self.teachers)
        ]

    def greedy(self, instances: Instances) -> tuple[Tensor, Tensor]:
        """Return each teacher's probability (or fixed weight), and the likelier action.

        Shapes: -> (B, N), (B, N).
        """
        if self.params.choose != "policy":
            actions, weights = self.select(instances, self.pretrained)
            return weights if self.params.choose in FIXED else actions, actions
        probabilities = self.selector.policy.probabilities(instances.states, exploring=False)
        actions = (probabilities >= 0.5).float()
        return probabilities, teacher_weights(actions, probabilities).gt(0)

    def facts(self) -> dict[str, Any]:
        """Return the agreement of the choices with the oracle's and with equal weights."""
        found = self.agreement.facts()
        return {"choice_agreement": found} if found else {}

    def state_dict(self) -> dict[str, Tensor]:
        """Return the fixed weights, the selector's state and the agreement so far."""
        own = {"weights": self.weights, "overlaps": self.agreement.sums}
        if self.held_out:
            own |= {f"held_out/{name}": each for name, each in self.held_out.state_dict().items()}
        return own | self.selector.state_dict()

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore what `state_dict` returned; earlier versions kept no agreement."""
        self.weights = state["weights"].to(self.device)
        if "overlaps" in state:
            self.agreement.sums = state["overlaps"].to(self.device)
        self.selector.load_state_dict(state)
        if self.held_out:
            prefix = "held_out/"
            own = {n.removeprefix(prefix): t for n, t in state.items() if n.startswith(prefix)}
            self.held_out.load_state_dict(own)
