"""Load the pruned model beside this file: `from load_pruned import load`. Needs transformers only.

`from_pretrained` alone expects every layer as wide as config.json says, and refuses this one.
"""

from pathlib import Path

from safetensors.torch import load_file
from torch import nn
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedModel


def load(folder: str | Path = Path(__file__).parent) -> PreTrainedModel:
    """Return the classifier in eval mode, each layer as wide as its weights."""
    weights, config = (
        load_file(Path(folder) / "model.safetensors"),
        AutoConfig.from_pretrained(folder),
    )
    # A layer without heads: fused attention on GPUs refuses empty inputs.
    kind = "eager" if any(0 in weight.shape for weight in weights.values()) else "sdpa"
    model: PreTrainedModel = AutoModelForSequenceClassification.from_config(
        config, attn_implementation=kind
    )
    for name, part in model.named_modules():
        if isinstance(part, nn.Linear):
            part.weight = nn.Parameter(weights[f"{name}.weight"])
            bias = weights.get(f"{name}.bias")
            part.register_parameter("bias", None if bias is None else nn.Parameter(bias))
            part.out_features, part.in_features = part.weight.shape
    model.load_state_dict(weights)
    model.eval()
    return model
