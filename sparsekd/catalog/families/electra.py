"""ELECTRA (Clark et al., ICLR 2020, arXiv 2003.10555)."""

from sparsekd.catalog.family import Family

FAMILY = Family(
    name="electra",
    title="ELECTRA",
    model="ElectraForSequenceClassification",
    prefix="electra",
    classifier="classifier.out_proj",
    head=("classifier.dense", "classifier.out_proj"),
)
