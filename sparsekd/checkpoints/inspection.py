"""The inspection of a checkpoint's folder before any run is made of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparsekd.catalog.family import Family
from sparsekd.checkpoints import configuration, folder_kinds, tokenizer_files, weights
from sparsekd.checkpoints.files import CONFIG, Weight, headers, read_json
from sparsekd.tasks.cards import Kind


@dataclass(frozen=True)
class Inspected:
    """What a checkpoint's folder says of its model, without its weights."""

    folder: Path
    config: Mapping[str, Any]
    family: Family
    weights: Mapping[str, Weight]
    rows: int
    """Of the token embeddings."""

    @property
    def positions(self) -> int:
        """Return the length of the longest text that the model has positions for."""
        name = f"{self.family.embeddings}.{self.family.positions}.weight"
        rows = next(each.shape[0] for key, each in self.weights.items() if key.endswith(name))
        if not self.family.first_position_after_padding:
            return rows
        # What the family's configuration says where the file says nothing.
        padding = self.config.get("pad_token_id", 1)
        return rows - (padding or 0) - 1

    @property
    def outputs(self) -> int | None:
        """Return the number of outputs of the classifier; None where there is none."""
        found = self.weights.get(f"{self.family.classifier}.weight")
        return found.shape[0] if found and len(found.shape) == 2 else None

    @property
    def classifier_problem(self) -> str:
        """Return in words why it is no finished classifier; empty where it is one."""
        return weights.classifier_problem(self.config, self.family, self.weights)

    @property
    def labels(self) -> tuple[tuple[str, ...], Kind]:
        """Return the labels in the order of the outputs (none for a number), and their kind."""
        count = self.config.get("num_labels") or 2
        found = configuration.label_names(self.config) or tuple(f"LABEL_{i}" for i in range(count))
        if len(found) == 1:
            return (), "number"
        several = self.config.get("problem_type") == "multi_label_classification"
        return found, "labels" if several else "classes"


def inspect(folder: Path) -> Inspected:
    """Inspect a checkpoint's folder: config.json, the headers of its weights, its tokenizer.

    Raises:
        BadInput: not a checkpoint, or a damaged, pickled or inconsistent one; the message says
            what it is and what to do.
        Incompatible: a model that is not supported, or a tokenizer of another one.
    """
    folder_kinds.check_adapter(folder)
    if not (folder / CONFIG).is_file():
        raise folder_kinds.not_a_checkpoint(folder)
    config = read_json(folder / CONFIG)
    family = configuration.family_of(config, folder / CONFIG)
    configuration.check(config, family, folder / CONFIG)
    found = headers(folder)
    rows = weights.check(folder, config, family, found)
    tokenizer_files.check(folder, config, rows)
    return Inspected(folder, config, family, found, rows)
