"""The command line that repeats a plan: only what differs from the defaults."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from sparsekd.catalog.baselines import BASELINES
from sparsekd.catalog.methods import find
from sparsekd.catalog.methods.vanilla import VanillaParams
from sparsekd.catalog.parameters import TrainParams
from sparsekd.catalog.stage_parameters import LAYERED, MaskParams, ScoreParams
from sparsekd.errors import BadInput
from sparsekd.runs import answer_files, references, store
from sparsekd.runs.depth import depth
from sparsekd.runs.records import Plan, Recipe
from sparsekd.studies import recipes, roles, tuning
from sparsekd.studies.comparisons import comparison_results, comparison_spec
from sparsekd.studies.comparisons.variants import parse
from sparsekd.studies.sweeps import sweep, sweep_spec
from sparsekd.studies.sweeps.sweep_spec import SweepSpec
from sparsekd.studies.teacher_parts import parts
from sparsekd.tasks.demo import DEMO_CHECKPOINT, DEMO_CHECKPOINTS

PROGRAM = ("python", "-m", "sparsekd")
Values = Mapping[str, Any]


def command(plan: Plan) -> str:
    """Return the command line, read off the plan's recipes unless the plan keeps one."""
    if plan.command:
        return plan.command
    match plan.kind:
        case "sweep":
            words = _sweep(plan)
        case "comparison":
            words = _comparison(plan)
        case _:
            words = _study(plan)
    return shlex.join([*PROGRAM, *words])


def _study(plan: Plan) -> list[str]:
    first = _first_recipes(plan)
    teacher, student = first["teacher"], first["student"]
    checkpoint = teacher.inputs["checkpoint"]
    own, train, shape = recipes.defaults(checkpoint)
    words = ["study", "--task", plan.task]
    if checkpoint != DEMO_CHECKPOINT:
        words += ["--teacher", teacher.run_id if teacher.as_it_is else typed(checkpoint)]
    words += _seeds([step.seed for step in plan.steps if step.role == "student"], (0,))
    words += ["--method", student.method] if student.method != "vanilla" else []
    words += _options("student-", student.params["student"], shape.values())
    words += _options("", first["sparse_teacher"].params["mask"], MaskParams().values())
    words += _options("", student.params["method"], find(student.method).params().values())
    words += _options("", student.params["train"], train.values())
    # Options of the students hold for the teacher too, unless it has options of its own.
    changed = _changed(student.params["train"], train.values())
    common = recipes.teacher_training(own, changed, {})
    if not teacher.as_it_is:
        words += _options("teacher-", teacher.params["train"], common.values())
    return words + _options("score-", first["scores"].params["score"], ScoreParams().values())


def _comparison(plan: Plan) -> list[str]:
    pooled = parts(plan)
    plan = pooled[0]
    names, first = comparison_results.variants(plan), _first_recipes(plan)
    usual = (name for name in names if name not in BASELINES and not parse(name).start)
    student = next((first[name] for name in usual), None)
    if student is None:
        raise BadInput("A comparison of baselines alone has no student.", "Add a method.")
    origin = references.origin(first["teacher"].inputs["checkpoint"])
    train, shape = comparison_spec.defaults(origin)
    tuned, first = tuning.tuning(plan), first | _trial_student(plan, first)
    made = [first[role] for role in ("trial_student", "assistant") if role in first]
    values = dict((made or [student])[0].params["train"])
    if tuned and not made:  # what is tuned has no other value
        values = train.changed({n: v for n, v in values.items() if n not in tuned.names}).values()
    words = ["compare", "--task", plan.task, "--methods", ",".join(names)]
    words += _teachers(plan, values)
    words += ["--teachers", str(len(pooled))] if len(pooled) > 1 else []
    words += _seeds([step.seed for step in plan.steps if roles.is_compared(step.role)], (0,))
    words += _options("student-", student.params["student"], shape.values())
    words += _options("", values, train.values())
    words += [*_masks(first), *_assistant(first, student)]
    return [*words, *_method_changes(first, tuned), *_tuned(tuned)]


