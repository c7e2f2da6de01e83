"""Options of the command line, read off the request of a command and off the parameter classes."""

import argparse
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, NoReturn, Self, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo

from sparsekd.catalog.parameters import Params, TrainParams
from sparsekd.catalog.stage_parameters import MaskParams, ScoreParams, StudentParams
from sparsekd.errors import BadInput, unknown

MOST_SEEDS = 1000


@dataclass(frozen=True)
class Option:
    """The option of a field, beyond its name, type, default and help."""

    name: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Further arguments of `ArgumentParser.add_argument`."""


@dataclass(frozen=True)
class Group:
    """One option per parameter of a class; without a class, of the method that --method names.

    The field holds the values that were given: defaults depend on task and checkpoint.
    """

    params: type[Params] | None = None
    prefix: str = ""
    without: tuple[str, ...] = ()


T = TypeVar("T")
Given = Mapping[str, Any]
Repeated = Option(arguments={"action": "append"})
Student = Annotated[Given, Group(StudentParams, "student-")]
Mask = Annotated[Given, Group(MaskParams, without=("kind",))]
MethodParams = Annotated[Given, Group()]
Train = Annotated[Given, Group(TrainParams)]
TeacherTrain = Annotated[Given, Group(TrainParams, "teacher-")]
Score = Annotated[Given, Group(ScoreParams, "score-")]


class Request(BaseModel):
    """The typed words of one command line, passed on unchanged."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    as_json: Annotated[bool, Option("json")] = Field(
        False, description="print one JSON value on standard output"
    )

    @classmethod
    def read(cls, args: argparse.Namespace) -> Self:
        """Return the request that parsed words make."""
        values: dict[str, Any] = {}
        for name, info in cls.model_fields.items():
            group = _metadata(info, Group)
            if group:
                values[name] = getattr(args, name, {})
            elif hasattr(args, name):
                values[name] = getattr(args, name)
        return cls(**values)


class DeviceRequest(Request):
    """A request that starts runs."""

    device: str = Field("auto", description="auto, cpu, cuda:0, mps … (see: devices)")


def split(text: str) -> list[str]:
    """Return the words of a text with commas between them."""
    return [word.strip() for word in text.split(",") if word.strip()]


def count_or_list(text: str) -> int | tuple[int, ...]:
    """Return a number of seeds, or the seeds themselves where commas stand between them."""
    return tuple(int(word) for word in split(text)) if "," in text else int(text)


SmallestDifference = Annotated[
    float,
    Field(
        gt=0,
        lt=1,
        description="the smallest difference of interest, for the number of seeds that a study "
        "needs, printed before its launch",
    ),
]


class SeedsRequest(Request):
    """A request for several seeds."""

    seed: int | None = Field(None, ge=0, description="the first seed (default: 0)")
    seeds: Annotated[int | tuple[int, ...] | None, Option(arguments={"type": count_or_list})] = (
        Field(None, description="how many seeds, or which: 0,1,4; five for a claim")
    )

    def chosen_seeds(self, default: int) -> tuple[int, ...]:
        """Return the seeds to run: so many from the first one on, or those that are listed.

        Raises:
            BadInput: none or too many are asked for; a first seed beside a list.
        """
        if isinstance(self.seeds, tuple):
            if self.seed is not None:
                raise BadInput("--seed stands beside a list of seeds.", "Give one of the two.")
            return self.seeds
        first, count = self.seed or 0, self.seeds
        if count is None:
            count = default if self.seed is None else 1
        if not 1 <= count <= MOST_SEEDS:
            raise BadInput(
                f"seeds = {count} is outside 1 to {MOST_SEEDS}.", "Five is the least for a claim."
            )
        return tuple(range(first, first + count))


