"""Fine-tuning: parameters and card."""

from sparsekd.catalog.method_card import MethodCard, Variant
from sparsekd.catalog.parameters import MethodParams


class FineTuningParams(MethodParams):
    """Fine-tuning has no parameters."""

    @property
    def labelled_only(self) -> bool:
        """Return whether every loss term needs the gold label: there is no teacher."""
        return True


CARD = MethodCard(
    name="fine_tuning",
    title="Fine-tuning with no soft labels",
    source="Devlin et al., NAACL 2019, arXiv 1810.04805",
    year=2019,
    summary="Cross-entropy on the gold labels: the baseline without distillation. The student "
    "starts from the teacher's layers all the same, unless its initial weights say otherwise.",
    params=FineTuningParams,
    gold_terms=("hard",),
    least_teachers=0,
    most_teachers=0,
    stacks=True,
    variants={
        "no_teacher": Variant("Fine-tuning with no teacher at all", {}, {"choice": "pretrained"})
    },
)
