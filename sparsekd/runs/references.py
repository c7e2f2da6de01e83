"""Names of tasks and models as users type them, resolved to what a recipe stores."""

import functools
import hashlib
import json
import re
import time
from pathlib import Path

from sparsekd import checkpoints
from sparsekd.checkpoints import Inspected
from sparsekd.errors import BadInput, NotFound, SparseKDError, unknown
from sparsekd.runs import answer_files, overlaps, permission, store
from sparsekd.runs.records import Recipe, Run
from sparsekd.system.files import disk_error
from sparsekd.tasks import TASKS, TaskCard, local
from sparsekd.tasks.answers import matching
from sparsekd.tasks.cards import BY_TEXT
from sparsekd.tasks.demo import DEMO_CHECKPOINTS
from sparsekd.tasks.glue import GROUPED

HUB_ID = re.compile(r"[\w.-]{1,96}(/[\w.-]{1,96})?")
SETTLED = 2 * 10**9  # nanoseconds after which a change of a file shows in its time
MODEL_STAGES = ("finetune", "distil", "prune")
SUFFIXES = (".json", ".safetensors", ".txt", ".codes", ".model")  # of a checkpoint's files


def cards() -> dict[str, TaskCard]:
    """Return every known task: demo tasks, GLUE, and the local folders registered so far."""
    registered = {name: TaskCard.from_json(json.loads(c)) for name, c in store.tasks().items()}
    return TASKS | registered


def card(name: str) -> TaskCard:
    """Return the card of a recipe's task."""
    if name in TASKS:
        return TASKS[name]
    menu = cards()
    if name not in menu:
        raise unknown("task", name, menu)
    return menu[name]


def task(
    text: str,
    text_columns: tuple[str, ...] | None = None,
    label: str | tuple[str, ...] | None = None,
    metric: str | None = None,
    leak: bool = False,
    groups: str | None = None,
    validation_share: float = 0.0,
) -> TaskCard:
    """Return a task by its name, or by a folder of train and validation files, which is registered.

    Args:
        groups: What the selection split keeps together, see `TaskCard`. None for a known task's,
            and for what is usual for a folder's texts (`overlaps.with_usual_split`).
        validation_share: Of a folder's training rows, its validation split; 0 for a known task's.

    Raises:
        NotFound: neither a name nor a folder; BadInput: files that are not usable.
    """
    menu = cards()
    if text in menu and validation_share in (0, menu[text].validation_share):
        validation_share = menu[text].validation_share
        given = text_columns or label or metric
        if not given and groups in (None, menu[text].groups):
            return menu[text]
        if not given and groups == BY_TEXT and f"{text}{GROUPED}" in TASKS:
            return TASKS[f"{text}{GROUPED}"]
        if not given and text in TASKS:
            raise BadInput(
                f"The selection split of {text} cannot be chosen.",
                "Choose it for local folders and GLUE; a group column for local folders only.",
            )
    if text in TASKS:
        raise BadInput(
            f"{text} has its columns and metric already.",
            "Name columns and metric for local folders only.",
        )
    folder = menu[text].folder if text in menu else _directory(text)
    if folder is None:
        raise (
            unknown("task", text, menu)
            if not _like_a_path(text)
            else NotFound(
                f"There is no folder {text}.",
                "Name a folder with train and validation files, or a task on the menu.",
            )
        )
    permission.check()
    found = local.inspect(
        folder.resolve(), text_columns, label, metric, leak, groups or "", validation_share
    )
    if groups is None:
        found = overlaps.with_usual_split(found)
    else:
        overlaps.of_task(found)  # refuses groups that are too large
    store.save_task(found.name, json.dumps(found.to_json(), sort_keys=True))
    return found


