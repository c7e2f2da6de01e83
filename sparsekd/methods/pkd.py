"""Patient distillation: vanilla distillation, and the [CLS] vectors of intermediate layers."""

import torch
from torch import Tensor, nn

from sparsekd.catalog.methods.pkd import PKDParams
from sparsekd.errors import Incompatible
from sparsekd.knowledge.relations import every_nth
from sparsekd.knowledge.representations import cls_distance
from sparsekd.methods.base import BatchOutputs, Setup, TrainingProgress
from sparsekd.methods.layers import depth, maps_between
from sparsekd.methods.vanilla import Vanilla


class PKD(Vanilla):
    """Vanilla distillation + β · mean squared distance of normalised [CLS] vectors.

    The student's layers 1 … m − 1 match every (L_T/m)-th layer of the teacher (skip) or the last
    ones below its top (last); the top layers are left to the soft labels. Decided here: the mean
    over layers, and a learned linear map where widths differ.

    Source: Sun et al., EMNLP 2019, arXiv 1908.09355.
    """

    title = "Patient distillation"
    params: PKDParams
    reads_layers = True

    def prepare(self, setup: Setup) -> None:
        """Match the intermediate layers.

        Raises:
            Incompatible: not one teacher, no intermediate layer, or layers that do not match.
        """
        super().prepare(setup)
        student, teacher = depth(setup.student), depth(setup.teachers[0])
        self.layers = self.matched(student, teacher)
        self.student_needs = {"cls": tuple(self.layers)}
        self.teacher_needs = {"cls": tuple(self.layers.values())}
        self.maps = maps_between(setup, self.layers).to(setup.device)

    def matched(self, student: int, teacher: int) -> dict[int, int]:
        """The teacher's layer for each intermediate layer of the student (1 = bottom).

        Raises:
            Incompatible: the student has a single layer, or the layers cannot be shared out.
        """
        if student < 2:
            raise Incompatible(
                "A student of 1 layer has no intermediate layer to be patient about.",
                "Choose at least 2 layers for the student.",
            )
        if self.params.match == "skip":
            return dict(enumerate(every_nth(student, teacher)[:-1], start=1))
        if student > teacher:
            raise Incompatible(
                f"The student has {student} layers, the teacher {teacher}.",
                f"Choose at most {teacher} layers for the student.",
            )
        return {layer: teacher - student + layer for layer in range(1, student)}

    def modules(self) -> dict[str, nn.Module]:
        """Linear maps from the student's width to the teacher's, where they differ."""
        return {"maps": self.maps} if len(self.maps) else {}

    def loss(self, outputs: BatchOutputs, progress: TrainingProgress) -> dict[str, Tensor]:
        """Vanilla's terms and the patient one."""
        distances = [self.distance(layer, outputs) for layer in self.layers]
        patient = self.params.beta * torch.stack(distances).mean(0)
        return super().loss(outputs, progress) | {"patient": patient}

    def distance(self, layer: int, outputs: BatchOutputs) -> Tensor:
        """One intermediate layer's distance to its match.

        Shapes: -> (B,).
        """
        vector = outputs.student.cls[layer]
        vector = self.maps[str(layer)](vector) if len(self.maps) else vector
        return cls_distance(vector, outputs.teachers[0].cls[self.layers[layer]])
