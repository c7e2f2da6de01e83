"""The views that a step of a lesson may show, each with the fields that a lesson may set."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]


class View(BaseModel):
    """A view, the part of it that is outlined, and whether it appears after the question.

    `study` names a study of the sample, or starts the id of another one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    parts: ClassVar[dict[str, str]] = {}
    """What can be outlined: names for lessons, and keys of the page."""

    study: str = "demo"
    look: str = ""
    after: bool = False

    def state(self) -> dict[str, Any]:
        """Return the fields that are choices of the address bar too."""
        names = ("text", "lam", "sparsity", "picture")
        return {name: getattr(self, name) for name in names if hasattr(self, name)}


class Answers(View):
    """What models say to a sentence, at a temperature; models by their roles in the study."""

    parts: ClassVar = {"table": "tryit.answers", "temperature": "tryit.temperature"}
    show: Literal["answers"]
    text: str = Field(min_length=1, max_length=400)
    temperature: float = Field(1.0, ge=0.1, le=10)
    models: tuple[str, ...] = Field(("teacher", "plain_student", "trial_student"), min_length=1)


class Labels(View):
    """Student quality over label budgets or label noise, with the verdicts.

    `only` names the kinds of students that the chart shows, without the verdicts; all where it is
    empty.
    """

    parts: ClassVar = {"chart": "learn.labels.chart", "verdicts": "learn.labels.verdicts"}
    show: Literal["labels"]
    study: str = "labels"
    only: tuple[str, ...] = ()


class Scores(View):
    """Expressiveness, friendliness and knowledgeableness of every head."""

    parts: ClassVar = {"E": "heads.E", "F": "heads.F", "K": "heads.K"}
    show: Literal["scores"]
    lam: Share = 0.5
    sparsity: Share = 0.25


class Pad(View):
    """The pad: the mask and its measured quality at λ and sparsity."""

    parts: ClassVar = {"pad": "learn.pad", "quality": "learn.quality"}
    show: Literal["pad"]
    lam: Share = 0.5
    sparsity: Share = 0.25


class Ablation(View):
    """What removing each head alone changes, beside the mask at λ and sparsity."""

    parts: ClassVar = {"heads": "ablation.head"}
    show: Literal["ablation"]
    lam: Share = 0.5
    sparsity: Share = 0.25


class Verdict(View):
    """The verdict of a study by its first seeds, and every seed as a dot."""

    parts: ClassVar = {"seeds": "learn.seeds", "verdict": "learn.verdict"}
    show: Literal["verdict"]
    seeds: int = Field(5, ge=1)


class TradeOffs(View):
    """One chart of a trade-off study."""

    parts: ClassVar = {"chart": "learn.chart"}
    show: Literal["trade-offs"]
    study: str = "trade-offs"
    picture: Literal["curve", "map", "front", "stability"] = "curve"


class Choices(View):
    """What was chosen in a trade-off study, on which data, and what luck would have claimed."""

    parts: ClassVar = {"choices": "tradeoffs.chosen", "verdicts": "tradeoffs.compared"}
    show: Literal["choices"]
    study: str = "trade-offs"


class Classes(View):
    """What each class gains or loses from one model to another."""

    parts: ClassVar = {"chart": "learn.classes"}
    show: Literal["classes"]


class Methods(View):
    """A comparison of methods: the verdict, every seed, and a table with costs."""

    parts: ClassVar = {"seeds": "learn.methods.seeds.box", "table": "learn.methods.table.box"}
    show: Literal["methods"]
    study: str = "methods"


AnyView = Annotated[
    Answers | Labels | Scores | Pad | Ablation | Verdict | TradeOffs | Choices | Classes | Methods,
    Field(discriminator="show"),
]
