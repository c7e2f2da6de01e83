"""RoBERTa (Liu et al., 2019, arXiv 1907.11692)."""

from sparsekd.catalog.family import Family

FAMILY = Family(
    name="roberta",
    title="RoBERTa",
    model="RobertaForSequenceClassification",
    prefix="roberta",
    first_position_after_padding=True,
    classifier="classifier.out_proj",
    word_mark="Ġ",
    head=("classifier.dense", "classifier.out_proj"),
)
