"""Demo checkpoints: small untrained models, and how they and their students are trained."""

from typing import Any

# What `--checkpoint` and recipes name.
DEMO_CHECKPOINT, DEMO_DISTILBERT = "demo:", "demo:distilbert"
DEMO_CHECKPOINTS = {DEMO_CHECKPOINT: "Demo BERT", DEMO_DISTILBERT: "Demo DistilBERT"}

_TRAINING: dict[str, Any] = {"batch_size": 32, "max_length": 64, "clip": 1.0}
# A BERT trained from scratch; "train" holds TrainParams. No dropout, larger initial weights than
# usual and a tight clip: with the usual ones, or a learning rate of 7e-4, it stayed at chance for
# most of its epochs.
DEMO_TEACHER: dict[str, Any] = {
    "family": "bert",
    "tokenizer": "words",
    "layers": 4,
    "hidden": 128,
    "heads": 4,
    "intermediate": 256,
    "dropout": 0.0,
    "initializer_range": 0.05,
    "train": _TRAINING | {"epochs": 8, "learning_rate": 4e-4, "patience": 8},
}
DEMO_TEACHERS: dict[str, dict[str, Any]] = {
    DEMO_CHECKPOINT: DEMO_TEACHER,
    DEMO_DISTILBERT: DEMO_TEACHER | {"family": "distilbert", "tokenizer": "pieces", "layers": 3},
}
# The teacher's bottom layer and its classifier: too shallow for nested scopes.
DEMO_STUDENT: dict[str, Any] = {
    "layers": 1,
    "train": _TRAINING | {"epochs": 4, "learning_rate": 5e-4, "patience": 4},
}
