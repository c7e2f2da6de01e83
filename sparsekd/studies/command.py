"""The command line that repeats a plan: only what differs from the defaults."""

import shlex
from typing import Any

from sparsekd.catalog.methods import find
from sparsekd.catalog.methods.vanilla import VanillaParams
from sparsekd.catalog.stage_parameters import MaskParams, ScoreParams
from sparsekd.runs import references
from sparsekd.runs.depth import depth
from sparsekd.runs.records import Plan, Recipe
from sparsekd.studies import comparison, comparison_results, roles, sweep
from sparsekd.studies import recipes as plans
from sparsekd.studies.sweep import Sweep
from sparsekd.studies.variants import read
from sparsekd.tasks.demo import DEMO_CHECKPOINTS


def command(plan: Plan) -> str:
    """The words, read off the plan's own recipes unless the plan has them."""
    if plan.command:
        return plan.command
    match plan.kind:
        case "sweep":
            return _sweep(plan)
        case "comparison":
            return _comparison(plan)
        case _:
            return plans.command(plan)


def _comparison(plan: Plan) -> str:
    names, recipes = comparison_results.variants(plan), _firsts(plan)
    student = recipes[names[0]]
    train, shape = comparison.usual(references.origin(recipes["teacher"].inputs["checkpoint"]))
    words = ["python", "-m", "sparsekd", "compare", "--task", plan.task]
    words += ["--methods", ",".join(names), *_teachers(plan, student.params["train"])]
    seeds = 1 + max(step.seed for step in plan.steps if roles.competes(step.role))
    words += ["--seeds", str(seeds)] if seeds > 1 else []
    words += plans.options("student-", student.params["student"], shape.values())
    words += plans.options("", student.params["train"], train.values())
    words += [*_masks(recipes), *_assistant(recipes, student), *_changes(recipes)]
    return shlex.join(words)


def _sweep(plan: Plan) -> str:
    asked = sweep.declared(plan)
    train, shape = plans.defaults(references.origin(asked.teacher.inputs["checkpoint"]))[1:]
    words = ["python", "-m", "sparsekd", "sweep", "--task", plan.task]
    words += [*_teachers(plan, asked.train.values()), *_grid(asked)]
    words += plans.options("student-", asked.student.values(), shape.values())
    words += plans.options("", asked.train.values(), train.values())
    words += plans.options("", asked.mask.values(), MaskParams().values())
    words += plans.options("score-", asked.score.values(), ScoreParams().values())
    for method in asked.methods:
        usual = find(method).params().values()
        changed = plans.changed(asked.params(method).values(), usual)
        words += [w for n, v in changed.items() for w in ("--set", f"{method}.{n}={v}")]
    return shlex.join(words)


def _grid(asked: Sweep) -> list[str]:
    """The lists of a trade-off study that are not the usual ones."""
    lists: dict[str, tuple[tuple[Any, ...], tuple[Any, ...]]] = {
        "methods": (asked.methods, ("vanilla",)),
        "lam": (asked.lams, sweep.LAMS),
        "sparsity": (asked.sparsities, sweep.SPARSITIES),
        "controls": (asked.controls, sweep.CONTROLS),
        "seeds": (asked.seeds, sweep.SEEDS),
    }
    unusual = {name: values for name, (values, usual) in lists.items() if set(values) != set(usual)}
    return [word for n, values in unusual.items() for word in (f"--{n}", _listed(n, values))]


def _listed(name: str, values: tuple[Any, ...]) -> str:
    """A list as an option: seeds that count from 0 as their number."""
    if name == "seeds" and values == tuple(range(len(values))):
        return str(len(values))
    return ",".join(f"{value:g}" if isinstance(value, float) else f"{value}" for value in values)


def _firsts(plan: Plan) -> dict[str, Recipe]:
    """The recipe of each role, that of the first seed where there are several."""
    return {step.role: step.recipe for step in reversed(plan.steps)}


def _teachers(plan: Plan, students: dict[str, Any]) -> list[str]:
    """Each teacher: by its checkpoint where the command line would train the same, else by id."""
    recipes = [step.recipe for step in plan.steps if roles.teaches(step.role)]
    origins = [recipe.inputs.get("checkpoint", "") for recipe in recipes]
    own = _own(recipes[0], students)
    same = [
        recipe.stage == "finetune"
        and recipe.seed == origins[:place].count(origins[place])
        and _own(recipe, students) == own
        for place, recipe in enumerate(recipes)
    ]
    names = [
        plans.typed(origin) if known else recipe.run_id
        for recipe, origin, known in zip(recipes, origins, same, strict=True)
    ]
    words = [word for name in names for word in ("--teacher", name)]
    if names == list(DEMO_CHECKPOINTS)[: len(names)]:
        words = []
    if any(same):
        pairs = ((f"--teacher-{name.replace('_', '-')}", f"{own[name]}") for name in own)
        words += [word for pair in pairs for word in pair]
    return words


def _own(teacher: Recipe, students: dict[str, Any]) -> dict[str, Any]:
    """The training parameters of a teacher that are neither its defaults nor the students'."""
    if teacher.stage != "finetune":
        return {}
    usual, usual_of_students, _ = plans.defaults(references.origin(teacher.inputs["checkpoint"]))
    common = usual.changed(plans.changed(students, usual_of_students.values()))
    return plans.changed(teacher.params["train"], common.values())


def _masks(recipes: dict[str, Recipe]) -> list[str]:
    """λ, sparsity and scoring, where a sparse or masked teacher was made."""
    words: list[str] = []
    made = [recipes[role] for role in ("sparse_teacher", "random_mask_teacher") if role in recipes]
    for recipe in made[:1]:
        params = recipe.params["mask"]
        words += plans.options("", params, MaskParams().values() | {"kind": params["kind"]})
    if "scores" in recipes:
        words += plans.options("score-", recipes["scores"].params["score"], ScoreParams().values())
    return words


def _assistant(recipes: dict[str, Recipe], student: Recipe) -> list[str]:
    """The assistant's layers, where they are not half way between."""
    if "assistant" not in recipes:
        return []
    layers = recipes["assistant"].params["student"]["layers"]
    return [] if layers == _half_way(recipes, student) else ["--assistant-layers", str(layers)]


def _half_way(recipes: dict[str, Recipe], student: Recipe) -> int | None:
    teacher = depth(recipes["teacher"])
    shape = student.params["student"]
    if teacher is None or shape["choice"] not in comparison.LAYERED:
        return None
    return int(teacher + shape["layers"]) // 2


def _changes(recipes: dict[str, Recipe]) -> list[str]:
    """The parameters of methods that are not as the catalogue has them."""
    found: dict[str, None] = {}
    for role, recipe in recipes.items():
        if roles.competes(role):
            way = read(role)
            usual, method = way.params({}).values(), way.method
        elif role in ("trial_student", "assistant"):
            usual, method = VanillaParams().values(), "vanilla"
        else:
            continue
        changed = plans.changed(recipe.params["method"], usual)
        found |= {f"{method}.{name}={value}": None for name, value in changed.items()}
    return [word for text in found for word in ("--set", text)]
