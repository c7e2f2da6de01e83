"""The menus: one card per method, readable without torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from sparsekd.catalog.parameters import (
    FineTuningParams,
    InternalParams,
    KnowledgeSelectionParams,
    MiniLMParams,
    Params,
    PKDParams,
    TeacherSelectionParams,
    TinyBERTParams,
    VanillaParams,
)
from sparsekd.errors import unknown


@dataclass(frozen=True)
class Variant:
    """A method with some parameters set otherwise: a published variant, or a control."""

    title: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Card:
    """One line of a menu, and where its code lives ("module:Class").

    `variants` stand beside the method in comparisons, each under "name:variant". A student needs
    `least_layers`, and where a method `divides`, a number of layers that divides the teacher's.
    One that `stacks` reads only logits and labels, so that its students can train together.
    """

    name: str
    title: str
    source: str
    summary: str
    params: type[Params]
    code: str
    least_teachers: int = 1
    most_teachers: int = 1
    variants: Mapping[str, Variant] = field(default_factory=dict)
    least_layers: int = 1
    divides: bool = False
    stacks: bool = False


METHODS: dict[str, Card] = {
    card.name: card
    for card in (
        Card(
            name="fine_tuning",
            title="Fine-tuning without a teacher",
            source="Devlin et al., NAACL 2019, arXiv 1810.04805",
            summary="The gold labels alone: what a student learns by itself.",
            params=FineTuningParams,
            code="sparsekd.methods.fine_tuning:FineTuning",
            least_teachers=0,
            most_teachers=0,
            stacks=True,
        ),
        Card(
            name="vanilla",
            title="Vanilla distillation",
            source="Hinton, Vinyals, Dean, 2015, arXiv 1503.02531; "
            "in the form of Yang, Zhang, Song, EMNLP 2022, arXiv 2210.03923",
            summary="The teacher's softened class probabilities mixed with the gold labels.",
            params=VanillaParams,
            code="sparsekd.methods.vanilla:Vanilla",
            stacks=True,
        ),
        Card(
            name="pkd",
            title="Patient distillation (PKD)",
            source="Sun et al., EMNLP 2019, arXiv 1908.09355",
            summary="Vanilla distillation, and the [CLS] vectors of intermediate layers.",
            params=PKDParams,
            code="sparsekd.methods.pkd:PKD",
            least_layers=2,
            variants={"last": Variant("PKD, the teacher's last layers", {"match": "last"})},
        ),
        Card(
            name="tinybert",
            title="TinyBERT (task stages)",
            source="Jiao et al., Findings of EMNLP 2020, arXiv 1909.10351",
            summary="First attention scores and hidden states, then the soft labels. Without "
            "TinyBERT's general distillation and augmented data.",
            params=TinyBERTParams,
            code="sparsekd.methods.tinybert:TinyBERT",
            divides=True,
        ),
        Card(
            name="minilm",
            title="MiniLM-style relations",
            source="Wang et al., NeurIPS 2020, arXiv 2002.10957",
            summary="Vanilla distillation, and the last layer's attention and value relations.",
            params=MiniLMParams,
            code="sparsekd.methods.minilm:MiniLM",
        ),
        Card(
            name="internal",
            title="Internal representations",
            source="Aguilar et al., AAAI 2020, arXiv 1910.03723",
            summary="Attention and [CLS] vectors layer by layer, bottom-up, then the soft labels.",
            params=InternalParams,
            code="sparsekd.methods.internal:Internal",
            divides=True,
            variants={
                "stacked": Variant("Internal, stacked (SID)", {"schedule": "stacked"}),
                "all": Variant("Internal, all at once", {"schedule": "all"}),
                "gold": Variant("Internal, soft and gold labels", {"labels": "soft_and_gold"}),
            },
        ),
        Card(
            name="knowledge_selection",
            title="Knowledge selection",
            source="Wang et al., Findings of EMNLP 2022, arXiv 2302.00444",
            summary="An actor–critic weighs four kinds of knowledge as the training goes on: gold "
            "labels, responses, features and relations.",
            params=KnowledgeSelectionParams,
            code="sparsekd.methods.knowledge_selection:KnowledgeSelection",
            least_layers=2,
            divides=True,
            variants={
                "hard": Variant("Knowledge selection, each kind on or off", {"action": "hard"}),
                "uniform": Variant("Knowledge selection, all kinds alike", {"choose": "uniform"}),
                "random_soft": Variant("Knowledge selection, random weights", {"choose": "random"}),
                "random_hard": Variant(
                    "Knowledge selection, random on or off", {"choose": "random", "action": "hard"}
                ),
            },
        ),
        Card(
            name="teacher_selection",
            title="Reinforced teacher selection",
            source="Yuan et al., AAAI 2021, arXiv 2012.06048",
            summary="A policy chooses which of several teachers teach each training instance.",
            params=TeacherSelectionParams,
            code="sparsekd.methods.teacher_selection:TeacherSelection",
            least_teachers=2,
            most_teachers=8,
            variants={
                "ensemble": Variant("Teacher selection, all alike (ensemble)", {"choose": "all"}),
                "random": Variant("Teacher selection, random per batch", {"choose": "random"}),
                "learned_weights": Variant(
                    "Teacher selection, fixed learned weights", {"choose": "weights"}
                ),
                "oracle": Variant(
                    "Teacher selection, best per instance (oracle)", {"choose": "oracle"}
                ),
                "r2": Variant("Teacher selection, reward 2 (and nearness)", {"reward": "r2"}),
                "r3": Variant("Teacher selection, reward 3 (and held-out)", {"reward": "r3"}),
            },
        ),
    )
}


def find(name: str, menu: dict[str, Card] = METHODS, kind: str = "method") -> Card:
    """The card called `name`.

    Raises:
        NotFound: nothing on the menu has that name; the nearest names are in the hint.
    """
    if name not in menu:
        raise unknown(kind, name, menu)
    return menu[name]


def variants(menu: Mapping[str, Card] = METHODS) -> dict[str, Variant]:
    """Every method and every variant of one, by the name that comparisons use."""
    found = {}
    for card in menu.values():
        found[card.name] = Variant(card.title, {})
        found |= {f"{card.name}:{name}": variant for name, variant in card.variants.items()}
    return found


def load(card: Card) -> Any:
    """The class behind a card; only now is its module (and torch) imported."""
    module, _, name = card.code.partition(":")
    return getattr(import_module(module), name)
