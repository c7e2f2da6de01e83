"""MiniLM-style distillation: vanilla distillation plus relations of the last layer."""

from torch import Tensor

from sparsekd.catalog.methods.minilm import MiniLMParams
from sparsekd.knowledge.representations import attention_kl, value_relation_kl
from sparsekd.methods.base import BatchOutputs, Setup, TrainingProgress
from sparsekd.methods.layers import num_layers
from sparsekd.methods.vanilla import Vanilla


class MiniLM(Vanilla):
    """Vanilla distillation + KL of the last layers' attention and of their value relations.

    MiniLM itself distils without a task; adding its two losses to the task's soft and gold labels
    is a choice of this project. Widths may differ: relations are compared, not values.
    Where head counts differ, as after pruning, heads are averaged first.

    Source: Wang et al., NeurIPS 2020, arXiv 2002.10957.
    """

    title = "MiniLM-style distillation"
    params: MiniLMParams
    reads_layers = True

    def prepare(self, setup: Setup) -> None:
        """Request the last layer of student and teacher.

        Raises:
            Incompatible: not one teacher.
        """
        super().prepare(setup)
        self.student_layer, self.teacher_layer = (
            num_layers(setup.student),
            num_layers(setup.teachers[0]),
        )
        self.student_needs = {"scores": (self.student_layer,), "values": (self.student_layer,)}
        self.teacher_needs = {"attention": (self.teacher_layer,), "values": (self.teacher_layer,)}

    def loss(self, outputs: BatchOutputs, progress: TrainingProgress) -> dict[str, Tensor]:
        """Return vanilla's terms and the two relation terms."""
        student, teacher = outputs.student, outputs.teachers[0]
        ours, theirs = self.student_layer, self.teacher_layer
        attention = attention_kl(student.scores[ours], teacher.attention[theirs], outputs.mask)
        values = value_relation_kl(student.values[ours], teacher.values[theirs], outputs.mask)
        inner = {"attention": attention, "values": values}
        weight = self.params.relation_weight
        return super().loss(outputs, progress) | {
            name: weight * each for name, each in inner.items()
        }
