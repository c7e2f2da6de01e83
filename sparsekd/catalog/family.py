"""A model family's entry: where its models keep their parts, and what their config.json says."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Family:
    """A model family: one encoder architecture of transformers with a sequence classifier.

    An architecture fits if each layer is attention, add and LayerNorm, feed-forward block, add and
    LayerNorm (post-layer-norm); query, key, value and both feed-forward matrices are linear
    modules of their own; positions are absolute; attention can be computed by sdpa; and the
    classifier reads [CLS], the first token.

    Defaults are BERT's. Paths of modules start at a layer unless stated otherwise.
    """

    name: str
    """`model_type` in config.json."""
    title: str
    model: str
    """Class of the sequence classifier in transformers."""
    prefix: str
    """Name of the encoder in that class, with which the names of its weights begin."""

    layers: str = "encoder.layer"
    """Path of the list of layers in the encoder."""
    query: str = "attention.self.query"
    key: str = "attention.self.key"
    value: str = "attention.self.value"
    head_site: str = "attention.output.dense"
    """Output projection of the attention. Gates multiply its input, the heads' contexts side by
    side."""
    expansion: str = "intermediate.dense"
    """First matrix of the feed-forward block."""
    neuron_site: str = "output.dense"
    """Second matrix, the output projection of the feed-forward block. Gates multiply its input,
    the neurons' activations."""
    cls_cuts: tuple[str, ...] = ("attention.output",)
    """Modules after the attention whose inputs are cut to the [CLS] row, to save time: the logits
    need no other row of the last layer. Together they must cut both terms of the sum context
    projection + residual. BERT's `attention.output` gets both, the context and the residual, as
    its inputs, so it is enough. Where the layer adds the residual itself, give the output
    projection, which gets the context, and the LayerNorm after the sum, as in `distilbert.py`.
    Empty if no modules suit: the results are the same, only slower."""

    embeddings: str = "embeddings"
    """Path of the embeddings in the encoder."""
    words: str = "word_embeddings"
    """Path of the token embeddings in the embeddings; so for the next two."""
    positions: str = "position_embeddings"
    segments: str = "token_type_embeddings"
    """Empty where the family has no segments."""
    first_position_after_padding: bool = False
    """Positions count from `pad_token_id` + 1, over tokens that are not padding."""

    classifier: str = "classifier"
    """Path in the whole model of the last matrix, whose outputs are the logits."""
    head: tuple[str, ...] = ("classifier",)
    """Paths in the whole model of the linear modules between the encoder's layers and the logits,
    the classifier last."""
    optional: tuple[str, ...] = ()
    """Parts of the encoder that a published checkpoint may lack."""

    depth: str = "num_hidden_layers"
    """Name in config.json of the number of layers; so for the next five."""
    hidden: str = "hidden_size"
    heads: str = "num_attention_heads"
    neurons: str = "intermediate_size"
    activation: str = "hidden_act"
    dropouts: tuple[str, ...] = ("hidden_dropout_prob", "attention_probs_dropout_prob")

    word_mark: str = ""
    """Character that its tokenizers put in front of a word's first token."""

    @property
    def stem(self) -> str:
        """Return what the names of its classes in transformers begin with."""
        return self.model.removesuffix("ForSequenceClassification")
