"""XLM-RoBERTa (Conneau et al., ACL 2020, arXiv 1911.02116): RoBERTa's layout, 100 languages."""

from dataclasses import replace

from sparsekd.catalog.families import roberta

FAMILY = replace(
    roberta.FAMILY,
    name="xlm-roberta",
    title="XLM-RoBERTa",
    model="XLMRobertaForSequenceClassification",
    word_mark="▁",
)
