"""DistilBERT (Sanh et al., 2019, arXiv 1910.01108)."""

from sparsekd.catalog.family import Family

FAMILY = Family(
    name="distilbert",
    title="DistilBERT",
    model="DistilBertForSequenceClassification",
    prefix="distilbert",
    layers="transformer.layer",
    query="attention.q_lin",
    key="attention.k_lin",
    value="attention.v_lin",
    head_site="attention.out_lin",
    expansion="ffn.lin1",
    neuron_site="ffn.lin2",
    # The residual is added between the two: one cut drops the other rows of the context, the
    # other those of the sum, to which the first row was broadcast.
    cls_cuts=("attention.out_lin", "sa_layer_norm"),
    segments="",
    depth="n_layers",
    hidden="dim",
    heads="n_heads",
    neurons="hidden_dim",
    activation="activation",
    dropouts=("dropout", "attention_dropout", "seq_classif_dropout"),
    head=("pre_classifier", "classifier"),
)
