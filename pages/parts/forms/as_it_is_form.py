"""A finished classifier as the teacher, without training."""

import streamlit as st

from pages.parts.forms import fields
from pages.parts.shell import frame
from sparsekd.catalog.parameters import TrainParams
from sparsekd.checkpoints import classifier
from sparsekd.runs import references
from sparsekd.runs.records import Recipe
from sparsekd.studies import recipes
from sparsekd.tasks.cards import TaskCard
from sparsekd.tasks.demo import DEMO_CHECKPOINTS

FINETUNE, AS_IT_IS = "Fine-tune it", "Use it as it is"


def choose_training(checkpoint: str) -> str:
    """Draw the choice between fine-tuning and a model as it is; a demo model is untrained."""
    if checkpoint in DEMO_CHECKPOINTS:
        return FINETUNE
    return st.segmented_control(
        "Training",
        [FINETUNE, AS_IT_IS],
        default=FINETUNE,
        required=True,
        label_visibility="collapsed",
        key="finetune.training",
        help="A classifier that was trained on these labels elsewhere needs no training: it is "
        "evaluated and becomes the teacher.",
    )


def draw_recipe(card: TaskCard, checkpoint: str) -> Recipe:
    """Draw the parameters of a classifier that is used as it is, and return its recipe.

    Raises:
        BadInput: no finished classifier, or an order that does not name the labels once each.
        Incompatible: it has other labels.
    """
    length = TrainParams.model_fields["max_length"]
    found, order = references.inspected(checkpoint), ()
    usual = min(length.default, found.positions) if found else length.default
    if found and classifier.assumption(found.labels[0], card):
        given = st.text_input(
            "Labels of its outputs in their order",
            ", ".join(card.labels),
            key=f"finetune.order.{card.name}",
            help="The outputs of this model have no names. A wrong order shows as an accuracy "
            "below chance.",
        )
        order = tuple(name.strip() for name in given.split(","))
    if found:
        classifier.check(found, card, order)
        title = found.family.title
        st.caption(frame.plain(f"{title}, a classifier of the labels of {card.name}."))
    with st.columns(6)[0]:
        most = fields.draw_field("max_length", length, usual, "finetune.max_length")
    order = () if order == card.labels else order
    return recipes.finetune(
        card.name, checkpoint, TrainParams.of({"epochs": 0, "max_length": most}), 0, order
    )
