"""Load and save classifiers with their tokenizers, pruned ones included."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)
from transformers.initialization import no_init_weights
from transformers.utils import logging

from sparsekd import checkpoints
from sparsekd.checkpoints import Inspected, classifier, configuration, damaged
from sparsekd.checkpoints.files import present_name
from sparsekd.checkpoints.tokenizer_files import FAST, TRIAL, check_ids
from sparsekd.checkpoints.weights import is_leftover
from sparsekd.errors import BadInput, Incompatible
from sparsekd.models import architectures
from sparsekd.models.classifiers import fit_classifier
from sparsekd.models.pruning import resize, spare_empty_attention
from sparsekd.system.files import disk_error
from sparsekd.tasks.cards import Kind

Loaded = tuple[PreTrainedModel, PreTrainedTokenizerBase]
Sizes = dict[str, tuple[int, ...]]
# What transformers raises of files that it cannot make sense of.
UNREADABLE = (
    OSError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    RuntimeError,
    AssertionError,
    ArithmeticError,
    StrictDataclassError,
)


def load(reference: str, labels: tuple[str, ...], kind: Kind, seed: int) -> Loaded:
    """Load a classifier of these labels, in float32 and eval mode, and its tokenizer.

    The top layer is new, drawn with `seed`, unless the checkpoint has one for the same labels
    (reordered if necessary) or for as many labels without names.

    Args:
        reference: Local folder, physically pruned or not, or hub id.
        labels: Names of the classes or labels in the order of their ids; ignored for a number.

    Raises:
        NotFound: no such checkpoint.
        Unavailable: the hub does not respond.
        BadInput: not a checkpoint, or a damaged or pickled one.
        Incompatible: a model family that is not supported.
    """
    found = checkpoints.inspect(checkpoints.locate(reference))
    config, sizes = _config(found), _sizes(found)
    skeleton = _sized(config, sizes)
    expected = set(skeleton.state_dict())
    whole = expected <= set(sizes) and not found.classifier_problem
    if whole and _leftovers_alone(found, expected):
        model, fresh = _filled(skeleton, found, expected), found.outputs != config.num_labels
    else:
        model, fresh = _foreign(found.folder, config, seed)
    fit_classifier(model, labels, kind, seed, fresh=fresh)
    return model.eval(), _tokenizer(found, config)


def load_saved(folder: Path) -> Loaded:
    """Load a finished classifier, physically pruned or not, in eval mode.

    Weights that a classifier does without are left out.

    Raises:
        BadInput: not a checkpoint of a classifier, or a damaged one; no weight is initialised.
    """
    found = checkpoints.inspect(folder)
    config, sizes = _config(found), _sizes(found)
    skeleton = _sized(config, sizes)
    expected = set(skeleton.state_dict())
    classifier.check_outputs(found)
    missing = sorted(expected - set(sizes))
    others = sorted(set(sizes) - expected)
    unknown = [name for name in others if not is_leftover(name, found.family)]
    for problem, names in (("missing", missing), ("unexpected", unknown)):
        if names:
            raise BadInput(
                f"{folder} is not a finished classifier: {problem} weight {names[0]} "
                f"({len(names)} in all).",
                "Fine-tune the model first, or save it again.",
            )
    return _filled(skeleton, found, expected).eval(), _tokenizer(found, config)


def _sizes(found: Inspected) -> Sizes:
    return {name: weight.shape for name, weight in found.weights.items()}


def _leftovers_alone(found: Inspected, expected: set[str]) -> bool:
    """Return whether a classifier does without every weight that it has no place for."""
    return all(is_leftover(name, found.family) for name in set(found.weights) - expected)


def save(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Save configuration, tokenizer and weights (safetensors) atomically.

    In an existing folder, files are replaced one by one, the weights last, and other files stay.

    Raises:
        Unavailable: the disk is full or read-only, or the folder is not writable.
    """
    folder = folder.absolute()
    beside = folder.with_name(f".{os.getpid()}.{folder.name}")
    try:
        beside.mkdir(parents=True, exist_ok=True)
        try:
            _write(model, tokenizer, beside)
            _move(beside, folder)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
    except OSError as error:
        raise disk_error(folder, error) from error
    except SafetensorError as error:
        raise disk_error(folder, _system_error(error)) from error


