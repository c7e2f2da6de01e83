"""The four kinds of knowledge that knowledge selection weights, one loss each."""

from itertools import pairwise

import torch
from torch import Tensor

from sparsekd.errors import Incompatible
from sparsekd.knowledge.losses import binary_kl, kl, squared_error
from sparsekd.knowledge.relations import every_nth, flow_distance, state_distance
from sparsekd.methods.base import BatchOutputs, Setup, gold_label_loss
from sparsekd.methods.layers import linear_maps, num_layers

KINDS = ("fine_tuning", "response", "feature", "relation")

States = dict[int, tuple[Tensor, Tensor]]


class KnowledgeLosses:
    """The losses of a student on the gold labels and on one teacher, one per kind of knowledge.

    Choices of this project, where the source is open: the response loss has a temperature and the
    factor T²; features are matched at every (L_T/L_S)-th layer, by mean squared difference over
    real tokens, through a learned linear map where widths differ; relations join consecutive
    matched layers. Fine-tuning and response are squared errors in a regression.

    Raises:
        Incompatible: layers that cannot be matched.
    Source: Wang et al., Findings of EMNLP 2022, arXiv 2302.00444.
    """

    def __init__(self, setup: Setup, temperature: float, embeddings: bool) -> None:
        self.temperature = temperature
        self.layers = _match_layers(setup, embeddings)
        self.maps = linear_maps(setup, self.layers).to(setup.device)

    def losses(self, outputs: BatchOutputs, kinds: tuple[str, ...] = KINDS) -> dict[str, Tensor]:
        """Return the losses of some kinds, neither normalised nor weighted.

        Shapes: each (B,); fine-tuning (K,) where K examples have a gold label.
        """
        needs_states = {"feature", "relation"}.intersection(kinds)
        states = self.states(outputs) if needs_states else {}
        return {kind: self.loss(kind, outputs, states) for kind in kinds}

    def states(self, outputs: BatchOutputs) -> States:
        """Return the (mapped) hidden states of student and teacher by the student's layer."""
        student, teacher = outputs.student.hidden, outputs.teachers[0].hidden
        return {
            layer: (
                self.maps[str(layer)](student[layer]) if len(self.maps) else student[layer],
                teacher[match],
            )
            for layer, match in self.layers.items()
        }

    def loss(self, kind: str, outputs: BatchOutputs, states: States) -> Tensor:
        """Return the loss of one kind.

        Shapes: -> (B,).
        """
        match kind:
            case "fine_tuning":
                return gold_label_loss(outputs)
            case "response":
                return self.response(outputs)
            case "feature":  # without layer 0, the embedding output
                layers = [pair for layer, pair in states.items() if layer]
                each = [state_distance(*pair, outputs.mask) for pair in layers]
            case _:
                pairs = pairwise(states[layer] for layer in sorted(states))
                flows = [tuple(zip(low, high, strict=True)) for low, high in pairs]
                each = [flow_distance(student, teacher, outputs.mask) for student, teacher in flows]
        return torch.stack(each).mean(0)

    def response(self, outputs: BatchOutputs) -> Tensor:
        """Return the distance to the teacher's logits.

        Shapes: -> (B,).
        """
        student, teacher = outputs.student.logits, outputs.teachers[0].logits
        if outputs.regression:
            return squared_error(student, teacher)
        if outputs.multilabel:
            return binary_kl(student, teacher, self.temperature)
        return kl(student, teacher, self.temperature)


def _match_layers(setup: Setup, embeddings: bool) -> dict[int, int]:
    """Return the teacher's layer for each of the student's; 0 is the embedding output."""
    student, teacher = num_layers(setup.student), num_layers(setup.teachers[0])
    matches = dict(enumerate(every_nth(student, teacher), start=1))
    if embeddings:
        return {0: 0} | matches
    if student == 1:
        raise Incompatible(
            "A student of one layer has no relation between layers to learn.",
            "Choose two layers or more, or set embeddings, which relates them to the layer.",
        )
    return matches
