"""Models in memory: loaded once, the least recently used dropped when memory is short."""

from collections import OrderedDict
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from sparsekd.data import load
from sparsekd.inspector import client
from sparsekd.models import architectures
from sparsekd.runs import references, store
from sparsekd.stages.context import SMALL
from sparsekd.stages.inputs import Splits, load_classifier
from sparsekd.tasks import TaskCard
from sparsekd.units.masking import Mask

MAX_BYTES = 2 * 2**30
MAX_TASKS = 3


@dataclass
class LoadedModel:
    """A model in memory with its tokenizer and task; `predictions` caches logits by data."""

    reference: str
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    card: TaskCard
    predictions: dict[str, NDArray[np.float32]] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes of the weights."""
        return sum(each.numel() * each.element_size() for each in self.model.parameters())

    def head_indices(self) -> tuple[list[NDArray[np.int64]], int]:
        """Return each head's index before pruning, layer by layer, and the heads per layer.

        Only a pruned teacher's run keeps the mask; heads of other models are numbered as they
        come.
        """
        path = store.folder(self.reference) / "mask.npz" if ":" not in self.reference else None
        if path is not None and path.exists():
            kept = Mask.load(path).heads
            return [np.flatnonzero(row) for row in kept], kept.shape[1]
        heads = architectures.shape(self.model).heads
        return [np.arange(count) for count in heads], max(*heads, 1)


class ModelCache:
    """Loaded models and tasks, least recently used first, within a limit of bytes and tasks."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self.max_bytes = max_bytes
        self._models: OrderedDict[tuple[str, str, str], LoadedModel] = OrderedDict()
        self._tasks: OrderedDict[str, dict[str, pd.DataFrame]] = OrderedDict()
        self._threads = torch.get_num_threads()

    def model(self, reference: str, task: str) -> LoadedModel:
        """Return a task's classifier, loaded again where its weights have changed.

        Raises:
            NotFound, BadInput: its files are gone or damaged.
            Incompatible: a classifier of another task.
        """
        key = (reference, task, client.fingerprint(reference))
        if key not in self._models:
            card = references.card(task)
            self._models[key] = LoadedModel(reference, *load_classifier(reference, card), card)
        self._models.move_to_end(key)
        self._evict()
        loaded = self._models[key]
        small = loaded.model.config.hidden_size < SMALL
        torch.set_num_threads(1 if small else self._threads)
        return loaded

    def splits(self, loaded: LoadedModel, max_length: int) -> Splits:
        """Return the task's splits, tokenised for this model."""
        return Splits(loaded.card, loaded.tokenizer, max_length)

    def texts(self, task: str) -> dict[str, pd.DataFrame]:
        """Return the task's texts and labels, split by split."""
        if task not in self._tasks:
            self._tasks[task] = load(references.card(task))
        self._tasks.move_to_end(task)
        while len(self._tasks) > MAX_TASKS:
            self._tasks.popitem(last=False)
        return self._tasks[task]

    def clear(self) -> None:
        """Drop all models; a handler that was interrupted may have left hooks on one."""
        self._models.clear()

    def __len__(self) -> int:
        return len(self._models)

    def _evict(self) -> None:
        while len(self._models) > 1 and self._size() > self.max_bytes:
            self._models.popitem(last=False)

    def _size(self) -> int:
        return sum(loaded.size for loaded in self._models.values())
