"""What a checkpoint's tokenizer must have, checked before transformers builds it."""

from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, models

from sparsekd.checkpoints.files import AGAIN, check_whole, read_json
from sparsekd.errors import BadInput, Incompatible
from sparsekd.system.files import disk_error

FAST = "tokenizer.json"
TRIAL = "A text, 字 x\u0301."
"""A text with which a tokenizer is tried: words, an unknown one, a combining character."""
PIECES = ("sentencepiece.bpe.model", "spiece.model", "spm.model", "tokenizer.model")
TOKENIZERS = (FAST, "vocab.txt", "vocab.json", *PIECES)
SETTINGS = "tokenizer_config.json"
SPECIAL_TOKENS = "special_tokens_map.json"
SETTING_TYPES = {"auto_map": (dict, list), "added_tokens_decoder": dict}
ADDED = "added_tokens.json"
READ_BY_FAST = ("TokenizersBackend", "PreTrainedTokenizer")  # classes that only read tokenizer.json
CODES = ("PhobertTokenizer", "BertweetTokenizer")
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
    kind, named = _kind(folder, config), _special_tokens(folder)
    if (folder / FAST).is_file():
        ids = _fast_ids(folder / FAST, named)
    else:
        _check_slow(folder, kind)
        ids = _slow_ids(folder, kind)
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


def _special_tokens(folder: Path) -> set[str]:
    """Return the special tokens that the settings name; those that a vocabulary lacks are added.

    Raises:
        BadInput: one is no token, or other settings are of the wrong type.
    """
    found: set[str] = set()
    for name in (SETTINGS, SPECIAL_TOKENS):
        file = folder / name
        settings = read_json(file) if file.is_file() else {}
        for key, given in settings.items():
            token = given.get("content") if isinstance(given, dict) else given
            if not key.endswith("_token") or given is None or isinstance(given, bool):
                continue  # add_bos_token and the like are choices
            if not isinstance(token, str):
                raise BadInput(f"{file}: {key} is {given!r}, not a token.", "Write its text.")
            found.add(token)
        for key, kind in SETTING_TYPES.items():
            if settings.get(key) is not None and not isinstance(settings[key], kind):
                raise BadInput(f"{file}: {key} is {settings[key]!r}.", "Remove it.")
        if settings.get("padding_side", "right") not in ("left", "right"):
            side = settings["padding_side"]
            raise BadInput(f"{file}: padding_side is {side!r}.", "Write right.")
        for token in (settings.get("added_tokens_decoder") or {}).values():
            found |= (
                {str(token["content"])} if isinstance(token, dict) and "content" in token else set()
            )
    if (folder / ADDED).is_file():
        found |= set(read_json(folder / ADDED))
    return found


def _fast_ids(file: Path, named: set[str]) -> list[int]:
    check_whole(file)
    try:
        found = Tokenizer.from_file(str(file))
        ids = [*found.encode(TRIAL).ids, *found.get_vocab(with_added_tokens=True).values()]
    except Exception as error:  # the Rust library raises this class itself
        raise BadInput(
            f"The tokenizer in {file.parent} cannot be read ({FAST}: {_line(error)}).",
            "Save the tokenizer again, or download the checkpoint again.",
        ) from error
    added = len(named - set(found.get_vocab(with_added_tokens=True)))
    ids += [max(ids, default=-1) + added]
    if not found.get_vocab_size():
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
    if kind in CODES and not (folder / "bpe.codes").is_file():
        raise BadInput(
            f"The tokenizer in {folder} ({kind}) lacks bpe.codes beside vocab.txt.",
            f"Download the checkpoint again, or add a fast tokenizer ({FAST}).",
        )
    if (folder / "vocab.json").is_file() and not (folder / "merges.txt").is_file():
        raise BadInput(
            f"The tokenizer in {folder} lacks merges.txt beside vocab.json.",
            f"Download the checkpoint again, or add a fast tokenizer ({FAST}).",
        )
    if (folder / "vocab.json").is_file():
        _check_pairs(folder)


def _check_pairs(folder: Path) -> None:
    """Refuse a vocabulary and merges that do not belong together."""
    places = (folder / "vocab.json", folder / "merges.txt")
    try:
        models.BPE.from_file(*(str(place) for place in places))
    except Exception as error:  # the Rust library raises this class itself
        raise BadInput(
            f"The tokenizer in {folder} cannot be read (vocab.json, merges.txt: {_line(error)}).",
            AGAIN,
        ) from error


def _packages(folder: Path, kind: str) -> tuple[str, ...]:
    if kind != "BertJapaneseTokenizer":
        pieces = any((folder / name).is_file() for name in PIECES)
        return PACKAGES.get(kind, ("sentencepiece",) if pieces else ())
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


def _slow_ids(folder: Path, kind: str) -> list[int]:
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
        words = file.read_text(encoding="utf-8").split("\n")
    except OSError as error:
        raise disk_error(file, error) from error
    except UnicodeDecodeError as error:
        raise BadInput(f"{file} is not UTF-8 text.", AGAIN) from error
    if kind in ("", "BertTokenizer") and "[UNK]" not in {word.strip() for word in words}:
        raise BadInput(f"{file} lacks the token [UNK] for unknown words.", AGAIN)
    return [*ids, len([word for word in words if word]) - 1]


def _line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:160]
