"""Reinforced multi-teacher selection: which teachers teach which instance."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sparsekd.catalog.methods.teacher_selection import TeacherSelectionParams
from sparsekd.errors import Incompatible
from sparsekd.knowledge.losses import task_loss
from sparsekd.methods.base import BatchOutputs, Method, Setup, StepResult, TrainingProgress
from sparsekd.methods.teacher_policy import MovingAverage, TeacherPolicy, draws
from sparsekd.methods.teacher_rewards import (
    Instances,
    ahead,
    joined,
    mixture,
    reward,
    shares_of,
    states_of,
    terms,
)
from sparsekd.models import architectures

NOTES = 200  # logged numbers of one name, about
STUDYING, REHEARSING, BATCHES = range(3)  # what a draw is for


class TeacherSelection(Method):
    """A policy chooses teachers for each instance: α · CE + (1 − α) · mean of the chosen ones' KL.

    The schedule: the student learns from the average of all teachers; the selector learns while
    the student is fixed; then both learn in turn. The state of teacher k on an instance is the
    student's [CLS], the teacher's class probabilities and its loss on the gold label; where
    nobody is chosen, the likeliest teacher teaches.

    [choice] The instance's vector is the student's [CLS] of the last layer, detached, divided by
    the root of its width. Logits are softened by a temperature, with the factor T² (T = 1 is the
    formula as noted). Each choice earns its own instance's reward (`credit`), r1 unless asked
    otherwise: −L_KD also rewards a teacher that the student resembles already, useful or not,
    such as one that says little. A reward is read where one gradient step on the student's own
    logits would lead (`look_ahead`): the loss before it does not depend on the choice while the
    student is fixed. Its baseline is the reward without that step, all teachers chosen, plus a
    moving average of what steps gain. The third reward's accuracy is the task's first metric on
    the selection split, read every `reward_every` steps for all choices since. The fixed weights
    are learned once, where the policy is pre-trained (see `mixture`). Regression: squared errors,
    and the teacher's answer in place of class probabilities.

    The state contains the gold label, so the policy chooses while training only.

    Source: Yuan et al., AAAI 2021, arXiv 2012.06048 (policy, rewards, schedule).
    """

    params: TeacherSelectionParams

    def prepare(self, setup: Setup) -> None:
        """Ask for the student's [CLS] where a policy reads it; build the policy.

        Raises:
            Incompatible: fewer than two teachers; for the third reward, fewer held-out examples
                than a batch has, or accuracy that would never be read.
        """
        student, params = setup.student, self.params
        self.teachers, self.device, self.rows = setup.teacher_count, setup.device, setup.rows
        self.metric = setup.card.metrics[0]
        self.top = len(architectures.blocks(student))
        self.student_needs = {"cls": (self.top,)} if params.choose == "policy" else {}
        self.rewarded = params.choose == "policy" and params.reward == "r3"
        self.staged = params.choose in ("policy", "weights")
        pretrained = max(1, min(round(params.pretrain * setup.steps), setup.steps - 1))
        self.pretrained = pretrained if self.staged else 0
        self.check(setup)
        self.note_every = math.ceil(setup.steps / NOTES)
        self.key = int(torch.randint(2**62, (1,)))  # the loop has seeded torch by the run's seed
        width = int(student.config.hidden_size) + setup.card.classes + 1
        rate = params.selector_rate
        self.policy = TeacherPolicy(self.teachers, width, rate, self.device)
        self.weights = torch.full((self.teachers,), 1 / self.teachers, device=self.device)
        self.gain = MovingAverage(params.baseline_decay, self.device)
        self.quality = MovingAverage(params.baseline_decay, self.device)
        self.window: list[tuple[Tensor, Tensor]] = []

    def check(self, setup: Setup) -> None:
        """Refuse one teacher, and a third reward that would be read never or off too little."""
        if setup.teacher_count < 2:
            raise Incompatible(
                f"Choosing among teachers takes two or more, not {setup.teacher_count}.",
                "Name each one: --teacher A --teacher B.",
            )
        if not self.rewarded:
            return
        if setup.selection_rows < setup.batch_size:
            raise Incompatible(
                f"The selection split has {setup.selection_rows} examples, a batch "
                f"{setup.batch_size}: too few to read a reward off.",
                "Lower batch_size, choose another reward, or bring more training data.",
            )
        every, left = self.params.reward_every, setup.steps - self.pretrained
        if left < every:
            raise Incompatible(
                f"Held-out accuracy would never be read: {left} steps follow the pre-training, "
                f"and it is read every {every}.",
                f"Set reward_every to {max(1, left)} or less, or choose another reward.",
            )

    def loss(self, outputs: BatchOutputs, progress: TrainingProgress) -> dict[str, Tensor]:
        """The soft term of the chosen teachers and the hard term, weighted by 1 − α and α."""
        found = self.instances(outputs)
        _, shares = self.chosen(found, progress.step)
        return terms(outputs.student.logits, found, shares, self.params)

    def ready(self, progress: TrainingProgress) -> bool:
        """A student of all teachers alike is not yet the one that this method makes."""
        return progress.step >= self.pretrained or not self.staged

    # --- who teaches -------------------------------------------------------------------------

    def chosen(self, found: Instances, step: int) -> tuple[Tensor, Tensor]:
        """The actions at a step of the course, and each teacher's share of an instance's lesson.

        Shapes: -> (B, N) of 0 and 1, (B, N) with rows that add up to 1.
        """
        match self.params.choose:
            case "policy" if step >= self.pretrained:
                drawn = draws(self.key, (STUDYING, step), found.rows, self.teachers)
                return self.sampled(found, drawn)
            case "weights":
                shares = self.weights.expand(len(found), -1)
                return torch.ones_like(shares), shares
            case "oracle":
                best = found.losses().argmin(-1)
            case "random":
                drawn = draws(self.key, (BATCHES, step), np.zeros(1, dtype=np.int64), 1)
                best = (drawn[0, 0] * self.teachers).long().to(self.device).expand(len(found))
            case _:
                actions = torch.ones(len(found), self.teachers, device=self.device)
                return actions, actions / self.teachers
        actions = F.one_hot(best, self.teachers).float()
        return actions, actions

    def sampled(self, found: Instances, drawn: Tensor) -> tuple[Tensor, Tensor]:
        """The policy's actions for these uniform numbers, and the shares that follow.

        Shapes: drawn (B, N) -> (B, N), (B, N).
        """
        probabilities = self.policy.probabilities(found.states)
        actions = (drawn.to(self.device) < probabilities).float()
        return actions, shares_of(actions, probabilities)

    def instances(self, outputs: BatchOutputs) -> Instances:
        """What the selector sees of a batch."""
        logits = outputs.student.logits.detach().float()
        teachers = torch.stack([each.logits.float() for each in outputs.teachers], dim=1)
        found = Instances(
            logits, teachers, outputs.labels, logits.new_empty(len(logits)), outputs.rows
        )
        if self.params.choose != "policy":
            return found
        cls = outputs.student.cls[self.top].detach().float()
        return replace(found, states=states_of(cls, found))

    # --- learning ----------------------------------------------------------------------------

    def on_step_end(self, result: StepResult) -> None:
        """Teach the selector: at the end of the pre-training, and after every step from then on."""
        progress, step = result.progress, result.progress.step
        found = self.instances(result.outputs)
        actions, shares = self.chosen(found, step)
        if step % self.note_every == 0:
            self.note_shares(progress, shares)
        if self.staged and step + 1 == self.pretrained:
            self.study(result)
        elif self.params.choose == "policy" and step >= self.pretrained:
            told = self.learn(found, actions, shares)
            if step % self.note_every == 0:
                self.note_rewards(progress, *told)
            if self.rewarded:
                self.wait_for_accuracy(result, found, actions)

    def learn(self, found: Instances, actions: Tensor, shares: Tensor) -> tuple[Tensor, Tensor]:
        """One REINFORCE step on some instances; their mean reward and baseline.

        Shapes: actions, shares (B, N) -> (), ().
        """
        everyone = torch.full_like(shares, 1 / self.teachers)
        after = reward(ahead(found, shares, self.params), found, shares, self.params)
        before = reward(found.student, found, everyone, self.params)
        usual = self.gain.value
        advantage = after - before - usual
        if self.params.credit == "batch":
            advantage = advantage.mean().expand(len(found))
        if self.rewarded:
            advantage = self.params.gamma * advantage
        self.policy.learn(found.states, actions, advantage)
        self.gain.add((after - before).mean())
        return after.mean(), before.mean() + usual

    def study(self, result: StepResult) -> None:
        """The student is fixed: learn from how it and its teachers see some training examples."""
        batch = len(result.outputs.rows)
        known = self.reviewed(result, batch)
        if self.params.choose == "weights":
            self.weights = mixture(known.losses())
            return
        told = []
        for number in range(self.params.selector_passes):
            drawn = draws(self.key, (REHEARSING, number), known.rows, self.teachers)
            for start in range(0, len(known), batch):
                part = slice(start, start + batch)
                found = known.some(part)
                told.append(self.learn(found, *self.sampled(found, drawn[part])))
        last = told[-math.ceil(len(known) / batch) :]
        self.note_rewards(
            result.progress, *(torch.stack(each).mean() for each in zip(*last, strict=True))
        )

    def reviewed(self, result: StepResult, batch: int) -> Instances:
        """At most `selector_examples` training examples as student and teachers see them now."""
        rows = np.random.default_rng(self.key).permutation(self.rows)
        rows = rows[: self.params.selector_examples]
        parts = [
            self.instances(result.observe(rows[start : start + batch]))
            for start in range(0, len(rows), batch)
        ]
        return joined(parts)

    def wait_for_accuracy(self, result: StepResult, found: Instances, actions: Tensor) -> None:
        """The third reward's last part: every `reward_every` steps, for all choices since."""
        self.window.append((found.states, actions))
        progress = result.progress
        if (progress.step + 1 - self.pretrained) % self.params.reward_every:
            return
        states, actions = (torch.cat(part) for part in zip(*self.window, strict=True))
        self.window = []
        quality = torch.tensor(result.evaluate()[self.metric], device=self.device)
        usual = self.quality.value if self.quality.sums[1] else quality
        advantage = (1 - self.params.gamma) * (quality - usual)
        self.policy.learn(states, actions, advantage.expand(len(states)))
        self.quality.add(quality)
        told = {"reward/held_out": float(quality), "reward/held_out baseline": float(usual)}
        self.log(progress, told)

    # --- telling and keeping -----------------------------------------------------------------

    def note_rewards(self, progress: TrainingProgress, reward: Tensor, baseline: Tensor) -> None:
        """Reading the numbers waits for the device: now and then only."""
        self.log(progress, {"reward/total": float(reward), "reward/baseline": float(baseline)})

    def note_shares(self, progress: TrainingProgress, shares: Tensor) -> None:
        """The share of a batch's instances that each teacher taught, or its fixed weight."""
        fixed = self.params.choose == "weights"
        taught = shares.mean(0) if fixed else shares.gt(0).float().mean(0)
        named = enumerate(taught.tolist(), start=1)
        self.log(progress, {f"share/teacher_{number}": share for number, share in named})

    @torch.no_grad()
    def inspect_examples(self, outputs: BatchOutputs) -> list[dict[str, Any]]:
        """Who would teach each instance and why; `chosen` is the likelier action.

        A random teacher per batch is not chosen for an instance: then there is nothing to tell.
        """
        if self.params.choose == "random":
            return []
        found = self.instances(outputs)
        probabilities, chosen = self.likely(found)
        losses, student = found.losses(), task_loss(found.student, found.labels)
        return [
            {
                "row": int(row),
                "teacher": teacher + 1,
                "probability": float(probabilities[place, teacher]),
                "chosen": bool(chosen[place, teacher]),
                "teacher_loss": float(losses[place, teacher]),
                "student_loss": float(student[place]),
                "label": float(found.labels[place]),
            }
            for place, row in enumerate(found.rows)
            for teacher in range(self.teachers)
        ]

    def likely(self, found: Instances) -> tuple[Tensor, Tensor]:
        """Each teacher's probability (a fixed weight: its share), and the likelier action.

        Shapes: -> (B, N), (B, N).
        """
        if self.params.choose != "policy":
            actions, shares = self.chosen(found, self.pretrained)
            return shares if self.params.choose == "weights" else actions, actions
        probabilities = self.policy.probabilities(found.states)
        actions = (probabilities >= 0.5).float()
        return probabilities, shares_of(actions, probabilities).gt(0)

    def state_dict(self) -> dict[str, Tensor]:
        """Policy, averages, weights, and the choices that still wait for their reward."""
        kept = {f"policy/{name}": tensor for name, tensor in self.policy.state_dict().items()}
        kept |= {"weights": self.weights, "gain": self.gain.sums, "quality": self.quality.sums}
        for number, (states, actions) in enumerate(self.window):
            kept |= {f"window/{number}/states": states, f"window/{number}/actions": actions}
        return kept

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take back what `state` gave."""
        placed = {name: tensor.to(self.device) for name, tensor in state.items()}
        policy = {name: state[name] for name in state if name.startswith("policy/")}
        self.policy.load_state_dict(
            {name.removeprefix("policy/"): each for name, each in policy.items()}
        )
        self.weights, self.gain.sums = placed["weights"], placed["gain"]
        self.quality.sums = placed["quality"]
        waiting = sum(name.startswith("window/") for name in placed) // 2
        self.window = [
            (placed[f"window/{number}/states"], placed[f"window/{number}/actions"])
            for number in range(waiting)
        ]