def _trial_student(plan: Plan, first: Mapping[str, Recipe]) -> dict[str, Recipe]:
    """Return the student that scores were measured for, also where it is compared itself."""
    name = first["scores"].inputs["student"] if "scores" in first else ""
    found = [step.recipe for step in plan.steps if step.recipe.run_id == name]
    return {"trial_student": found[0]} if found else {}


def _tuned(found: tuning.Tuning | None) -> list[str]:
    """Return the values that were tried of each tuned parameter."""
    words: list[str] = []
    if found is None:
        return words
    for name in found.names:
        values = dict.fromkeys(
            one.values[name]
            for tries in found.tries.values()
            for one in tries
            if name in one.values
        )
        words += ["--tune", f"{name}={','.join(map(str, values))}"]
    return words


def _sweep(plan: Plan) -> list[str]:
    spec = sweep.spec_of(plan)
    _, train, shape = recipes.defaults(references.origin(spec.teacher.inputs["checkpoint"]))
    words = ["sweep", "--task", plan.task, *_teachers(plan, spec.train.values()), *_grids(spec)]
    words += _seeds(spec.seeds, sweep_spec.DEFAULT_SEEDS)
    words += _options("student-", spec.student.values(), shape.values())
    words += _options("", spec.train.values(), train.values())
    words += _options("", spec.mask.values(), MaskParams().values())
    words += _options("score-", spec.score.values(), ScoreParams().values())
    for method in spec.methods:
        default = find(method).params().values()
        words += _settings(method, _changed(spec.params(method).values(), default))
    return words


# --- options ---------------------------------------------------------------------------------


def typed(reference: str) -> str:
    """Return a stored reference as the command line takes it."""
    if reference in DEMO_CHECKPOINTS:
        return reference
    if answer_files.is_answers(reference):
        return str(store.home() / answer_files.stored_name(reference))
    kind, _, rest = reference.partition(":")
    return rest.rpartition("#")[0] if kind == "folder" else rest or reference


def _changed(values: Values, default: Values) -> dict[str, Any]:
    """Return the values that differ; later fields stand there only where they were changed."""
    later = {n: TrainParams.model_fields[n].default for n in TrainParams.later}
    return {
        name: values.get(name, later.get(name))
        for name in {**default, **values}
        if values.get(name, later.get(name)) != default.get(name, later.get(name))
    }


def _options(prefix: str, values: Values, default: Values) -> list[str]:
    return [
        word
        for name, value in _changed(values, default).items()
        for word in (f"--{prefix}{name.replace('_', '-')}", f"{value}")
    ]


def _settings(method: str, values: Values) -> list[str]:
    return [word for n, value in values.items() for word in ("--set", f"{method}.{n}={value}")]


def _seeds(seeds: Sequence[int], default: tuple[int, ...]) -> list[str]:
    """Return the seeds as their number where they count from 0, else one by one."""
    different = sorted(set(seeds))
    if different == list(default):
        return []
    if different == list(range(len(different))):
        return ["--seeds", str(len(different))]
    if len(different) == 1:
        return ["--seed", str(different[0])]
    return ["--seeds", ",".join(map(str, different))]


def _grids(spec: SweepSpec) -> list[str]:
    grids: dict[str, tuple[tuple[Any, ...], tuple[Any, ...]]] = {
        "methods": (spec.methods, ("vanilla",)),
        "lam": (spec.lams, sweep_spec.DEFAULT_LAMBDAS),
        "sparsity": (spec.sparsities, sweep_spec.DEFAULT_SPARSITIES),
        "controls": (spec.controls, sweep_spec.SWEEP_CONTROLS),
    }
    return [
        word
        for name, (values, default) in grids.items()
        if set(values) != set(default)
        for word in (f"--{name}", ",".join(map(_text, values)))
    ]


def _text(value: float | str) -> str:
    return f"{value:g}" if isinstance(value, float) else f"{value}"


def _first_recipes(plan: Plan) -> dict[str, Recipe]:
    """Return the recipe of each role, that of the first seed where there are several."""
    return {step.role: step.recipe for step in reversed(plan.steps)}


