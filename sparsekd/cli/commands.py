"""One function per command; what a command computes is done by runs, or by the floors below."""

import shutil
from argparse import Namespace
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tqdm import tqdm

from sparsekd.catalog.methods import find
from sparsekd.catalog.parameters import TrainParams
from sparsekd.catalog.stage_parameters import MaskParams, ProbeParams, ScoreParams, StudentParams
from sparsekd.cli import comparing, sweeping
from sparsekd.cli.follow import follow
from sparsekd.cli.options import given
from sparsekd.cli.telling import print_json, run_facts, say, tell
from sparsekd.errors import BadInput
from sparsekd.runs import jobs, references, store, tables
from sparsekd.runs.records import Recipe, Run, Step
from sparsekd.studies import recipes, results
from sparsekd.system.files import disk_trouble
from sparsekd.tasks import TaskCard
from sparsekd.tasks.demo import DEMO_CHECKPOINT
from sparsekd.units import masking
from sparsekd.units.scores import Scores


def study(args: Namespace) -> None:
    """The whole StarK study with its controls."""
    card = task_of(args)
    plan = recipes.stark(wanted(args, card))
    say(f"Study {plan.id}: {plan.title}, {len(plan.steps)} runs")
    jobs.submit_plan(plan, args.device)
    follow(plan.steps)
    rows, frame = results.study_rows(plan), results.study_frame(plan)
    metric, split = card.metrics[0], card.validation[0]
    summary = results.summary(frame, split, metric)
    comparisons = results.comparisons(frame, split, metric)
    if args.json:
        print_json(
            {
                "study": plan.id,
                "title": plan.title,
                "task": card.name,
                "rows": rows,
                "summary": summary.to_dict("records"),
                "comparisons": comparisons.to_dict("records"),
            }
        )
        return
    columns = ["what", "mean", "low", "high", "seeds", "parameters", "seconds"]
    print(f"\n{metric} on {split}, which chose nothing (mean, 95 % interval over seeds):")
    print(summary[columns].to_string(index=False, float_format=lambda value: f"{value:.4f}"))
    print("\nStudent of the sparse teacher against:")
    columns = ["what", "difference", "low", "high", "seeds", "verdict"]
    print(comparisons[columns].to_string(index=False, float_format=lambda value: f"{value:+.4f}"))


def wanted(args: Namespace, card: TaskCard) -> recipes.Study:
    """The study that the words of a command line ask for."""
    checkpoint = _checkpoint(args.teacher, card)
    own, students, student = recipes.defaults(references.origin(checkpoint))
    method = find(args.method)
    return recipes.Study(
        task=card.name,
        checkpoint=checkpoint,
        teacher=own.changed(given(args, TrainParams) | given(args, TrainParams, "teacher-")),
        train=students.changed(given(args, TrainParams)),
        student=student.changed(_student(args)),
        method=method.name,
        method_params=method.params.of(given(args, method.params)),
        score=ScoreParams.of(given(args, ScoreParams, "score-")),
        mask=MaskParams.of(given(args, MaskParams)),
        seeds=tuple(range(_at_least_one(args.seeds))),
        finetuned=references.finetuned(args.teacher) if args.teacher else None,
    )


def finetune(args: Namespace) -> None:
    """A teacher from a checkpoint."""
    card = task_of(args)
    checkpoint = _checkpoint(args.checkpoint, card)
    own, _, _ = recipes.defaults(references.origin(checkpoint))
    train = own.changed(given(args, TrainParams))
    recipe = recipes.finetune(card.name, checkpoint, train, args.seed)
    run_one(args, recipe, "teacher")


