"""The peak memory of a run before it starts, going by the sizes of its models.

The sizes are those that a run left, or those of a checkpoint's config.json; nothing is loaded.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from huggingface_hub import try_to_load_from_cache

from sparsekd.catalog import families
from sparsekd.catalog.method_card import MethodCard
from sparsekd.catalog.methods import METHODS
from sparsekd.catalog.parameters import TrainParams
from sparsekd.catalog.stage_parameters import StudentParams
from sparsekd.errors import BadInput, SparseKDError
from sparsekd.runs import store
from sparsekd.runs.answer_files import is_answers
from sparsekd.runs.records import Recipe
from sparsekd.system.wording import size
from sparsekd.tasks.demo import DEMO_TEACHERS
from sparsekd.units import memory
from sparsekd.units.shape import ModelShape

# Bytes that a process takes beside torch's allocator: Python and libraries; on a GPU its context.
OUTSIDE = {"cpu": 640 * 2**20}
OUTSIDE_ELSEWHERE = 768 * 2**20
UNCERTAIN = 2.0  # estimates are upper bounds, and at most this many times the peak
FRAGMENTS = 1.1  # what the allocator reserves for each byte that it has handed out
DEMO_VOCABULARY = 1024  # at most: the words of all demo tasks
CLASSES = 3  # of a task, at most: the classifier's size hardly counts


def reads(card: MethodCard, layers: int) -> dict[str, int]:
    """Return the number of layers whose states a method compares, for a student of so many."""
    return {state: layers if many == "each" else 1 for state, many in card.reads.items()}


@dataclass
class Estimator:
    """Estimates the peak memory of runs; models that several of them share are read once.

    Args:
        planned: Recipes that have no run yet, by id: models of others may come from them.
    """

    planned: Mapping[str, Recipe] = field(default_factory=dict)
    shapes: dict[str, ModelShape | None] = field(default_factory=dict)
    known: dict[tuple[object, ...], int | None] = field(default_factory=dict)

    def peak(self, recipe: Recipe, device: str) -> int | None:
        """Return the bytes of a device that a run takes at its peak; None where that is unknown.

        It is known for trainings and scorings whose models are here or planned.
        """
        kind = device.partition(":")[0]
        try:
            alike = self._alike(recipe, kind)
            if alike not in self.known:
                self.known[alike] = self._allocated(recipe, kind)
            allocated = self.known[alike]
        except (SparseKDError, LookupError, TypeError, ValueError, OSError):
            return None  # of another version, or damaged files: the run itself says what is wrong
        if allocated is None:
            return None
        return int(FRAGMENTS * allocated) + OUTSIDE.get(kind, OUTSIDE_ELSEWHERE)

    def _alike(self, recipe: Recipe, kind: str) -> tuple[object, ...]:
        """Return what decides the peak: runs that differ in their seed, λ or sparsity share it."""
        if recipe.stage not in ("finetune", "distil", "score"):
            return (recipe.stage,)
        models = tuple(
            (role, name if is_answers(name) else self.shape(name))
            for role, name in recipe.inputs.items()
        )
        return kind, recipe.stage, recipe.method, repr(recipe.params), models

    def _allocated(self, recipe: Recipe, kind: str) -> int | None:
        if recipe.stage == "finetune":
            return self._finetuning(recipe, kind)
        if recipe.stage == "distil":
            return self._distillation(recipe, kind)
        if recipe.stage == "score":
            teacher, student = (self.shape(recipe.inputs[role]) for role in ("teacher", "student"))
            if teacher is None or student is None:
                return None
            length = int(recipe.params["max_length"])
            scoring = memory.scoring(teacher, length, kind)
            return max(scoring, memory.evaluation(student, length, kind))
        return None

    def _finetuning(self, recipe: Recipe, kind: str) -> int | None:
        shape, train = self.shape(recipe.inputs["checkpoint"]), _train(recipe)
        if shape is None:
            return None
        if recipe.as_it_is:
            return memory.evaluation(shape, train.max_length, kind)
        return memory.training(shape, train.batch_size, train.max_length, kind)

    def _distillation(self, recipe: Recipe, kind: str) -> int | None:
        card, train = METHODS.get(recipe.method), _train(recipe)
        source, student = self.shape(recipe.inputs["init"]), self.student(recipe)
        models = [name for name in recipe.teachers if not is_answers(name)]
        found = [self.shape(name) for name in models] if card else [None]
        teachers = [each for each in found if each is not None]
        if card is None or source is None or student is None or len(teachers) < len(found):
            return None
        length, compared = train.max_length, reads(card, student.layers)
        episodes = card.params.of(recipe.params["method"]).training_episodes > 0
        own = memory.training(student, train.batch_size, length, kind, compared, episodes=episodes)
        # On a processor, the model that the student was made from stays in its memory.
        beside = memory.weights(source) if kind == "cpu" else 0
        logits = max((memory.evaluation(each, length, kind) for each in teachers), default=0)
        if compared:
            rows = train.train_examples or 2**63
            inner = sum(memory.weights(each) for each in teachers)
            caches = sum(
                memory.cached(each, rows, length, kind, compared, len(teachers))
                for each in teachers
            )
            filling = max(memory.observed(each, length, kind, compared) for each in teachers)
            own = max(own + inner, filling + inner + memory.weights(student)) + caches
        return max(own, logits) + beside

    # --- sizes of models ----------------------------------------------------------------------

    def shape(self, reference: str) -> ModelShape | None:
        """Return the sizes of the model behind a reference; None where it is not here."""
        if reference not in self.shapes:
            self.shapes[reference] = self._shape(reference)
        return self.shapes[reference]

    def student(self, recipe: Recipe) -> ModelShape | None:
        """Return the sizes of a student before its first step; a pruned one is at most as large."""
        params = StudentParams.of(recipe.params["student"])
        if params.choice == "checkpoint":
            return self.shape(params.checkpoint)
        source = self.shape(recipe.inputs["init"])
        if source is None or params.choice == "pruned":
            return source
        layers = params.layers
        if params.choice == "random":  # it may be deeper than the teacher
            return replace(
                source, heads=source.heads[:1] * layers, neurons=source.neurons[:1] * layers
            )
        return replace(source, heads=source.heads[:layers], neurons=source.neurons[:layers])

    def trained(self, recipe: Recipe) -> ModelShape | None:
        """Return the sizes of the model that a run trains; None without one, or where unknown."""
        try:
            if recipe.stage == "finetune" and not recipe.as_it_is:
                return self.shape(recipe.inputs["checkpoint"])
            return self.student(recipe) if recipe.stage == "distil" else None
        except (SparseKDError, LookupError, TypeError, ValueError, OSError):
            return None  # as in `peak`

    def _shape(self, reference: str) -> ModelShape | None:
        if reference in DEMO_TEACHERS:
            return _demo(DEMO_TEACHERS[reference])
        kind, _, rest = reference.partition(":")
        if rest:
            return _outside(rest if kind == "hub" else rest.rpartition("#")[0])
        kept = store.folder(reference) / "shape.json"
        if kept.is_file():
            return ModelShape.from_json(json.loads(kept.read_text(encoding="utf-8")))
        recipe = self.planned.get(reference)
        if recipe is None:
            run = store.get_many([reference]).get(reference)
            if run is None:
                return None
            recipe = run.recipe
        if recipe.stage == "distil":
            return self.student(recipe)
        return self.shape(recipe.inputs.get("checkpoint") or recipe.inputs["teacher"])


def _train(recipe: Recipe) -> TrainParams:
    return TrainParams.of(recipe.params["train"])


def _demo(settings: Mapping[str, Any]) -> ModelShape:
    layers, hidden, heads = settings["layers"], settings["hidden"], settings["heads"]
    return ModelShape(
        architecture=settings["family"],
        hidden=hidden,
        head_size=hidden // heads,
        heads=(heads,) * layers,
        neurons=(settings["intermediate"],) * layers,
        vocabulary=DEMO_VOCABULARY,
        positions=128,
        segments=2,
        embedding=hidden,
        classes=CLASSES,
    )


def _outside(text: str) -> ModelShape | None:
    """Return the sizes of a local folder or of a hub id that was downloaded; else None."""
    path = Path(text).expanduser() / "config.json"
    if not path.is_file():
        try:
            found = try_to_load_from_cache(text, "config.json")
        except ValueError:  # no hub id
            return None
        if not isinstance(found, str):
            return None
        path = Path(found)
    return of_config(json.loads(path.read_text(encoding="utf-8")))


def of_config(config: Mapping[str, Any]) -> ModelShape:
    """Return the sizes that a checkpoint's config.json declares.

    Raises:
        Incompatible: an unknown family; KeyError: a size is missing.
    """
    family = families.find(config["model_type"])
    hidden, heads = int(config[family.hidden]), int(config[family.heads])
    layers = int(config[family.depth])
    return ModelShape(
        architecture=family.name,
        hidden=hidden,
        head_size=hidden // heads,
        heads=(heads,) * layers,
        neurons=(int(config[family.neurons]),) * layers,
        vocabulary=int(config["vocab_size"]),
        positions=int(config["max_position_embeddings"]),
        segments=int(config.get("type_vocab_size", 2)) if family.segments else 0,
        embedding=int(config.get("embedding_size", hidden)),
        classes=CLASSES,
    )


def largest(recipes: Iterable[Recipe], device: str) -> tuple[Recipe, int] | None:
    """Return the run that takes the most of a device, and its bytes; None where all are unknown."""
    planned = {recipe.run_id: recipe for recipe in recipes}
    estimator = Estimator(planned)
    peaks = [(recipe, estimator.peak(recipe, device)) for recipe in planned.values()]
    known = [(recipe, peak) for recipe, peak in peaks if peak is not None]
    return max(known, key=lambda one: one[1], default=None)


def check_fit(recipes: Iterable[Recipe], device: str, memory: int) -> None:
    """Refuse runs that cannot fit the memory of a device, in bytes, whatever else is on it.

    Those that may or may not fit are not refused: the queue gives them the device to themselves.

    Raises:
        BadInput: with the parameters that lower the peak.
    """
    found = largest(recipes, device)
    if found is None or found[1] <= UNCERTAIN * memory:
        return
    recipe, peak = found
    train = recipe.params.get("train")
    if train is None:
        hint = f"Lower max_length (now {recipe.params['max_length']})"
    else:
        hint = f"Lower batch_size (now {train['batch_size']}) or max_length (now "
        hint += f"{train['max_length']}; as long as the longest text is enough)"
    raise BadInput(
        f"A {recipe.stage} run takes about {size(peak)}; {device} has {size(memory)}.",
        f"{hint}, or choose a model of fewer layers.",
    )
