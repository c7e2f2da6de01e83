"""Models of usual sizes with random weights, for times that do not depend on the weights."""

from typing import Any

from sparsekd.bench import Size
from sparsekd.data import demo_tokenizer
from sparsekd.models import loading, students
from sparsekd.runs import references, store
from sparsekd.tasks.demo import DEMO_CHECKPOINT

_SIZES: dict[Size, dict[str, Any]] = {
    "minilm": {"layers": 6, "hidden": 384, "heads": 12, "intermediate": 1536},
    "base": {"layers": 12, "hidden": 768, "heads": 12, "intermediate": 3072},
}
VOCABULARY = 30522  # of BERT: the embeddings have weights to update, too


def reference(size: Size) -> str:
    """Return the reference of a model of that size; its checkpoint is written once.

    Raises:
        Unavailable: the disk is full or read-only.
    """
    if size == "demo":
        return DEMO_CHECKPOINT
    folder = store.home() / "cache" / "bench" / size
    if not (folder / "config.json").exists():
        settings = _SIZES[size] | {"vocabulary": VOCABULARY, "positions": 512}
        labels = ("negative", "positive")
        model = students.untrained("bert", labels=labels, kind="classes", seed=0, **settings)
        loading.save(model, demo_tokenizer(), folder)
    return references.model(str(folder))
