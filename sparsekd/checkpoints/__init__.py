"""Checkpoints from outside: find and inspect their folders, without loading weights or torch."""

from sparsekd.checkpoints.files import CONFIG, INDEX, WEIGHTS, damaged, headers, weight_files
from sparsekd.checkpoints.hub import cached, locate
from sparsekd.checkpoints.inspection import Inspected, inspect

__all__ = [
    "CONFIG",
    "INDEX",
    "WEIGHTS",
    "Inspected",
    "cached",
    "damaged",
    "headers",
    "inspect",
    "locate",
    "weight_files",
]