def distil(args: Namespace) -> None:
    """A student of a dense or sparse teacher, or of several."""
    card = task_of(args)
    teacher, *others = map(references.model, args.teacher)
    _, students, student = recipes.defaults(references.origin(teacher))
    method = find(args.method)
    recipe = recipes.distil(
        card.name,
        method.name,
        teacher,
        students.changed(given(args, TrainParams)),
        method.params.of(given(args, method.params)),
        student.changed(_student(args)),
        references.model(args.init) if args.init else references.dense(teacher),
        args.seed,
        others,
    )
    run_one(args, recipe, "student")


def compare(args: Namespace) -> None:
    """Any methods side by side: the same task, student, seeds and budget for all."""
    args.seeds = _at_least_one(args.seeds)
    comparing.compare(args, task_of(args))


def sweep(args: Namespace) -> None:
    """A trade-off study: λ × sparsity × method × seed, with controls and a verdict."""
    names = args.task or []
    sweeping.sweep(args, {name: _card(Namespace(**vars(args) | {"task": name})) for name in names})


def score(args: Namespace) -> None:
    """Raw scores of every head and neuron, written to a file others may rely on."""
    card = task_of(args)
    params = ScoreParams.of(given(args, ScoreParams))
    models = references.model(args.teacher), references.model(args.student)
    recipe = recipes.score(card.name, *models, params, args.max_length)
    run = run_one(args, recipe, "scores", quiet=True)
    copy_out(run.folder / "scores.npz", args.out)
    tell(args, {"id": run.id, "out": str(args.out)}, f"Scores in {args.out}")


def mask(args: Namespace) -> None:
    """Which heads and neurons stay at this λ and sparsity."""
    params = MaskParams.of(given(args, MaskParams))
    decided = masking.from_scores(Scores.load(args.scores), params, args.seed)
    decided.save(args.out)
    counts = {
        "heads_kept": int(decided.heads.sum()),
        "heads": decided.heads.size,
        "neurons_kept": int(decided.neurons.sum()),
        "neurons": decided.neurons.size,
    }
    words = "{heads_kept} of {heads} heads and {neurons_kept} of {neurons} neurons stay"
    tell(args, {"out": str(args.out)} | counts, f"{words.format(**counts)}; mask in {args.out}")


def prune(args: Namespace) -> None:
    """A physically smaller teacher, as a checkpoint in a folder."""
    from sparsekd.stages.folders import prune_model

    decided = masking.Mask.load(args.mask)
    facts = prune_model(references.folder(references.model(args.teacher)), decided, args.out)
    words = f"{facts['parameters']:,} of {facts['parameters_before']:,} parameters stay"
    tell(args, {"out": str(args.out)} | facts, f"{words}; model in {args.out}")


def work(args: Namespace) -> None:
    """One queued run in this process."""
    from sparsekd.worker import work as run

    run(args.id, args.device)


def probe(args: Namespace) -> None:
    """The masked teacher's quality and distance to its trial student, over λ and sparsity."""
    run = store.get(args.scores_run)
    if run.recipe.stage != "score":
        raise BadInput(f"Run {run.id} is no scoring run.", "Name one: python -m sparsekd runs list")
    params = ProbeParams.of(given(args, ProbeParams))
    inputs, length = run.recipe.inputs, run.recipe.params["max_length"]
    recipe = recipes.probe(
        run.recipe.task, inputs["teacher"], inputs["student"], run.id, params, length
    )
    done = run_one(args, recipe, "probe", quiet=True)
    curve = tables.probe_table(done)
    tell(args, {"id": done.id, "rows": curve.to_dict("records")}, curve.to_string(index=False))


def evaluate(args: Namespace) -> None:
    """One model on one split."""
    from sparsekd.stages.folders import evaluate_model

    card = task_of(args)
    model = references.model(args.model)
    device = jobs.devices()[0].name if args.device == "auto" else args.device
    jobs.check_device(args.device)
    with tqdm(total=1.0, leave=False, disable=None, bar_format="{bar} {percentage:3.0f} %") as bar:

        def heard(event: dict[str, Any]) -> None:
            bar.update(event["done"] / event["total"] - bar.n)

        metrics, examples = evaluate_model(model, card, args.split, args.max_length, device, heard)
    loss = metrics.pop("loss")
    found = {
        "task": card.name,
        "split": args.split,
        "metrics": metrics,
        "loss": loss,
        "examples": examples,
    }
    words = " ".join(f"{name} {value:.4f}" for name, value in metrics.items())
    tell(args, found, f"{words} loss {loss:.4f} on {examples} examples of {args.split}")


