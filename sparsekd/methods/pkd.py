"""Patient distillation: vanilla distillation plus [CLS] vectors of intermediate layers."""

import torch
from torch import Tensor, nn

from sparsekd.catalog.methods.pkd import PKDParams
from sparsekd.errors import Incompatible
from sparsekd.knowledge.relations import every_nth
from sparsekd.knowledge.representations import cls_distance
from sparsekd.methods.base import BatchOutputs, Setup, TrainingProgress
from sparsekd.methods.layers import linear_maps, num_layers
from sparsekd.methods.vanilla import Vanilla


class PKD(Vanilla):
    """Vanilla distillation + β · mean squared distance of normalised [CLS] vectors.

    The student's layers 1 … m − 1 match every (L_T/m)-th layer of the teacher (skip) or the last
    ones below its top (last); the top layers have the soft labels. Choices of this project: the
    mean over layers, and a learned linear map where widths differ.

    Source: Sun et al., EMNLP 2019, arXiv 1908.09355.
    """

    title = "Patient distillation"
    params: PKDParams
    reads_layers = True

    def prepare(self, setup: Setup) -> None:
        """Match the intermediate layers and build maps between widths.

        Raises:
            Incompatible: not one teacher, no intermediate layer, or layers that do not match.
        """
        super().prepare(setup)
        student, teacher = num_layers(setup.student), num_layers(setup.teachers[0])
        self.layers = self.match_layers(student, teacher)
        self.student_needs = {"cls": tuple(self.layers)}
        self.teacher_needs = {"cls": tuple(self.layers.values())}
        self.maps = linear_maps(setup, self.layers).to(setup.device)

    def match_layers(self, student: int, teacher: int) -> dict[int, int]:
        """Return the teacher's layer for each intermediate layer of the student (1 = bottom).

        Raises:
            Incompatible: the student has one layer, or the layers cannot be matched.
        """
        if student < 2:
            raise Incompatible(
                "A student of 1 layer has no intermediate layer to match.",
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
        """Return linear maps from the student's width to the teacher's, where they differ."""
        return {"maps": self.maps} if len(self.maps) else {}

    def loss(self, outputs: BatchOutputs, progress: TrainingProgress) -> dict[str, Tensor]:
        """Return vanilla's terms and the patient term."""
        distances = [self.distance(layer, outputs) for layer in self.layers]
        patient = self.params.beta * torch.stack(distances).mean(0)
        return super().loss(outputs, progress) | {"patient": patient}

    def distance(self, layer: int, outputs: BatchOutputs) -> Tensor:
        """Return the [CLS] distance of one student layer to its matched layer.

        Shapes: -> (B,).
        """
        vector = outputs.student.cls[layer]
        vector = self.maps[str(layer)](vector) if len(self.maps) else vector
        return cls_distance(vector, outputs.teachers[0].cls[self.layers[layer]])
