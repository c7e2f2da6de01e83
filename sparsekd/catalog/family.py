"""A model family's entry: where its models keep their parts, and what their config.json says."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Family:
    """A model family: one encoder architecture of transformers with a sequence classifier.

    Defaults are BERT's. Paths of modules start at a layer unless stated otherwise. The input of
    `head_site` is the concatenated context of the heads, before the attention's output
    projection; the input of `neuron_site` is the activation of the feed-forward neurons, before
    the second matrix. When the tensor arguments of `cls_cuts` keep their first row only, the rest
    of the layer is computed for [CLS] alone.
    """

    name: str
    """`model_type` in config.json."""
    title: str
    model: str
    """Class of the sequence classifier in transformers."""

    layers: str = "encoder.layer"
    """Path of the list of layers in the encoder."""
    query: str = "attention.self.query"
    key: str = "attention.self.key"
    value: str = "attention.self.value"
    head_site: str = "attention.output.dense"
    expansion: str = "intermediate.dense"
    """First matrix of the feed-forward block."""
    neuron_site: str = "output.dense"
    cls_cuts: tuple[str, ...] = ("attention.output",)

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
    optional: tuple[str, ...] = ()
    """Parts of the encoder that a published checkpoint may lack."""

    depth: str = "num_hidden_layers"
    """Name in config.json of the number of layers; so for the next two."""
    neurons: str = "intermediate_size"
    dropouts: tuple[str, ...] = ("hidden_dropout_prob", "attention_probs_dropout_prob")

    word_mark: str = ""
    """Character that its tokenizers put in front of a word's first token."""
