"""CamemBERT (Martin et al., ACL 2020, arXiv 1911.03894): RoBERTa's layout, for French."""

from dataclasses import replace

from sparsekd.catalog.families import roberta

FAMILY = replace(
    roberta.FAMILY,
    name="camembert",
    title="CamemBERT",
    model="CamembertForSequenceClassification",
    word_mark="▁",
)
