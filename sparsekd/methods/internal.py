"""Internal representations: attention and [CLS] vectors, layer by layer, then the soft labels."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from sparsekd.catalog.methods.internal import InternalParams
from sparsekd.knowledge.losses import task_loss
from sparsekd.knowledge.observe import InternalState
from sparsekd.knowledge.relations import every_nth
from sparsekd.knowledge.representations import attention_kl, cls_cosine
from sparsekd.methods.base import (
    BatchOutputs,
    Method,
    Setup,
    StepResult,
    TrainingProgress,
    require_one_teacher,
    soft_label_loss,
)
from sparsekd.methods.layers import depth, maps_between

WATCHED = 60  # steps of a course at which every layer's distance is noted, at most


class Internal(Method):
    """KL of attention rows and 1 − cosine of [CLS] vectors at matched layers, by a schedule.

    Student layer k of m matches teacher layer k·L_T/m. All at once: every layer's losses and the
    soft labels at every step. Progressive: one layer's losses at a time, bottom-up, then the soft
    labels alone. Stacked: as progressive, but lower layers' losses stay. The student is judged
    in the last stage only.

    Decided here, where the source is open: every stage has the same share of one total budget
    (or `last_share` goes to the soft labels); progressive is the default, because it is the order
    that sets this method apart from matching everything at every step; attention is averaged
    over heads, and heads are averaged before where their numbers differ, as after pruning; [CLS]
    goes through a learned linear map where widths differ; a layer that pruning left without heads
    has no attention, and is refused.

    Source: Aguilar et al., AAAI 2020, arXiv 1910.03723.
    """

    params: InternalParams
    reads_layers = True

    def prepare(self, setup: Setup) -> None:
        """Match layers, build maps between widths.

        Raises:
            Incompatible: not one teacher, or layers that cannot be matched.
        """
        require_one_teacher("Internal distillation", setup)
        student, teacher = depth(setup.student), depth(setup.teachers[0])
        self.layers = dict(enumerate(every_nth(student, teacher), start=1))
        weights: dict[InternalState, float] = {
            "attention": self.params.attention_weight,
            "cls": self.params.cls_weight,
        }
        self.weights = {kind: weight for kind, weight in weights.items() if weight}
        ours: dict[InternalState, InternalState] = {"attention": "scores", "cls": "cls"}
        self.student_needs = {ours[kind]: tuple(self.layers) for kind in self.weights}
        self.teacher_needs = {kind: tuple(self.layers.values()) for kind in self.weights}
        maps = maps_between(setup, self.layers) if "cls" in self.weights else nn.ModuleDict()
        self.maps = maps.to(setup.device)

    def modules(self) -> dict[str, nn.Module]:
        """Linear maps from the student's width to the teacher's, where they differ."""
        return {"maps": self.maps} if len(self.maps) else {}

    def stage(self, progress: TrainingProgress) -> int:
        """Which stage a step belongs to: 0 … m − 1 for the layers, m for the soft labels."""
        layers, last = len(self.layers), self.params.last_share
        if last is None:
            return progress.step * (layers + 1) // progress.steps
        inner = round((1 - last) * progress.steps)
        return progress.step * layers // inner if progress.step < inner else layers

    def active(self, progress: TrainingProgress) -> Iterator[int]:
        """The student's layers whose losses count at this step."""
        stage, schedule = self.stage(progress), self.params.schedule
        for place, layer in enumerate(self.layers):
            together = schedule == "all"
            alone = schedule == "progressive" and place == stage
            stacked = schedule == "stacked" and place <= stage < len(self.layers)
            if together or alone or stacked:
                yield layer

    def loss(self, outputs: BatchOutputs, progress: TrainingProgress) -> dict[str, Tensor]:
        """The active layers' terms; the soft (and gold) labels' in their stage."""
        terms = {
            f"{kind}/{layer}": weight * self.distance(kind, layer, outputs)
            for layer in self.active(progress)
            for kind, weight in self.weights.items()
        }
        if self.ready(progress):
            terms["soft"] = soft_label_loss(outputs, self.params.temperature)
            if self.params.labels == "soft_and_gold":
                terms["hard"] = task_loss(outputs.student.logits, outputs.labels)
        return terms

    def distance(self, kind: str, layer: int, outputs: BatchOutputs) -> Tensor:
        """One layer's distance to the teacher's matched layer, unweighted.

        Shapes: -> (B,).
        """
        student, teacher, match = outputs.student, outputs.teachers[0], self.layers[layer]
        if kind == "attention":
            return attention_kl(student.scores[layer], teacher.attention[match], outputs.mask)
        vector = student.cls[layer]
        vector = self.maps[str(layer)](vector) if len(self.maps) else vector
        return cls_cosine(vector, teacher.cls[match])

    def ready(self, progress: TrainingProgress) -> bool:
        """In the stage of the soft labels; all at once, always."""
        return self.params.schedule == "all" or self.stage(progress) == len(self.layers)

    def on_step_end(self, result: StepResult) -> None:
        """Note where a stage begins, and now and then how far every layer is, active or not."""
        now = result.progress
        if now.step % -(-now.steps // WATCHED) == 0:
            self.log(now, self.watched(result.outputs))
        before = TrainingProgress(now.step - 1, now.steps, now.epoch)
        if now.step == 0 or self.stage(now) != self.stage(before):
            self.log(now, {f"stage/{self.name_of(self.stage(now))}": self.stage(now)})

    @torch.no_grad()
    def watched(self, outputs: BatchOutputs) -> dict[str, float]:
        """Each layer's mean distance over a batch."""
        return {
            f"watch/{kind} {layer}": self.distance(kind, layer, outputs).mean().item()
            for kind in self.weights
            for layer in self.layers
        }

    def name_of(self, stage: int) -> str:
        """What teaches in a stage, in words."""
        if self.params.schedule == "all":
            return "all layers and soft labels"
        if stage == len(self.layers):
            return "soft labels"
        first = 1 if self.params.schedule == "stacked" else stage + 1
        return f"layer {first}" if first == stage + 1 else f"layers {first} to {stage + 1}"

    def inspect_examples(self, outputs: BatchOutputs) -> list[dict[str, Any]]:
        """Each example's distance to the teacher, layer by layer, active or not."""
        names = {"attention": "attention_kl", "cls": "cls_cosine"}
        told = []
        for layer in self.layers:
            found = {
                names[kind]: self.distance(kind, layer, outputs).tolist() for kind in self.weights
            }
            for place, row in enumerate(outputs.rows):
                values = {name: column[place] for name, column in found.items()}
                told.append({"row": int(row), "layer": layer} | values)
        return told