def _write(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    model.config.architectures = [architectures.of(model).model]
    model.config.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    weights = {name: each.detach().cpu().contiguous() for name, each in model.state_dict().items()}
    # transformers requires this entry
    save_file(weights, folder / checkpoints.WEIGHTS, metadata={"format": "pt"})


def _system_error(error: SafetensorError) -> OSError:
    """Return the system's error inside the writer's, whose message alone has its number."""
    number = re.search(r"os error (\d+)", str(error))
    return OSError(int(number[1]), os.strerror(int(number[1]))) if number else OSError(str(error))


def _reason(error: Exception) -> str:
    """Return a hint with the last line of a library's message, which has the details."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return f"Download or save the checkpoint again. transformers: {lines[-1].strip()}"


def _move(beside: Path, folder: Path) -> None:
    if not folder.exists():
        beside.rename(folder)
        return
    for file in sorted(beside.iterdir(), key=lambda each: each.name == checkpoints.WEIGHTS):
        file.replace(folder / file.name)


def _config(found: Inspected) -> PretrainedConfig:
    try:
        values = configuration.known(found.config, found.family)
        config: PretrainedConfig = AutoConfig.for_model(found.family.name, **values)
    except UNREADABLE as error:
        raise BadInput(
            f"{found.folder / checkpoints.CONFIG} is not a valid configuration.", _reason(error)
        ) from error
    architectures.check_config(config)
    # Feed-forward blocks computed in chunks would call the gate sites several times.
    config.chunk_size_feed_forward = 0
    return config


def _sized(config: PretrainedConfig, sizes: Sizes) -> PreTrainedModel:
    """Build a classifier whose layers are as wide as the checkpoint's, with undefined weights."""
    with no_init_weights():  # random initialisation takes seconds
        try:
            model: PreTrainedModel = AutoModelForSequenceClassification.from_config(
                config, dtype=torch.float32, attn_implementation="sdpa"
            )
        except UNREADABLE as error:
            raise BadInput("The checkpoint's config.json is invalid.", _reason(error)) from error
    head = architectures.of(model).classifier
    rows = sizes.get(f"{head}.weight", ())[:1]
    if len(sizes.get(f"{head}.weight", ())) == 2 and rows != (config.num_labels,):
        last = architectures.classifier(model)
        bias = None if last.bias is None else torch.empty(rows)
        resize(last, torch.empty(*rows, last.in_features), bias)
    for path in architectures.unit_paths(model):
        size = sizes.get(f"{path}.weight", ())
        if len(size) == 2:
            # Only a block without units has no bias; elsewhere a missing bias is damage.
            biased = size[1] > 0 or f"{path}.bias" in sizes
            bias = torch.empty(size[0]) if biased else None
            resize(architectures.linear(model, path), torch.empty(size), bias)
    architectures.check_sizes(model)
    spare_empty_attention(model)
    return model


def _filled(model: PreTrainedModel, found: Inspected, expected: set[str]) -> PreTrainedModel:
    weights: dict[str, Tensor] = {}
    for file in checkpoints.weight_files(found.folder):
        try:
            held = load_file(file)
        except SafetensorError as error:
            raise damaged(file) from error
        weights |= {present_name(name): weight for name, weight in held.items()}
    for name in expected:
        _check_finite(found.folder, name, weights[name])
    try:
        model.load_state_dict({name: weights[name] for name in expected}, strict=True)
    except RuntimeError as error:
        raise BadInput(
            f"The weights in {found.folder} do not fit its config.json.", _reason(error)
        ) from error
    return model


def _foreign(folder: Path, config: PretrainedConfig, seed: int) -> tuple[PreTrainedModel, bool]:
    """Load a checkpoint of another kind of model; return also whether its classifier is new."""
    with _quiet(), torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # the CPU's alone, which is restored
        try:
            model, report = AutoModelForSequenceClassification.from_pretrained(
                folder,
                config=config,
                dtype=torch.float32,
                attn_implementation="sdpa",
                use_safetensors=True,
                local_files_only=True,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # the report names them
            )
        except (*UNREADABLE, SafetensorError) as error:
            raise BadInput(f"{folder} cannot be loaded.", _reason(error)) from error
    _check_report(model, folder, report)
    for name, weight in model.state_dict().items():
        _check_finite(folder, name, weight)
    head, _, _ = architectures.of(model).classifier.partition(".")
    new = {*report["missing_keys"], *(name for name, *_ in report["mismatched_keys"])}
    return model, any(name.startswith(f"{head}.") for name in new)


def _check_finite(folder: Path, name: str, weight: Tensor) -> None:
    """Refuse a weight with NaN or infinity.

    Raises:
        BadInput: it has one.
    """
    if weight.is_floating_point() and not bool(torch.isfinite(weight).all()):
        raise BadInput(
            f"{folder}: the weight {name} holds NaN or infinity.",
            "Its training has diverged, or it was saved in too small a type: use another one.",
        )


def _check_report(model: PreTrainedModel, folder: Path, report: dict[str, Any]) -> None:
    """Check that the encoder comes from the checkpoint as a whole.

    Raises:
        BadInput: weights of the encoder are missing, or of another size.
        Incompatible: weights of layers are left over.
    """
    family, encoder = architectures.of(model), f"{model.base_model_prefix}."
    for name, has, wanted in report["mismatched_keys"]:
        if name.startswith(encoder):
            raise BadInput(
                f"{folder}: the weight {name} is {_size(has)}, its config.json says "
                f"{_size(wanted)}.",
                "Add the weights and the config.json that belong together.",
            )
    optional = tuple(f"{encoder}{part}." for part in family.optional)
    missing = [
        name
        for name in sorted(report["missing_keys"])
        if name.startswith(encoder) and not name.startswith(optional)
    ]
    if missing:
        raise BadInput(
            f"{folder} lacks the weight {missing[0]} ({len(missing)} are missing).",
            f"Download the checkpoint again, or check {family.depth} in its config.json.",
        )
    inside = f"{family.layers}."
    unknown = [name for name in sorted(report["unexpected_keys"]) if inside in name]
    if unknown:
        raise Incompatible(
            f"{folder} has weights that {family.title} does not use, such as {unknown[0]}.",
            f"Use a plain {family.title} checkpoint, and check {family.depth} in its config.json.",
        )


def _size(shape: tuple[int, ...]) -> str:
    return " × ".join(str(length) for length in shape)


def _tokenizer(found: Inspected, config: PretrainedConfig) -> PreTrainedTokenizerBase:
    """Load the tokenizer, and read a text with it.

    Where its class has no fast form, or cannot be built here, its tokenizer.json alone is read,
    which describes it as well.
    """
    folder = found.folder
    try:
        with _quiet():
            tokenizer = _built(folder, config)
            ids = tokenizer(TRIAL)["input_ids"]
    except ImportError as error:
        raise BadInput(
            f"The tokenizer in {folder} needs a package: {str(error).strip().splitlines()[0]}",
            f"Install it with pip, or add a fast tokenizer ({FAST}).",
        ) from error
    except Exception as error:  # the library of fast tokenizers raises this class itself
        raise BadInput(f"The tokenizer in {folder} cannot be read.", _reason(error)) from error
    check_ids(folder, [*tokenizer.get_vocab().values(), *ids], found.rows)
    return tokenizer


def _built(folder: Path, config: PretrainedConfig) -> PreTrainedTokenizerBase:
    fast = (folder / FAST).is_file()
    place: dict[str, Any] = {"pretrained_model_name_or_path": folder, "local_files_only": True}
    try:
        tokenizer = AutoTokenizer.from_pretrained(config=config, **place)
    except (*UNREADABLE, ImportError):
        if not fast:
            raise
        tokenizer = None
    if fast and not getattr(tokenizer, "is_fast", False):
        tokenizer = PreTrainedTokenizerFast.from_pretrained(**place)
    if tokenizer is None:
        raise ValueError("It has no class.")
    return tokenizer


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence transformers' logs and progress bars; errors here carry the details."""
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
