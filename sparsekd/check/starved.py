"""A worker process that may take little memory: `python -m sparsekd.check.starved RUN DEVICE`."""

import os
import resource
import sys
from pathlib import Path

import torch

from sparsekd.runs import references, store
from sparsekd.stages import inputs
from sparsekd.worker import work

ROOM = 256 * 2**20  # bytes beyond what the process has taken to start


def main(run_id: str, device: str) -> None:
    """Execute a run with as much memory as `ROOM`, by the limit that the device has."""
    _load(run_id)
    kind = torch.device(device).type
    if kind == "cuda":
        whole = torch.cuda.get_device_properties(torch.device(device)).total_memory
        work(run_id, device, share=ROOM / whole)  # as a worker in one of many slots
        return
    if kind == "mps":
        torch.mps.set_per_process_memory_fraction(ROOM / torch.mps.recommended_max_memory())
    else:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        most = pages * os.sysconf("SC_PAGE_SIZE") + ROOM
        resource.setrlimit(resource.RLIMIT_AS, (most, most))  # an allocation beyond it fails
    work(run_id, device)


def _load(run_id: str) -> None:
    """Load libraries and tokenise the texts, so that it is the training which lacks memory.

    A tokenizer that runs out of memory ends the process without an error.
    """
    recipe = store.get(run_id).recipe
    card = references.card(recipe.task)
    _, tokenizer = inputs.load_pretrained(recipe.inputs["checkpoint"], card, recipe.random_seed)
    splits = inputs.Splits(card, tokenizer, recipe.params["train"]["max_length"])
    for split in ("train", "selection"):
        splits[split]


if __name__ == "__main__":
    main(*sys.argv[1:])
