"""Internal representations: attention and [CLS] vectors, layer by layer, then the soft labels."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from sparsekd.catalog.methods.internal import InternalParams
from sparsekd.knowledge.observe import InternalState
from sparsekd.knowledge.relations import every_nth
from sparsekd.knowledge.representations import attention_kl, cls_cosine
from sparsekd.methods.base import (
    BatchOutputs,
    Setup,
    StepResult,
    TrainingProgress,
    gold_label_loss,
    require_one_teacher,
    soft_label_loss,
)
from sparsekd.methods.layers import linear_maps, num_layers
from sparsekd.methods.staged import StagedMethod

DISTANCE_LOGS = 60  # steps at which every layer's distance is logged, at most


class Internal(StagedMethod):
    """KL of attention rows and 1 − cosine of [CLS] vectors at matched layers, by a schedule.

    Student layer k of m matches teacher layer k·L_T/m. All at once: every layer's losses and the
    soft labels at every step. Progressive: one layer's losses at a time, bottom-up, then the soft
    labels alone. Stacked: as progressive, but lower layers' losses stay. The student is evaluated
    in the last stage only.

    Choices of this project, where the source is open: every stage has the same share of one total
    budget (or `last_share` goes to the soft labels); progressive is the default, because the order
    is what distinguishes this method from matching everything at every step; the KL of attention
    is averaged over heads, and heads are averaged first where their numbers differ, as after
    pruning; [CLS] goes through a learned linear map where widths differ; a layer that pruning left
    without heads has no attention and is an error; the learning rate decays once, or per stage.

    Source: Aguilar et al., AAAI 2020, arXiv 1910.03723.
    """

    params: InternalParams
    reads_layers = True

    def prepare(self, setup: Setup) -> None:
        """Match the layers and build maps between widths.

        Raises:
            Incompatible: not one teacher, or layers that cannot be matched.
        """
        require_one_teacher("Internal distillation", setup)
        student, teacher = num_layers(setup.student), num_layers(setup.teachers[0])
        self.layers = dict(enumerate(every_nth(student, teacher), start=1))
        weights: dict[InternalState, float] = {
            "attention": self.params.attention_weight,
            "cls": self.params.cls_weight,
        }
        self.weights = {kind: weight for kind, weight in weights.items() if weight}
        ours: dict[InternalState, InternalState] = {"attention": "scores", "cls": "cls"}
        self.student_needs = {ours[kind]: tuple(self.layers) for kind in self.weights}
        self.teacher_needs = {kind: tuple(self.layers.values()) for kind in self.weights}
        maps = linear_maps(setup, self.layers) if "cls" in self.weights else nn.ModuleDict()
        self.maps = maps.to(setup.device)

    def modules(self) -> dict[str, nn.Module]:
        """Return linear maps from the student's width to the teacher's, where they differ."""
        return {"maps": self.maps} if len(self.maps) else {}

    def stage(self, progress: TrainingProgress) -> int:
        """Return the stage of a step: 0 … m − 1 for the layers, m for the soft labels."""
        layers, last = len(self.layers), self.params.last_share
        if last is None:
            return progress.step * (layers + 1) // progress.steps
        inner = round((1 - last) * progress.steps)
        return progress.step * layers // inner if progress.step < inner else layers

    @property
    def rates_per_stage(self) -> bool:
        """Return whether each stage has a warm-up and a decay of its own; all at once is one."""
        return self.params.rate_schedule == "stage" and self.params.schedule != "all"

    def active(self, progress: TrainingProgress) -> Iterator[int]:
        """Yield the student's layers whose losses are active at this step."""
        stage, schedule = self.stage(progress), self.params.schedule
        for index, layer in enumerate(self.layers):
            progressive = schedule == "progressive" and index == stage
            stacked = schedule == "stacked" and index <= stage < len(self.layers)
            if schedule == "all" or progressive or stacked:
                yield layer

    def loss(self, outputs: BatchOutputs, progress: TrainingProgress) -> dict[str, Tensor]:
        """Return the terms of the active layers and, in their stage, of the labels."""
        terms = {
            f"{kind}/{layer}": weight * self.distance(kind, layer, outputs)
            for layer in self.active(progress)
            for kind, weight in self.weights.items()
        }
        if self.ready(progress):
            terms["soft"] = soft_label_loss(outputs, self.params.temperature)
            if self.params.labels == "soft_and_gold":
                terms["hard"] = gold_label_loss(outputs)
        return terms

    def distance(self, kind: str, layer: int, outputs: BatchOutputs) -> Tensor:
        """Return one layer's unweighted distance to the teacher's matched layer.

        Shapes: -> (B,).
        """
        student, teacher, match = outputs.student, outputs.teachers[0], self.layers[layer]
        if kind == "attention":
            return attention_kl(student.scores[layer], teacher.attention[match], outputs.mask)
        vector = student.cls[layer]
        vector = self.maps[str(layer)](vector) if len(self.maps) else vector
        return cls_cosine(vector, teacher.cls[match])

    def ready(self, progress: TrainingProgress) -> bool:
        """Return whether the soft labels are active: in the last stage, or always (all)."""
        return self.params.schedule == "all" or self.stage(progress) == len(self.layers)

    def on_step_end(self, result: StepResult) -> None:
        """Log the start of each stage and, at intervals, the distance of every layer."""
        now = result.progress
        if now.step % -(-now.steps // DISTANCE_LOGS) == 0:
            self.log(now, self.distances(result.outputs))
        before = TrainingProgress(now.step - 1, now.steps, now.epoch)
        if now.step == 0 or self.stage(now) != self.stage(before):
            self.log(now, {f"stage/{self.stage_name(self.stage(now))}": self.stage(now)})

    @torch.no_grad()
    def distances(self, outputs: BatchOutputs) -> dict[str, float]:
        """Return each layer's mean distance over a batch."""
        return {
            f"watch/{kind} {layer}": self.distance(kind, layer, outputs).mean().item()
            for kind in self.weights
            for layer in self.layers
        }

    def stage_name(self, stage: int) -> str:
        """Return a stage's name, as the charts show it."""
        if self.params.schedule == "all":
            return "all layers and soft labels"
        if stage == len(self.layers):
            return "soft labels"
        first = 1 if self.params.schedule == "stacked" else stage + 1
        return f"layer {first}" if first == stage + 1 else f"layers {first} to {stage + 1}"

    def inspect_examples(self, outputs: BatchOutputs) -> list[dict[str, Any]]:
        """Return each example's distance to the teacher at every layer."""
        names = {"attention": "attention_kl", "cls": "cls_cosine"}
        table = []
        for layer in self.layers:
            columns = {
                names[kind]: self.distance(kind, layer, outputs).tolist() for kind in self.weights
            }
            for index, row in enumerate(outputs.rows):
                values = {name: column[index] for name, column in columns.items()}
                table.append({"row": int(row), "layer": layer} | values)
        return table