def _masks(first: Mapping[str, Recipe]) -> list[str]:
    """Return λ, sparsity and scoring, where a sparse or randomly masked teacher was made."""
    words: list[str] = []
    made = [first[role] for role in ("sparse_teacher", "random_mask_teacher") if role in first]
    for recipe in made[:1]:
        params = recipe.params["mask"]
        words += _options("", params, MaskParams().values() | {"kind": params["kind"]})
    if "scores" in first:
        words += _options("score-", first["scores"].params["score"], ScoreParams().values())
    return words


def _method_changes(first: Mapping[str, Recipe], tuned: tuning.Tuning | None) -> list[str]:
    """Return the parameters of methods that differ from the catalogue's and were not tuned."""
    found: dict[str, None] = {}
    for role, recipe in first.items():
        if roles.is_compared(role):
            variant = parse(role)
            default, method = variant.params({}).values(), variant.method
        elif role in ("trial_student", "assistant"):
            default, method = VanillaParams().values(), "vanilla"
        else:
            continue
        changed = _changed(recipe.params["method"], default)
        tried = tuned.tries[role][0].values if tuned and role in tuned.tries else {}
        found |= {
            f"{method}.{name}={value}": None for name, value in changed.items() if name not in tried
        }
    return [word for text in found for word in ("--set", text)]


# --- teachers and assistants -----------------------------------------------------------------


def _teachers(plan: Plan, students: Values) -> list[str]:
    """Return each teacher by its checkpoint where the command trains the same one, else by id."""
    teachers = [step.recipe for step in plan.steps if roles.is_teacher(step.role)]
    origins = [teacher.inputs.get("checkpoint", "") for teacher in teachers]
    own = _own_training(teachers[0], students)
    same = [
        teacher.stage == "finetune"
        and not teacher.as_it_is
        and teacher.seed == origins[:place].count(origins[place])
        and _own_training(teacher, students) == own
        for place, teacher in enumerate(teachers)
    ]
    names = [
        typed(origin) if trained else teacher.run_id
        for teacher, origin, trained in zip(teachers, origins, same, strict=True)
    ]
    numbers = [roles.teacher_number(s.role) or 1 for s in plan.steps if roles.is_teacher(s.role)]
    by_number = dict(zip(numbers, names, strict=True)) | _answers(plan)
    words = [word for number in sorted(by_number) for word in ("--teacher", by_number[number])]
    if list(by_number.values()) == list(DEMO_CHECKPOINTS)[: len(by_number)]:
        words = []
    if any(same):
        pairs = ((f"--teacher-{name.replace('_', '-')}", f"{own[name]}") for name in own)
        words += [word for pair in pairs for word in pair]
    return words


def _answers(plan: Plan) -> dict[int, str]:
    """Return the teachers of a comparison that are answers, by their number among all teachers."""
    found: dict[int, str] = {}
    for step in plan.steps:
        if roles.is_compared(step.role):
            variant = parse(step.role)
            first = roles.teacher_number(variant.source) or 1
            found |= {
                number: typed(name)
                for number, name in enumerate(step.recipe.teachers, start=first)
                if answer_files.is_answers(name)
            }
    return found


def _own_training(teacher: Recipe, students: Values) -> dict[str, Any]:
    """Return the training parameters of a teacher that are neither default nor the students'."""
    if teacher.stage != "finetune" or teacher.as_it_is:
        return {}
    own, train, _ = recipes.defaults(references.origin(teacher.inputs["checkpoint"]))
    common = recipes.teacher_training(own, _changed(students, train.values()), {})
    return _changed(teacher.params["train"], common.values())


def _assistant(first: Mapping[str, Recipe], student: Recipe) -> list[str]:
    """Return the assistant's layers, where they are not half way between."""
    if "assistant" not in first:
        return []
    layers = first["assistant"].params["student"]["layers"]
    return [] if layers == _half_way(first, student) else ["--assistant-layers", str(layers)]


def _half_way(first: Mapping[str, Recipe], student: Recipe) -> int | None:
    teacher, shape = depth(first["teacher"]), student.params["student"]
    if teacher is None or shape["choice"] not in LAYERED:
        return None
    return int(teacher + shape["layers"]) // 2
