"""Which commands there are, and their options."""

import argparse
from pathlib import Path
from types import ModuleType

from sparsekd.catalog.methods import METHODS, find
from sparsekd.catalog.parameters import TrainParams
from sparsekd.catalog.stage_parameters import (
    AblateParams,
    AttributeParams,
    ExportParams,
    MaskParams,
    MeasureParams,
    ProbeParams,
    ScoreParams,
    StudentParams,
)
from sparsekd.cli import ablation, attribution, commands, export, fidelity, history
from sparsekd.cli.options import Parser, add_params, listed, seeds
from sparsekd.studies import variants
from sparsekd.studies.sweep_file import Declaration
from sparsekd.tasks.demo import DEMO_CHECKPOINTS

LENGTH = TrainParams.model_fields["max_length"].default


def parser(method: str = "vanilla") -> argparse.ArgumentParser:
    """All commands; the options of `study` and `distil` include those of `method`."""
    root = Parser(
        prog="python -m sparsekd",
        description="What of a teacher's knowledge should be passed on to a student?",
        allow_abbrev=False,
    )
    menu = root.add_subparsers(metavar="COMMAND", required=True, parser_class=Parser)

    def add(name: str, place: ModuleType = commands) -> argparse.ArgumentParser:
        command = getattr(place, name.replace("-", "_"))
        words = str(command.__doc__).strip()
        child = menu.add_parser(name, help=words, description=words, allow_abbrev=False)
        child.add_argument("--json", action="store_true", help="one JSON value on standard output")
        child.set_defaults(command=command)
        return child

    _study(add("study"), method)
    _finetune(add("finetune"))
    _distil(add("distil"), method)
    _compare(add("compare"))
    _sweep(add("sweep"))
    _score(add("score"))
    _mask(add("mask"))
    _prune(add("prune"))
    _probe(add("probe"))
    _evaluate(add("evaluate"))
    _ablate(add("ablate", ablation))
    _attribute(add("attribute", attribution))
    _export(add("export", export))
    _latency(add("latency", export))
    fidelity.fidelity_options(add("fidelity", fidelity))
    fidelity.explain_unit_options(add("explain-unit", fidelity))
    fidelity.masks_options(add("masks", fidelity))
    _runs(add("runs", history))
    _tasks(add("tasks"))
    add("devices")
    _bench(add("bench"))
    # For a look at one worker by hand: without help, it is not on the menu.
    work = menu.add_parser("work")
    work.add_argument("id")
    work.add_argument("--device", default="cpu")
    work.set_defaults(command=commands.work)
    return root


def _task(command: argparse.ArgumentParser) -> None:
    command.add_argument("--task", required=True, help="name on the menu, or a folder of files")
    _columns(command)