def model(text: str) -> str:
    """Return the reference of a model: a run id, demo checkpoint, local folder or hub id.

    Raises:
        NotFound: no such run, demo checkpoint or folder; BadInput: a run without a model, or a
            file of answers; otherwise see `sparsekd.checkpoints.inspect`.
    """
    if answer_files.looks_like_answers(text):
        raise BadInput(
            f"{text.split('#')[0]} holds answers, not a model: it has no weights to score, prune, "
            "open or start from.",
            "Name a run id, a folder or a hub id. Answers can be the --teacher of distil, and "
            "further teachers of compare.",
        )
    if text in DEMO_CHECKPOINTS or text.startswith(("hub:", "folder:")):
        return text
    if text.startswith("demo:"):
        raise unknown("demo checkpoint", text, DEMO_CHECKPOINTS)
    path = _directory(text)
    if path:
        checkpoints.inspect(path)
        return f"folder:{path.resolve()}#{fingerprint(path)}"
    run = _run(text)
    if run is not None:
        if run.recipe.stage not in MODEL_STAGES:
            raise BadInput(
                f"Run {run.id} ({run.recipe.stage}) leaves no model.",
                "Name a finetune, distil or prune run.",
            )
        return run.id
    if re.fullmatch("[0-9a-f]{12}", text):
        raise unknown("run", text, [known.id for known in store.runs()])
    if Path(text).is_file() or (_like_a_path(text) and not _like_a_hub_id(text)):
        raise _no_folder(text)
    return hub_model(text)


def teacher(text: str, card: TaskCard) -> str:
    """Return the reference of a teacher for a task: a model, or a file of answers, which is kept.

    Raises:
        NotFound: nothing has that name; BadInput: see `model`, or the columns of the file are no
            answers for this task.
    """
    if not answer_files.looks_like_answers(text):
        return model(text)
    kept = text if answer_files.is_answers(text) else answer_files.keep(Path(text).expanduser())
    matching.check(answer_files.locate(kept), card)
    return kept


def hub_model(text: str) -> str:
    """Return a hub id as a recipe stores it; never a path. What was downloaded is inspected.

    Raises:
        BadInput: the text is not a hub id; otherwise see `sparsekd.checkpoints.inspect`.
    """
    if not HUB_ID.fullmatch(text):
        raise BadInput(
            f"{text!r} is not a hub id.", "Hub ids look like google-bert/bert-base-uncased."
        )
    downloaded = checkpoints.cached(text)
    if downloaded:
        checkpoints.inspect(downloaded)
    return f"hub:{text}"


def finetuned(text: str) -> Recipe | None:
    """Return the recipe of a fine-tuning run by its id; None where `text` is no such id."""
    run = None if text in DEMO_CHECKPOINTS or _directory(text) else _run(text)
    return run.recipe if run is not None and run.recipe.stage == "finetune" else None


def made(text: str) -> Recipe | None:
    """Return the recipe of a run with a model by its id; None where `text` is no such id."""
    run = None if text in DEMO_CHECKPOINTS or _directory(text) else _run(text)
    return run.recipe if run is not None and run.recipe.stage in MODEL_STAGES else None


def dense(reference: str) -> str:
    """Return the model that a sparse teacher was pruned from; any other reference unchanged."""
    recipe = store.get(reference).recipe if ":" not in reference else None
    return recipe.inputs["teacher"] if recipe and recipe.stage == "prune" else reference


def origin(reference: str) -> str:
    """Return the checkpoint from outside that a model descends from."""
    while ":" not in reference:
        inputs = store.get(reference).recipe.inputs
        reference = inputs.get("checkpoint") or inputs.get("init") or inputs["teacher"]
    return reference


def pretrained(reference: str) -> str:
    """Return the checkpoint that the model behind a reference was fine-tuned from.

    Raises:
        BadInput: it was fine-tuned elsewhere, so that its checkpoint is not known.
    """
    known = reference
    while ":" not in known:
        recipe = store.get(known).recipe
        inputs = recipe.inputs
        if ":" in inputs.get("checkpoint", "") and not recipe.as_it_is:
            return inputs["checkpoint"]
        known = inputs.get("checkpoint") or inputs.get("init") or inputs["teacher"]
    raise BadInput(
        f"{known.split('#')[0]} was fine-tuned elsewhere: the pre-trained checkpoint behind it is "
        "not known.",
        "Name one of the student's size: --student-choice checkpoint --student-checkpoint FOLDER.",
    )


