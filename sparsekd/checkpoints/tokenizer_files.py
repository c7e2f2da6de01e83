"""What a checkpoint's tokenizer must have, checked before transformers builds it."""

from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from sparsekd.checkpoints.files import AGAIN, check_whole, read_json
from sparsekd.errors import BadInput, Incompatible
from sparsekd.system.files import disk_error

FAST = "tokenizer.json"
PIECES = ("sentencepiece.bpe.model", "spiece.model", "spm.model", "tokenizer.model")
TOKENIZERS = (FAST, "vocab.txt", "vocab.json", *PIECES)
SETTINGS = "tokenizer_config.json"
ADDED = "added_tokens.json"
READ_BY_FAST = ("TokenizersBackend", "PreTrainedTokenizer")  # classes that only read tokenizer.json
SPLITTERS = {
    "mecab": ("fugashi",),
    "sudachi": ("sudachipy",),
    "jumanpp": ("rhoknp",),
}
"""Packages of the Japanese word tokenizers."""
DICTIONARIES = {"ipadic": "ipadic", "unidic_lite": "unidic_lite", "unidic": "unidic"}
PACKAGES = {
    "XLMTokenizer": ("sacremoses",),
    "FlaubertTokenizer": ("sacremoses",),
    "HerbertTokenizer": ("sacremoses",),
    "RoFormerTokenizer": ("rjieba",),
    "CpmTokenizer": ("jieba",),
    "SiglipTokenizer": ("sentencepiece",),
    "BartphoTokenizer": ("sentencepiece",),
    "BertGenerationTokenizer": ("sentencepiece",),
}
"""Packages that transformers' tokenizers import when they are built."""


def has_tokenizer(folder: Path) -> bool:
    """Return whether a folder has the vocabulary of a tokenizer."""
    return any((folder / name).is_file() for name in TOKENIZERS)


def check(folder: Path, config: Mapping[str, Any], rows: int) -> None:
    """Refuse a tokenizer that cannot be built here, or whose ids the model has no rows for.

    Args:
        rows: Of the model's token embeddings.

    Raises:
        BadInput: missing or damaged files, or a package that is missing.
        Incompatible: ids past the embeddings.
    """
    if not has_tokenizer(folder):
        raise BadInput(f"{folder} has no tokenizer.", f"Add its {' or '.join(TOKENIZERS[:3])}.")
    kind = _kind(folder, config)
    if (folder / FAST).is_file():
        ids = _fast_ids(folder / FAST)
    else:
        _check_slow(folder, kind)
        ids = _slow_ids(folder)
    check_ids(folder, ids, rows)


def check_ids(folder: Path, ids: Iterable[int], rows: int) -> None:
    """Refuse ids past the model's token embeddings.

    Raises:
        Incompatible: one is.
    """
    highest = max(ids, default=-1)
    if highest >= rows:
        raise Incompatible(
            f"The tokenizer in {folder} gives the id {highest}, the model has {rows} rows "
            f"(ids 0 to {rows - 1}).",
            "They belong to different checkpoints: add the right tokenizer, or enlarge the model "
            "with resize_token_embeddings.",
        )


def _kind(folder: Path, config: Mapping[str, Any]) -> str:
    """Return the class of the tokenizer without `Fast`; empty where none is named."""
    given = config.get("tokenizer_class")
    where = folder / "config.json"
    if (folder / SETTINGS).is_file():
        settings = read_json(folder / SETTINGS)
        if settings.get("tokenizer_class") is not None:
            given, where = settings["tokenizer_class"], folder / SETTINGS
    if given is None:
        return ""
    if not isinstance(given, str):
        raise BadInput(f"{where}: tokenizer_class is {given!r}, not a name.", "Remove it.")
    return given.removesuffix("Fast")


def _fast_ids(file: Path) -> list[int]:
    check_whole(file)
    try:
        found = Tokenizer.from_file(str(file))
    except Exception as error:  # the Rust library raises this class itself
        raise BadInput(
            f"The tokenizer in {file.parent} cannot be read ({FAST}: {_line(error)}).",
            "Save the tokenizer again, or download the checkpoint again.",
        ) from error
    ids = list(found.get_vocab(with_added_tokens=True).values())
    if not ids:
        raise BadInput(f"The tokenizer in {file.parent} has no tokens.", AGAIN)
    return ids


def _check_slow(folder: Path, kind: str) -> None:
    if kind in READ_BY_FAST:
        raise BadInput(
            f"The tokenizer in {folder} needs its {FAST}.",
            "Download the checkpoint again, or save the tokenizer again with transformers.",
        )
    missing = [name for name in _packages(folder, kind) if find_spec(name) is None]
    if missing:
        raise BadInput(
            f"The tokenizer in {folder} ({kind}) needs {' and '.join(missing)}.",
            f"pip install {' '.join(missing)}, or add a fast tokenizer ({FAST}).",
        )
    if (folder / "vocab.json").is_file() and not (folder / "merges.txt").is_file():
        raise BadInput(
            f"The tokenizer in {folder} lacks merges.txt beside vocab.json.",
            f"Download the checkpoint again, or add a fast tokenizer ({FAST}).",
        )


def _packages(folder: Path, kind: str) -> tuple[str, ...]:
    if kind != "BertJapaneseTokenizer":
        return PACKAGES.get(kind, ())
    settings = read_json(folder / SETTINGS) if (folder / SETTINGS).is_file() else {}
    splitter = str(settings.get("word_tokenizer_type", "basic"))
    needed = SPLITTERS.get(splitter, ())
    if splitter == "mecab":
        options = settings.get("mecab_kwargs") or {}
        name = options.get("mecab_dic", "unidic_lite") if isinstance(options, dict) else ""
        needed += tuple(DICTIONARIES[each] for each in (name,) if each in DICTIONARIES)
    if settings.get("subword_tokenizer_type") == "sentencepiece":
        needed += ("sentencepiece",)
    return needed


def _slow_ids(folder: Path) -> list[int]:
    """Return the ids of a vocabulary that is a file of its own; none of a binary one."""
    ids: list[int] = []
    for name in ("vocab.json", ADDED):
        if (folder / name).is_file():
            found = read_json(folder / name)
            if not all(type(number) is int for number in found.values()):
                raise BadInput(f"{folder / name} does not map tokens to ids.", AGAIN)
            ids += found.values()
    file = folder / "vocab.txt"
    if not file.is_file():
        return ids
    check_whole(file)
    try:
        return [*ids, file.read_text(encoding="utf-8").count("\n") - 1]
    except OSError as error:
        raise disk_error(file, error) from error
    except UnicodeDecodeError as error:
        raise BadInput(f"{file} is not UTF-8 text.", AGAIN) from error


def _line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:160]