def _columns(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("Of a folder's files, where they are not inferred")
    group.add_argument("--text-column", action="append", help="give it twice for pairs")
    group.add_argument("--label-column")
    group.add_argument("--metric", help="accuracy, f1, mcc, pearson or spearman")


def _device(command: argparse.ArgumentParser) -> None:
    command.add_argument("--device", default="auto", help="auto, cpu, cuda:0, mps … (see: devices)")


def _seed_and_out(command: argparse.ArgumentParser) -> None:
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--out", type=Path, help="also copy the model to this folder")
    _device(command)


def _study(command: argparse.ArgumentParser, method: str) -> None:
    _task(command)
    command.add_argument("--teacher", help="fine-tuning run, local checkpoint or hub id")
    command.add_argument("--seeds", type=int, default=1, help="number of seeds; five for a claim")
    _device(command)
    add_params(command, StudentParams, "student-")
    add_params(command, MaskParams, without=("kind",))
    _method(command, method)
    add_params(command, TrainParams)
    add_params(command, TrainParams, "teacher-")
    add_params(command, ScoreParams, "score-")


def _method(command: argparse.ArgumentParser, method: str) -> None:
    command.add_argument("--method", default="vanilla", help=", ".join(METHODS))
    add_params(command, find(method).params)


def _finetune(command: argparse.ArgumentParser) -> None:
    _task(command)
    own = ", ".join(DEMO_CHECKPOINTS)
    command.add_argument("--checkpoint", help=f"local folder or hub id; demo tasks also: {own}")
    _seed_and_out(command)
    add_params(command, TrainParams)


def _distil(command: argparse.ArgumentParser, method: str) -> None:
    _task(command)
    command.add_argument(
        "--teacher",
        required=True,
        action="append",
        help="run id or folder of a trained model; give it again for each further teacher",
    )
    command.add_argument(
        "--init", help="whose layers the student gets (default: the first teacher's, dense)"
    )
    _seed_and_out(command)
    add_params(command, StudentParams, "student-")
    _method(command, method)
    add_params(command, TrainParams)


def _compare(command: argparse.ArgumentParser) -> None:
    _task(command)
    command.add_argument(
        "--methods",
        required=True,
        help=f"all, or names with commas between: {', '.join(variants.menu())}; "
        "vanilla:teacher_2 … are the further teachers alone; any method of one teacher may have a "
        ":sparse_teacher too",
    )
    command.add_argument(
        "--teacher",
        action="append",
        help="fine-tuning run, local checkpoint or hub id; give it again for each further teacher; "
        "a checkpoint named twice is fine-tuned twice (default on demo tasks: both demo models)",
    )
    command.add_argument("--seeds", type=int, default=1, help="number of seeds; five for a claim")
    command.add_argument(
        "--set",
        action="append",
        metavar="METHOD.PARAMETER=VALUE",
        help="a parameter of one method, such as vanilla.alpha=0.7",
    )
    command.add_argument(
        "--assistant-layers", type=int, default=0, help="of the assistant; 0 = half way between"
    )
    _device(command)
    add_params(command, StudentParams, "student-")
    add_params(command, MaskParams, without=("kind",))
    add_params(command, TrainParams)
    add_params(command, TrainParams, "teacher-")
    add_params(command, ScoreParams, "score-")


def _sweep(command: argparse.ArgumentParser) -> None:
    command.add_argument("--file", type=Path, help="a study in YAML or JSON; words change it")
    command.add_argument(
        "--task", action="append", help="name on the menu, or a folder; again for a further task"
    )
    _columns(command)
    fields = Declaration.model_fields
    command.add_argument("--teacher", help=fields["teacher"].description)
    for name in ("methods", "lam", "sparsity", "controls"):
        usual = ", ".join(f"{value}" for value in fields[name].default)
        command.add_argument(
            f"--{name}",
            type=listed,
            metavar="A,B,…",
            help=f"{fields[name].description} (default: {usual})",
        )
    command.add_argument(
        "--seeds", type=seeds, help="how many, or which: 0,1,4 (default: 5, as a claim needs)"
    )
    command.add_argument("--set", action="append", metavar="METHOD.PARAMETER=VALUE")
    command.add_argument(
        "--search",
        type=int,
        default=0,
        metavar="N",
        help="N trials that Optuna chooses between the least and greatest λ and sparsity, not a "
        "grid; again with more trials, it goes on",
    )
    command.add_argument("--dry-run", action="store_true", help="say what it costs, start nothing")
    command.add_argument("--report", type=Path, help="also write the study as an HTML file")
    _device(command)
    add_params(command, StudentParams, "student-")
    add_params(command, MaskParams, without=("kind", "lam", "sparsity"))
    add_params(command, TrainParams)
    add_params(command, TrainParams, "teacher-")
    add_params(command, ScoreParams, "score-")


def _score(command: argparse.ArgumentParser) -> None:
    _task(command)
    command.add_argument("--teacher", required=True, help="run id or folder of a trained model")
    command.add_argument("--student", required=True, help="run id or folder of the trial student")
    command.add_argument("--max-length", type=int, default=LENGTH)
    command.add_argument("--out", type=Path, required=True, help="scores.npz")
    _device(command)
    add_params(command, ScoreParams)


def _mask(command: argparse.ArgumentParser) -> None:
    command.add_argument("--scores", type=Path, required=True, help="scores.npz from `score`")
    command.add_argument("--out", type=Path, required=True, help="mask.npz")
    command.add_argument("--seed", type=int, default=0, help="draws a random mask (--kind random)")
    add_params(command, MaskParams)


def _prune(command: argparse.ArgumentParser) -> None:
    command.add_argument("--teacher", required=True, help="run id or folder of a trained model")
    command.add_argument("--mask", type=Path, required=True, help="mask.npz from `mask`")
    command.add_argument("--out", type=Path, required=True, help="folder of the new checkpoint")


def _probe(command: argparse.ArgumentParser) -> None:
    command.add_argument("--scores-run", required=True, help="id of a scoring run")
    _device(command)
    add_params(command, ProbeParams)


def _evaluate(command: argparse.ArgumentParser) -> None:
    _task(command)
    command.add_argument("--model", required=True, help="run id or folder of a trained model")
    command.add_argument("--split", default="validation", help="train, selection or validation")
    command.add_argument("--max-length", type=int, default=LENGTH)
    command.add_argument("--device", default="auto")


def _ablate(command: argparse.ArgumentParser) -> None:
    _task(command)
    command.add_argument("--teacher", required=True, help="run id or folder of a trained model")
    command.add_argument("--student", help="run id or folder: measure the distance to it too")
    command.add_argument("--scores-run", help="id of a scoring run, whose K ranks the neurons")
    command.add_argument("--max-length", type=int, default=LENGTH)
    command.add_argument("--out", type=Path, required=True, help="ablation.npz")
    _device(command)
    command.add_argument(
        "--layer", dest="neuron_layer", type=int, default=argparse.SUPPRESS,
        help="remove this layer's neurons one by one too (0 = bottom)",
    )  # fmt: skip
    add_params(command, AblateParams, without=("neuron_layer",))


def _attribute(command: argparse.ArgumentParser) -> None:
    _task(command)
    command.add_argument("--teacher", required=True, help="run id or folder of a trained model")
    command.add_argument("--max-length", type=int, default=LENGTH)
    command.add_argument("--out", type=Path, required=True, help="conductance.npz")
    _device(command)
    add_params(command, AttributeParams)


def _export(command: argparse.ArgumentParser) -> None:
    _model_and_mask(command)
    command.add_argument("--out", type=Path, required=True, help="a new folder")
    add_params(command, ExportParams)


def _latency(command: argparse.ArgumentParser) -> None:
    _model_and_mask(command)
    command.add_argument(
        "--repeat", type=int, default=0, help="another number measures anew (default: 0)"
    )
    _device(command)
    add_params(command, MeasureParams)


def _model_and_mask(command: argparse.ArgumentParser) -> None:
    command.add_argument("--model", required=True, help="run id or folder of a trained model")
    command.add_argument("--mask", type=Path, help="mask.npz of a model of the same shape")


def _runs(command: argparse.ArgumentParser) -> None:
    actions = command.add_subparsers(dest="action", required=True, parser_class=Parser)
    for name in ("list", "show", "cancel", "resume", "delete"):
        action = actions.add_parser(name)
        action.add_argument("--json", action="store_true")
        if name != "list":
            several = name in ("cancel", "resume")
            action.add_argument("id", nargs="?" if several else None, help="or its first letters")
            if several:
                action.add_argument("--study", help="a study's id: all its runs")
        if name == "cancel":
            action.add_argument("--all", action="store_true", help="every unfinished run")
        if name == "resume":
            action.add_argument("--wait", action="store_true", help="show progress until it ends")


def _tasks(command: argparse.ArgumentParser) -> None:
    command.add_argument("name", nargs="?", help="one task or folder, as a run would read it")
    _columns(command)


def _bench(command: argparse.ArgumentParser) -> None:
    command.add_argument("--teacher", help="run id or folder (default: a demo-sized teacher)")
    command.add_argument("--task", default="demo/sentiment")
    kinds = ["scores", "masks", "distillation", "methods", "ablation", "probe", "students"]
    command.add_argument("--only", choices=kinds)
    _columns(command)
