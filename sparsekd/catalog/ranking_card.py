"""A ranking's card: its name, source, and what it is computed from, readable without torch."""

from dataclasses import dataclass
from typing import Literal, get_args

Origin = Literal["scores", "weights", "chance", "data", "file"]
ORIGINS: tuple[Origin, ...] = get_args(Origin)
STAGES: dict[Origin, str] = {"scores": "score", "data": "attribute"}


@dataclass(frozen=True)
class RankingCard:
    """A ranking's entry in the catalogue: values of heads and neurons, the lowest removed first.

    `name` is its spelling in recipes and files. `phrase` completes "units removed …". `origin`:

    - "scores": gradients with respect to a trial student or the labels, of a `score` run
    - "weights": the teacher's weights; `rank` of `sparsekd/knowledge/rankings/<name>.py`
    - "data": teacher and examples, of an `attribute` run; `rank` of the same kind of module
    - "chance": random values; "file": an uploaded file

    `needs_student`: the values depend on a trial student. `takes_steps`: they are integrated along
    a path, in `AttributeParams.steps` steps. `symbol` is the short name in tables and figures,
    `role` begins the roles of its runs in plans; both are `name` by default.
    """

    name: str
    title: str
    phrase: str
    source: str
    summary: str
    origin: Origin
    needs_student: bool = False
    takes_steps: bool = False
    symbol: str = ""
    role: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "symbol", self.symbol or self.name)
        object.__setattr__(self, "role", self.role or self.name)

    @property
    def stage(self) -> str:
        """The stage whose runs compute it; empty where it is computed where it is used."""
        return STAGES.get(self.origin, "")

    @property
    def shared(self) -> bool:
        """Whether the seeds of a study share it: it depends on no student and no draw."""
        return not self.needs_student and self.origin != "chance"
