"""The commands, and the parser that reads their options off their requests."""

from collections.abc import Callable, Sequence
from typing import Any, get_type_hints

from sparsekd.catalog.methods import find
from sparsekd.cli.check import check
from sparsekd.cli.compare import compare
from sparsekd.cli.evaluate import evaluate
from sparsekd.cli.export import export, latency
from sparsekd.cli.lessons import lessons
from sparsekd.cli.machine import bench, devices
from sparsekd.cli.masks import explain_unit, fidelity, masks
from sparsekd.cli.options import Parser, Request, add_request
from sparsekd.cli.predict import predict
from sparsekd.cli.runs import cancel, delete, list_, recover, resume, show
from sparsekd.cli.sample import sample
from sparsekd.cli.scores import mask, probe, prune, score
from sparsekd.cli.study import study
from sparsekd.cli.sweep import sweep
from sparsekd.cli.tasks import tasks
from sparsekd.cli.train import distil, finetune
from sparsekd.cli.units import ablate, attribute

Command = Callable[[Any], int | None]
COMMANDS: tuple[Command, ...] = (
    *(study, finetune, distil, compare, sweep),
    *(score, mask, prune, probe, evaluate, predict),
    *(ablate, attribute, fidelity, explain_unit, masks),
    *(export, latency),
)
RUNS: tuple[Command, ...] = (list_, show, cancel, resume, delete, recover)
LAST: tuple[Command, ...] = (tasks, sample, lessons, devices, check, bench)


def parse(words: Sequence[str]) -> tuple[Command, Request]:
    """Return the command that the words name, and its request.

    Raises:
        NotFound: an unknown command, option or method, with the nearest names;
        BadInput: a missing option or a value that cannot be read.
    """
    args = parser(_method(words)).parse_args(words)
    return args.command, args.request.read(args)


def parser(method: str = "vanilla") -> Parser:
    """Return the parser of all commands; `method` is the one whose parameters become options."""
    root = Parser(
        prog="python -m sparsekd",
        description="What of a teacher's knowledge should be passed on to a student?",
        allow_abbrev=False,
    )
    menu = root.add_subparsers(metavar="COMMAND", required=True, parser_class=Parser)
    for command in COMMANDS:
        _add(menu, command, method)
    text = "List, show, cancel, resume, delete or recover runs."
    runs = menu.add_parser("runs", help=text, description=text, allow_abbrev=False)
    actions = runs.add_subparsers(metavar="ACTION", required=True, parser_class=Parser)
    for command in RUNS:
        _add(actions, command, method)
    for command in LAST:
        _add(menu, command, method)
    return root


def _add(menu: Any, command: Command, method: str) -> None:
    """Add one command; its name is the function's, its help the docstring's first line."""
    name = command.__name__.strip("_").replace("_", "-")
    text = (command.__doc__ or "").strip().split("\n")[0]
    request: type[Request] = get_type_hints(command)["request"]
    child = menu.add_parser(name, help=text, description=text, allow_abbrev=False)
    add_request(child, request, find(method).params)
    child.set_defaults(command=command, request=request)


def _method(words: Sequence[str]) -> str:
    """Return the method named on the command line."""
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word == "--method":
            return following
        if word.startswith("--method="):
            return word.partition("=")[2]
    return "vanilla"
