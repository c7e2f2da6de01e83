"""Options of the command line, read off the parameter classes."""

import argparse
import re
from typing import Any, Literal, NoReturn, Union, get_args, get_origin

from sparsekd.catalog.parameters import Params
from sparsekd.errors import BadInput, unknown


class Parser(argparse.ArgumentParser):
    """Bad words leave as one line, like every other error."""

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the usage.

        Raises:
            BadInput: always; NotFound for a word that is not on a menu.
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
            raise unknown("option", name, sorted(_options(self)))
        raise BadInput(message[0].upper() + message[1:] + ".", hint)


def _options(parser: argparse.ArgumentParser) -> set[str]:
    """Every option of a parser and of the commands below it."""
    found = {option for action in parser._actions for option in action.option_strings}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            found |= {option for child in action.choices.values() for option in _options(child)}
    return found


def add_params(
    parser: argparse.ArgumentParser,
    kind: type[Params],
    prefix: str = "",
    without: tuple[str, ...] = (),
) -> None:
    """One option per parameter, ``--learning-rate`` for learning_rate; absent where not given."""
    group = parser.add_argument_group((kind.__doc__ or "").split(".")[0])
    for name, field in kind.model_fields.items():
        if name in without:
            continue
        option = f"--{prefix}{name.replace('_', '-')}"
        help_text = f"{field.description or ''} (default: {field.default})".replace("%", "%%")
        choices, several, convert = _reader(field.annotation)
        group.add_argument(
            option,
            dest=f"{prefix}{name}".replace("-", "_"),
            default=argparse.SUPPRESS,
            help=help_text,
            type=_several(convert) if several else convert,
            choices=choices,
        )


def given(args: argparse.Namespace, kind: type[Params], prefix: str = "") -> dict[str, Any]:
    """The parameters that the words on the command line set."""
    start = prefix.replace("-", "_")
    return {n: getattr(args, start + n) for n in kind.model_fields if hasattr(args, start + n)}


def listed(text: str) -> list[str]:
    """Words with commas between them."""
    return [word.strip() for word in text.split(",") if word.strip()]


def seeds(text: str) -> int | list[int]:
    """A number of seeds, or the seeds themselves with commas between them."""
    return [int(word) for word in listed(text)] if "," in text else int(text)


def _reader(annotation: Any) -> tuple[list[Any] | None, bool, Any]:
    """Choices, whether it is a list, and how one word becomes a value."""
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
        return [convert(part) for part in text.split(",") if part.strip()]

    read.__name__ = f"comma-separated list of {convert.__name__}"
    return read
