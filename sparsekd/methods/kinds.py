"""The four kinds of knowledge that knowledge selection weighs, each as one loss."""

from itertools import pairwise

import torch
from torch import Tensor

from sparsekd.errors import Incompatible
from sparsekd.knowledge.losses import kl, squared_error, task_loss
from sparsekd.knowledge.relations import every_nth, flow_distance, state_distance
from sparsekd.methods.base import BatchOutputs, Setup
from sparsekd.methods.layers import depth, maps_between

KINDS = ("fine_tuning", "response", "feature", "relation")

States = dict[int, tuple[Tensor, Tensor]]


class Kinds:
    """What a student may learn from labels and one teacher, kind by kind.

    Open in the source and decided here: the response loss has a temperature and the factor T²;
    features are matched at every (L_T/L_S)-th layer, by mean squared difference over real tokens,
    through a learned linear map where widths differ; relations join consecutive matched layers.
    Fine-tuning and response are squared errors in a regression.

    Raises:
        Incompatible: layers that cannot be matched.
    Source: Wang et al., Findings of EMNLP 2022, arXiv 2302.00444.
    """

    def __init__(self, setup: Setup, temperature: float, embeddings: bool) -> None:
        self.temperature = temperature
        self.layers = _matched(setup, embeddings)
        self.maps = maps_between(setup, self.layers).to(setup.device)

    def losses(self, outputs: BatchOutputs, kinds: tuple[str, ...] = KINDS) -> dict[str, Tensor]:
        """The losses of some kinds, neither scaled nor weighed.

        Shapes: each (B,).
        """
        inner = {"feature", "relation"}.intersection(kinds)
        states = self.states(outputs) if inner else {}
        return {kind: self.loss(kind, outputs, states) for kind in kinds}

    def states(self, outputs: BatchOutputs) -> States:
        """Student's (mapped) and teacher's hidden states by the student's layer."""
        student, teacher = outputs.student.hidden, outputs.teachers[0].hidden
        return {
            layer: (
                self.maps[str(layer)](student[layer]) if len(self.maps) else student[layer],
                teacher[match],
            )
            for layer, match in self.layers.items()
        }

    def loss(self, kind: str, outputs: BatchOutputs, states: States) -> Tensor:
        """The loss of one kind.

        Shapes: -> (B,).
        """
        match kind:
            case "fine_tuning":
                return task_loss(outputs.student.logits, outputs.labels)
            case "response":
                return self.response(outputs)
            case "feature":  # the embeddings' output belongs to no layer
                layers = [pair for layer, pair in states.items() if layer]
                each = [state_distance(*pair, outputs.mask) for pair in layers]
            case _:
                pairs = pairwise(states[layer] for layer in sorted(states))
                flows = [tuple(zip(low, high, strict=True)) for low, high in pairs]
                each = [flow_distance(mine, theirs, outputs.mask) for mine, theirs in flows]
        return torch.stack(each).mean(0)

    def response(self, outputs: BatchOutputs) -> Tensor:
        """Distance to the teacher's answers.

        Shapes: -> (B,).
        """
        student, teacher = outputs.student.logits, outputs.teachers[0].logits
        if outputs.regression:
            return squared_error(student, teacher)
        return kl(student, teacher, self.temperature)


def _matched(setup: Setup, embeddings: bool) -> dict[int, int]:
    """The teacher's layer of each of the student's; 0 is the embeddings' output."""
    student, teacher = depth(setup.student), depth(setup.teachers[0])
    found = dict(enumerate(every_nth(student, teacher), start=1))
    if embeddings:
        return {0: 0} | found
    if student == 1:
        raise Incompatible(
            "A student of one layer has no relation between layers to learn.",
            "Choose two layers or more, or set embeddings, which relates them to the layer.",
        )
    return found
