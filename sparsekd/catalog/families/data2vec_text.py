"""data2vec for text (Baevski et al., ICML 2022, arXiv 2202.03555): RoBERTa's layout."""

from dataclasses import replace

from sparsekd.catalog.families import roberta

FAMILY = replace(
    roberta.FAMILY,
    name="data2vec-text",
    title="data2vec",
    model="Data2VecTextForSequenceClassification",
    prefix="data2vec_text",
)