class Parser(argparse.ArgumentParser):
    """An argument parser that raises errors of this program instead of printing its usage."""

    def parse_known_args(  # pyrefly: ignore[bad-override]  # two overloads there, one here
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """Parse, and refuse an unknown option here, where the options of the command are known."""
        found, rest = super().parse_known_args(args, namespace)
        if rest:
            self.error(f"unrecognized arguments: {' '.join(rest)}")
        return found, rest

    def error(self, message: str) -> NoReturn:
        """Raise the error that argparse would print.

        Raises:
            BadInput: always; NotFound for a choice or an option that does not exist.
        """
        choice = re.match(
            r"argument (\S+): invalid choice: '?(.*?)'? \(choose from (.*)\)", message
        )
        if choice:
            known = [word.strip().strip("'") for word in choice[3].split(",")]
            raise unknown(choice[1].strip("-").lower(), choice[2], known)
        hint = f"See: {self.prog} --help"
        wrong = re.match(r"unrecognized arguments: (\S+)", message)
        if wrong and wrong[1].startswith("-"):
            name = wrong[1].split("=")[0]
            options = {option for action in self._actions for option in action.option_strings}
            raise unknown("option", name, options)
        raise BadInput(message[0].upper() + message[1:] + ".", hint)


class _Collect(argparse.Action):
    """Collect the given parameters of one group in a dictionary of their own."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        group, _, name = self.dest.partition("/")
        given = dict(getattr(namespace, group, {}))
        setattr(namespace, group, given | {name: values})


def add_request(
    parser: argparse.ArgumentParser, request: type[Request], method: type[Params]
) -> None:
    """Add one option per field of the request; `method` are the parameters of --method."""
    for name, info in request.model_fields.items():
        group = _metadata(info, Group)
        if group:
            _add_params(parser, name, group.params or method, group)
        else:
            _add_field(parser, name, info)


def _metadata(info: FieldInfo, kind: type[T]) -> T | None:
    return next((each for each in info.metadata if isinstance(each, kind)), None)


def _add_field(parser: argparse.ArgumentParser, name: str, info: FieldInfo) -> None:
    option = _metadata(info, Option) or Option()
    arguments: dict[str, Any] = {"help": _help(info), "default": argparse.SUPPRESS}
    if info.annotation is bool:
        arguments |= {"action": "store_true"}
    else:
        choices, _, convert = _reader(info.annotation)
        arguments |= {"type": convert, "choices": choices}
    arguments |= option.arguments
    if option.name.startswith("<"):  # positional
        parser.add_argument(name, **arguments)
        return
    words = f"--{option.name or name.replace('_', '-')}"
    parser.add_argument(words, dest=name, required=info.is_required(), **arguments)


def _help(info: FieldInfo) -> str:
    shown = "" if info.default in (None, False, "", ()) or info.is_required() else info.default
    text = f"{info.description} (default: {shown})" if shown != "" else f"{info.description}"
    return text.replace("%", "%%")


def _add_params(
    parser: argparse.ArgumentParser, dest: str, kind: type[Params], about: Group
) -> None:
    """Add one option per parameter, ``--learning-rate`` for learning_rate."""
    group = parser.add_argument_group((kind.__doc__ or "").split(".")[0])
    for name, info in kind.model_fields.items():
        if name in about.without:
            continue
        choices, several, convert = _reader(info.annotation)
        metavar = None if choices else name.upper()
        group.add_argument(
            f"--{about.prefix}{name.replace('_', '-')}",
            action=_Collect,
            dest=f"{dest}/{name}",
            default=argparse.SUPPRESS,
            help=f"{info.description or ''} (default: {info.default})".replace("%", "%%"),
            type=_several(convert) if several else convert,
            choices=choices,
            metavar=metavar,
        )


def _reader(annotation: Any) -> tuple[list[Any] | None, bool, Any]:
    """Return the choices, whether it is a list, and how one word becomes a value."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return list(inner), False, str
    if origin is tuple:
        return None, True, inner[0]
    if origin is Union or type(None) in inner:
        return _reader(next(part for part in inner if part is not type(None)))
    return None, False, annotation


def _several(convert: Any) -> Any:
    def read(text: str) -> list[Any]:
        return [convert(part) for part in split(text)]

    read.__name__ = f"comma-separated list of {convert.__name__}"
    return read
