"""Files of a local task: which splits a folder has, and a hash of their contents."""

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

from sparsekd.errors import BadInput, NotFound, Unavailable

KINDS = ("parquet", "csv", "tsv", "jsonl")
_TEXT_KINDS = ("csv", "tsv", "jsonl", "ndjson", "json")
TASK_KINDS = ("parquet", *_TEXT_KINDS, *(f"{kind}.gz" for kind in _TEXT_KINDS))
TEST = "test"
SHARE = 0.2
"""Of the training rows, a usual validation split where there is no file for it."""
MAX_BYTES = 1 << 30
NAME = re.compile(
    r"(?P<split>train|validation|valid|dev|val|test|unlabell?ed)(?:_(?P<part>\w+))?(?:-[\w-]+)?"
    rf"\.(?P<kind>{'|'.join(map(re.escape, TASK_KINDS))})",
    re.IGNORECASE,
)
OTHER = re.compile(
    rf".*\.({'|'.join(map(re.escape, TASK_KINDS))}|txt|xlsx?|ods|arrow|feather|pkl|zip|bz2|xz|zst)",
    re.IGNORECASE,
)
"""Names of files that may hold examples under another name or in another format."""
SHOWN = 5  # names of files in words
WANTED = (
    "A task needs files train and validation (or valid, dev, val), each as parquet, csv, tsv, "
    "jsonl or json, also packed as .gz; a file unlabelled is optional."
)


class NoValidation(NotFound):
    """A folder with training data that has no validation file."""


def find(folder: Path, validation: bool = True) -> dict[str, list[Path]]:
    """Find each split's files: train.csv, train-00000-of-00002.parquet, validation_matched.tsv ….

    Unlabelled texts are files of their own: unlabelled.csv, unlabeled.parquet.

    Args:
        validation: There must be validation files; without, there must be none.

    Raises:
        NotFound: no such folder, or no training file; NoValidation: no validation file.
        BadInput: two candidates for one split, or validation files where none may be.
    """
    find_train(folder)
    splits = {n: paths for n, paths in _splits(folder).items() if not n.startswith(TEST)}
    found = validation_splits(splits)
    if validation and not found:
        raise NoValidation(f"{folder} has no validation file{_beside(folder)}.", _remedy(folder))
    if found and not validation:
        raise BadInput(
            f"{folder} has a validation file, {splits[found[0]][0].name}: no share of train is "
            "held out beside it.",
            "Leave out --validation-share, or remove the file.",
        )
    return splits


def find_train(folder: Path) -> list[Path]:
    """Find the files of the training split.

    Raises:
        NotFound: there is none.
    """
    found = _splits(folder)
    if "train" not in found:
        raise NotFound(f"{folder} has no train file{_beside(folder)}.", WANTED)
    return found["train"]


def has_validation(folder: Path) -> bool:
    """Return whether a folder has a validation file."""
    return bool(validation_splits(_splits(folder)))


def find_test(folder: Path) -> dict[str, list[Path]]:
    """Find the files of the test splits, which no run reads: test.csv, test_matched.tsv …."""
    return {name: paths for name, paths in _splits(folder).items() if name.startswith(TEST)}


def validation_splits(splits: Iterable[str]) -> tuple[str, ...]:
    """Return the names of the validation splits, sorted."""
    return tuple(sorted(name for name in splits if name.startswith("validation")))


def kind_of(path: Path) -> str:
    """Return the format of a file by its name, whether packed or not."""
    parts = path.name.lower().removesuffix(".gz").rpartition(".")
    return "jsonl" if parts[2] == "ndjson" else parts[2]


def _splits(folder: Path) -> dict[str, list[Path]]:
    splits: dict[str, list[Path]] = {}
    for path in _listed(folder):
        match = NAME.fullmatch(path.name)
        if match:
            splits.setdefault(_split(match), []).append(path)
    for name, paths in splits.items():
        # Several files are shards only if the rest of their names agrees.
        if len({(path.name.split("-")[0].split(".")[0], _suffix(path)) for path in paths}) > 1:
            found = ", ".join(path.name for path in paths)
            raise BadInput(f"{folder} has several files for {name}: {found}.", "Keep one of them.")
    return splits


def _split(match: re.Match[str]) -> str:
    name, part = match["split"].lower(), match["part"]
    if name.startswith("unlabel"):
        return "unlabelled"
    if name == "train":
        return name
    stem = name if name == TEST else "validation"
    return f"{stem}_{part}" if part else stem


def _suffix(path: Path) -> str:
    return "".join(path.suffixes[-2:]) if path.suffix.lower() == ".gz" else path.suffix


def _beside(folder: Path) -> str:
    """Return in words where a folder's files may be: in a folder inside, or under other names."""
    if not any(_is_train(path) for path in _listed(folder)):
        inside = [path.parent for path in folder.glob("*/train*") if _is_train(path)]
        if inside:
            return f"; {min(inside)} has one"
    names = [
        path.name
        for path in _listed(folder)
        if not NAME.fullmatch(path.name) and OTHER.fullmatch(path.name)
    ]
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"; it has {', '.join(names[:SHOWN])}{more}" if names else ""


def _is_train(path: Path) -> bool:
    match = NAME.fullmatch(path.name)
    return match is not None and _split(match) == "train"


def _remedy(folder: Path) -> str:
    test = next((paths[0].name for paths in find_test(folder).values()), "")
    rename = f"; or rename {test}, if it has labels and may be reported" if test else ""
    return (
        f"Add one (validation, valid, dev or val); or hold out a share of train: "
        f"--validation-share {SHARE} (of tasks, which names the task for every command){rename}."
    )


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_file())
    except FileNotFoundError as error:
        raise NotFound(f"There is no folder {folder}.", WANTED) from error
    except NotADirectoryError as error:
        raise BadInput(
            f"{folder} is a file, not a folder.", f"Name its folder. {WANTED}"
        ) from error
    except (OSError, ValueError) as error:
        raise Unavailable(f"{folder} cannot be read: {error}.", "Check its permissions.") from error


def fingerprint(splits: dict[str, list[Path]]) -> str:
    """Return a hash of the files' contents, whatever their folder and dates.

    Raises:
        BadInput: the files are larger than `MAX_BYTES` in all.
        Unavailable: they cannot be read.
    """
    try:
        size = sum(path.stat().st_size for paths in splits.values() for path in paths)
        if size > MAX_BYTES:
            raise BadInput(
                f"The files are {size >> 20:,} MiB; the limit is {MAX_BYTES >> 20:,} MiB.",
                "Use a sample of the rows.",
            )
        return _digest(splits)
    except OSError as error:
        raise Unavailable(
            f"The files cannot be read: {error}.", "Check their permissions."
        ) from error


def _digest(splits: dict[str, list[Path]]) -> str:
    whole = hashlib.sha256()
    for name in sorted(splits):
        for path in splits[name]:
            with path.open("rb") as file:
                whole.update(f"{name}{_suffix(path)}".encode())
                whole.update(hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()
