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
)
from transformers.initialization import no_init_weights
from transformers.utils import logging

from sparsekd.errors import BadInput, Incompatible
from sparsekd.models import architectures, checkpoints
from sparsekd.models.checkpoints import damaged
from sparsekd.models.classifiers import fit_classifier
from sparsekd.models.pruning import resize, spare_empty_attention
from sparsekd.system.files import disk_error
from sparsekd.tasks.cards import Kind

Loaded = tuple[PreTrainedModel, PreTrainedTokenizerBase]
Sizes = dict[str, tuple[int, ...]]


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
    folder = checkpoints.locate(reference)
    checkpoints.check(folder)
    config, sizes = _config(folder), checkpoints.sizes(folder)
    skeleton = _sized(config, sizes)
    if set(sizes) == set(skeleton.state_dict()):
        model, fresh = _filled(skeleton, folder), False
    else:
        model, fresh = _foreign(folder, config, seed)
    fit_classifier(model, labels, kind, seed, fresh=fresh)
    return model.eval(), _tokenizer(folder, model)


def load_saved(folder: Path) -> Loaded:
    """Load a model that `save` wrote, physically pruned or not, in eval mode.

    Raises:
        BadInput: not a checkpoint of a classifier, or a damaged one; no weight is initialised.
    """
    checkpoints.check(folder)
    config, sizes = _config(folder), checkpoints.sizes(folder)
    skeleton = _sized(config, sizes)
    differ = sorted(set(sizes) ^ set(skeleton.state_dict()))
    if differ:
        problem = "missing" if differ[0] not in sizes else "unexpected"
        raise BadInput(
            f"{folder} is not a saved classifier: {problem} weight {differ[0]} "
            f"({len(differ)} in all).",
            "Fine-tune the model first, or save it again.",
        )
    return _filled(skeleton, folder).eval(), _tokenizer(folder, skeleton)


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


def _config(folder: Path) -> PretrainedConfig:
    try:
        config: PretrainedConfig = AutoConfig.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, TypeError, KeyError, StrictDataclassError) as error:
        raise BadInput(
            f"{folder / checkpoints.CONFIG} is not a valid configuration.", _reason(error)
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
        except (ValueError, TypeError, RuntimeError) as error:
            raise BadInput("The checkpoint's config.json is invalid.", _reason(error)) from error
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


def _filled(model: PreTrainedModel, folder: Path) -> PreTrainedModel:
    weights: dict[str, Tensor] = {}
    for file in checkpoints.weight_files(folder):
        try:
            weights |= load_file(file)
        except SafetensorError as error:
            raise damaged(file) from error
    try:
        model.load_state_dict(weights, strict=True)
    except RuntimeError as error:
        raise BadInput(
            f"The weights in {folder} do not fit its config.json.", _reason(error)
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
            )
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            raise BadInput(f"{folder} cannot be loaded.", _reason(error)) from error
    _check_report(model, folder, report)
    head, _, _ = architectures.of(model).classifier.partition(".")
    return model, any(name.startswith(f"{head}.") for name in report["missing_keys"])


def _check_report(model: PreTrainedModel, folder: Path, report: dict[str, Any]) -> None:
    """Check that the encoder comes from the checkpoint as a whole.

    Raises:
        BadInput: weights of the encoder are missing.
        Incompatible: weights of layers are left over.
    """
    family, encoder = architectures.of(model), f"{model.base_model_prefix}."
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


def _tokenizer(folder: Path, model: PreTrainedModel) -> PreTrainedTokenizerBase:
    if not any((folder / name).is_file() for name in checkpoints.TOKENIZERS):
        raise BadInput(
            f"{folder} has no tokenizer.", f"Add its {' or '.join(checkpoints.TOKENIZERS)}."
        )
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise BadInput(f"The tokenizer in {folder} cannot be read.", _reason(error)) from error
    if tokenizer is None:
        raise BadInput(f"The tokenizer in {folder} has no class.", "Save the tokenizer again.")
    if len(tokenizer) > model.config.vocab_size:
        raise Incompatible(
            f"The tokenizer in {folder} has {len(tokenizer)} entries, the model "
            f"{model.config.vocab_size}.",
            "They belong to different checkpoints: add the right tokenizer.",
        )
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