def folder(reference: str) -> Path:
    """Return the folder of the model behind a reference.

    Raises:
        NotFound: the files are gone; BadInput: they have changed, or the model is not local.
    """
    if ":" not in reference:
        return store.folder(reference) / "model"
    kind, _, rest = reference.partition(":")
    if kind != "folder":
        raise BadInput(f"{reference} is not in a folder.", "Name a run id or a local folder.")
    path, _, known = rest.rpartition("#")
    brought = store.home() / "outside" / "models" / known
    if (brought / "whole").exists():  # by an executor, from another machine
        path = str(brought)
    if not Path(path).is_dir():
        raise NotFound(f"The folder {path} is gone.", "Put it back, or name another model.")
    if fingerprint(Path(path)) != known:
        raise BadInput(
            f"The model in {path} has changed since this run was asked for.",
            "Start a new run, which takes the model as it is now.",
        )
    return Path(path)


def inspected(reference: str) -> Inspected | None:
    """Inspect a checkpoint from outside; None for other models, and one that is not here.

    Raises:
        BadInput, Incompatible: see `sparsekd.checkpoints.inspect`; NotFound: it is gone.
    """
    kind, _, rest = reference.partition(":")
    if kind == "folder":
        return checkpoints.inspect(folder(reference))
    downloaded = checkpoints.cached(rest) if kind == "hub" else None
    return checkpoints.inspect(downloaded) if downloaded else None


def fingerprint(path: Path) -> str:
    """Return eight letters that change with a checkpoint's configuration, tokenizer or weights.

    Raises:
        Unavailable: it cannot be read.
    """
    try:
        files = [file for file in sorted(path.iterdir()) if file.suffix in SUFFIXES]
        known = tuple((file, file.stat().st_mtime_ns, file.stat().st_size) for file in files)
    except OSError as error:
        raise disk_error(path, error) from error
    settled = time.time_ns() - max((changed for _, changed, _ in known), default=0) > SETTLED
    return _known_digest(known) if settled else _digest(known)


def _digest(files: tuple[tuple[Path, int, int], ...]) -> str:
    """Return eight letters of the contents of files, given with their times and sizes."""
    digest = hashlib.sha256()
    for file, _, _ in files:
        try:
            with file.open("rb") as stream:
                content = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            raise disk_error(file, error) from error
        digest.update(f"{file.name} {content}\n".encode())
    return digest.hexdigest()[:8]


_known_digest = functools.lru_cache(maxsize=256)(_digest)


def _directory(text: str) -> Path | None:
    """Return the folder that a text names; None where it names none, whatever the text."""
    try:
        path = Path(text).expanduser()
        return path if path.is_dir() else None
    except (OSError, RuntimeError, ValueError):  # too long, an unknown user, a null byte
        return None


def _no_folder(text: str) -> SparseKDError:
    """Return the error for a path that is no folder: a file of a checkpoint, or nothing."""
    path = Path(text)
    if path.is_file() and (path.parent / checkpoints.CONFIG).is_file():
        return BadInput(f"{text} is a file.", f"Name the folder that it is in: {path.parent}")
    if path.is_file():
        return BadInput(f"{text} is a file.", "Name a folder; unpack an archive first.")
    return NotFound(f"There is no folder {text}.", "Name a run id, a folder or a hub id.")


def _run(text: str) -> Run | None:
    try:
        return store.get(text)
    except NotFound:
        return None


def _like_a_path(text: str) -> bool:
    return text.startswith((".", "/", "~")) or text.count("/") > 1 or "\\" in text


def _like_a_hub_id(text: str) -> bool:
    return text.count("/") <= 1 and not text.startswith((".", "/", "~"))
