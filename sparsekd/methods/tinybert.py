"""TinyBERT's two task stages: intermediate layers, then soft labels."""

from torch import Tensor, nn

from sparsekd.catalog.methods.tinybert import TinyBERTParams
from sparsekd.knowledge.relations import every_nth, state_distance
from sparsekd.knowledge.representations import score_distance
from sparsekd.methods.base import (
    BatchOutputs,
    Setup,
    StepResult,
    TrainingProgress,
    require_one_teacher,
    soft_label_loss,
)
from sparsekd.methods.layers import linear_maps, num_layers
from sparsekd.methods.staged import StagedMethod


class TinyBERT(StagedMethod):
    """Stage 1: attention scores and hidden states, embeddings included; stage 2: soft labels.

    This is TinyBERT's task-specific part, without general distillation and data augmentation.
    Layer k of m matches teacher layer k·L_T/m, and the embedding output the embedding output.
    Choices of this project: stage 1 has a share of one total budget; heads are averaged where
    their numbers differ, as after pruning; maps exist only where widths differ.

    Source: Jiao et al., Findings of EMNLP 2020, arXiv 1909.10351.
    """

    params: TinyBERTParams
    reads_layers = True

    def prepare(self, setup: Setup) -> None:
        """Match the layers and build maps between widths.

        Raises:
            Incompatible: not one teacher, or layers that cannot be matched.
        """
        require_one_teacher("TinyBERT", setup)
        matches = every_nth(num_layers(setup.student), num_layers(setup.teachers[0]))
        self.layers = {0: 0} | dict(enumerate(matches, start=1))
        ours, theirs = tuple(self.layers), tuple(self.layers.values())
        self.student_needs = {"hidden": ours, "scores": ours[1:]}
        self.teacher_needs = {"hidden": theirs, "scores": theirs[1:]}
        self.maps = linear_maps(setup, self.layers).to(setup.device)

    def modules(self) -> dict[str, nn.Module]:
        """Return linear maps from the student's width to the teacher's, where they differ."""
        return {"maps": self.maps} if len(self.maps) else {}

    def stage(self, progress: TrainingProgress) -> int:
        """Return 0 in stage 1 (intermediate layers), 1 in stage 2 (soft labels)."""
        return int(self.ready(progress))

    @property
    def rates_per_stage(self) -> bool:
        """Return whether each stage has a warm-up and a decay of its own."""
        return self.params.rate_schedule == "stage"

    def ready(self, progress: TrainingProgress) -> bool:
        """Return whether the training is in stage 2, the soft labels."""
        return progress.fraction >= self.params.inner_share

    def loss(self, outputs: BatchOutputs, progress: TrainingProgress) -> dict[str, Tensor]:
        """Return the terms of the current stage."""
        if self.ready(progress):
            return {"soft": soft_label_loss(outputs, self.params.temperature)}
        student, teacher, terms = outputs.student, outputs.teachers[0], {}
        for layer, match in self.layers.items():
            state = student.hidden[layer]
            state = self.maps[str(layer)](state) if len(self.maps) else state
            terms[f"hidden/{layer}"] = state_distance(state, teacher.hidden[match], outputs.mask)
            if layer:
                ours, theirs = student.scores[layer], teacher.scores[match]
                terms[f"scores/{layer}"] = score_distance(ours, theirs, outputs.mask)
        return terms

    def on_step_end(self, result: StepResult) -> None:
        """Log the start of each stage."""
        now = result.progress
        before = TrainingProgress(now.step - 1, now.steps, now.epoch)
        if now.step == 0 or self.ready(now) != self.ready(before):
            name = "soft labels" if self.ready(now) else "intermediate layers"
            self.log(now, {f"stage/{name}": float(self.ready(now))})
