"""ERNIE (Sun et al., 2019, arXiv 1904.09223): BERT's layout; without embeddings of tasks."""

from dataclasses import replace

from sparsekd.catalog.families import bert

FAMILY = replace(
    bert.FAMILY,
    name="ernie",
    title="ERNIE",
    model="ErnieForSequenceClassification",
    prefix="ernie",
    head=("ernie.pooler.dense", "classifier"),
)
