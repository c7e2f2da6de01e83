"""BERT (Devlin et al., NAACL 2019, arXiv 1810.04805)."""

from sparsekd.catalog.family import Family

FAMILY = Family(
    name="bert",
    title="BERT",
    model="BertForSequenceClassification",
    prefix="bert",
    optional=("pooler",),
    head=("bert.pooler.dense", "classifier"),
)