def tasks(args: Namespace) -> None:
    """The menu of tasks, or one task as a run would read it."""
    if args.name:
        card = _card(args)
        tell(args, card.to_json(), _describe(card))
        return
    menu = references.cards()
    lines = [f"{name:28} {card.title} ({', '.join(card.metrics)})" for name, card in menu.items()]
    tell(args, [card.to_json() for card in menu.values()], "\n".join(lines))


def devices(args: Namespace) -> None:
    """What torch can compute on here."""
    from sparsekd.models.devices import available

    found = available()
    words = "\n".join(f"{device.name:8} {device.words}" for device in found)
    tell(args, [asdict(device) for device in found], words)


def bench(args: Namespace) -> None:
    """Ratios of this program's speed to plain versions of the same work."""
    from sparsekd.bench.suite import measure

    card = task_of(args)
    teacher = references.model(args.teacher) if args.teacher else DEMO_CHECKPOINT
    rows = measure(teacher, card, args.only)
    lines = [f"{row['ratio']:8.2f} ×  {row['what']}   {row['note']}" for row in rows]
    tell(args, rows, "\n".join(lines))


# --- shared ----------------------------------------------------------------------------------


def task_of(args: Namespace) -> TaskCard:
    card = _card(args)
    say(_describe(card))
    return card


def _card(args: Namespace) -> TaskCard:
    text = args.text_column
    return references.task(
        getattr(args, "task", None) or args.name,
        tuple(text) if text else None,
        args.label_column,
        args.metric,
    )


def _describe(card: TaskCard) -> str:
    labels = ", ".join(card.labels) or "a number"
    return (
        f"Task {card.name}: text {' + '.join(card.text)}, label {card.label} ({labels}), "
        f"metric {', '.join(card.metrics)}"
    )


def _student(args: Namespace) -> dict[str, Any]:
    """What is said of the student; a checkpoint by its fingerprint, so that a change is noticed."""
    values = given(args, StudentParams, "student-")
    if values.get("checkpoint"):
        values["checkpoint"] = references.model(values["checkpoint"])
    return values


def _checkpoint(text: str | None, card: TaskCard) -> str:
    if text:
        return references.model(text)
    if card.origin != "demo":
        raise BadInput(
            f"{card.name} needs a checkpoint to start from.",
            "Name a local folder or a hub id with --teacher (finetune: --checkpoint).",
        )
    return DEMO_CHECKPOINT


def run_one(args: Namespace, recipe: Recipe, role: str, quiet: bool = False) -> Run:
    jobs.submit([recipe], args.device)
    run = follow([Step(role, recipe)])[recipe.run_id]
    if not quiet:
        if args.out:
            shutil.copytree(run.folder / "model", args.out, dirs_exist_ok=True)
        where = args.out or run.folder / "model"
        tell(args, run_facts(run), f"Run {run.id}: {_metrics(run)}; model in {where}")
    return run


def _metrics(run: Run) -> str:
    return ", ".join(
        f"{split} {name} {value:.4f}"
        for split, metrics in run.outcome.metrics.items()
        for name, value in metrics.items()
    )


def copy_out(source: Path, target: Path) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    except OSError as error:
        raise disk_trouble(target, error) from error


def _at_least_one(seeds: int) -> int:
    if not 1 <= seeds <= 1000:
        raise BadInput(f"seeds = {seeds} is outside 1 to 1000.", "Five is the least for a claim.")
    return seeds
