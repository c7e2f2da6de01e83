"""Models within reach: loaded once, the longest unused put away when memory is short."""

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
from sparsekd.stages.inputs import Splits, trained
from sparsekd.tasks import TaskCard
from sparsekd.units.masking import Mask

BYTES = 2 * 2**30
TASKS = 3


@dataclass
class Warm:
    """One loaded model with its tokenizer and task; `known` keeps what was computed with it."""

    reference: str
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    card: TaskCard
    known: dict[str, NDArray[np.float32]] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes of its weights."""
        return sum(each.numel() * each.element_size() for each in self.model.parameters())

    def places(self) -> tuple[list[NDArray[np.int64]], int]:
        """Which head of the whole model each head is, layer by layer, and heads per layer.

        Only a pruned teacher knows which it has lost; others have all, or are counted anew.
        """
        path = store.folder(self.reference) / "mask.npz" if ":" not in self.reference else None
        if path is not None and path.exists():
            kept = Mask.load(path).heads
            return [np.flatnonzero(row) for row in kept], kept.shape[1]
        heads = architectures.shape(self.model).heads
        return [np.arange(count) for count in heads], max(*heads, 1)


class Shelf:
    """Models and tasks by what they are called, at most so many bytes and tasks."""

    def __init__(self, most: int = BYTES) -> None:
        self.most = most
        self._models: OrderedDict[tuple[str, str, str], Warm] = OrderedDict()
        self._tasks: OrderedDict[str, dict[str, pd.DataFrame]] = OrderedDict()
        self._threads = torch.get_num_threads()

    def model(self, reference: str, task: str) -> Warm:
        """A model that answers a task, loaded where it is not here, or is here as it was before.

        Raises:
            NotFound, BadInput: its files are gone or damaged. Incompatible: another task.
        """
        key = (reference, task, client.stamp(reference))
        if key not in self._models:
            card = references.card(task)
            self._models[key] = Warm(reference, *trained(reference, card), card)
        self._models.move_to_end(key)
        self._make_room()
        warm = self._models[key]
        small = warm.model.config.hidden_size < SMALL
        torch.set_num_threads(1 if small else self._threads)
        return warm

    def splits(self, warm: Warm, max_length: int) -> Splits:
        """The task's splits in this model's tokens."""
        return Splits(warm.card, warm.tokenizer, max_length)

    def texts(self, task: str) -> dict[str, pd.DataFrame]:
        """The task's texts and labels, split by split."""
        if task not in self._tasks:
            self._tasks[task] = load(references.card(task))
        self._tasks.move_to_end(task)
        while len(self._tasks) > TASKS:
            self._tasks.popitem(last=False)
        return self._tasks[task]

    def clear(self) -> None:
        """Put everything away: after a time-out, a model may be left with hooks on it."""
        self._models.clear()

    def __len__(self) -> int:
        return len(self._models)

    def _make_room(self) -> None:
        while len(self._models) > 1 and sum(w.size for w in self._models.values()) > self.most:
            self._models.popitem(last=False)
