"""The check of a device: the main job in miniature there, each step against the processor."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

Status = Literal["ok", "differs", "failed", "not run"]


class NotRun(Exception):
    """A step cannot be run here, for a reason that is no fault."""


class StepFailed(Exception):
    """A step ended without its result; `log` is what its worker wrote."""

    def __init__(self, reason: str, log: str = "") -> None:
        super().__init__(reason)
        self.log = log


@dataclass(frozen=True)
class Difference:
    """How far a step's result is from the expected one, and how far it may be, and why so far."""

    what: str
    value: float
    tolerance: float
    reason: str

    @property
    def within(self) -> bool:
        """Return whether the difference is tolerated; NaN is not."""
        return self.value <= self.tolerance

    @property
    def severity(self) -> float:
        """Return the difference as a share of what is tolerated, to find the worst."""
        if not self.tolerance or self.value != self.value:
            return 0.0 if self.within else float("inf")
        return self.value / self.tolerance


@dataclass(frozen=True)
class CheckRow:
    """One step on the device: how it ended and what it took.

    Attributes:
        why: Why it failed or was not run; else empty.
        differences: All that were measured.
        seconds: On the device, without the comparison.
        peak_mib: Peak memory: the GPU's where one is used, else this process's. None: not known.
        precision: The number formats in which linear layers computed.
        log: The end of the log of a step that failed.
    """

    step: str
    status: Status
    why: str = ""
    differences: tuple[Difference, ...] = ()
    seconds: float = 0.0
    peak_mib: float | None = None
    precision: str = ""
    log: str = ""

    @property
    def worst(self) -> Difference | None:
        """Return the difference that is the largest share of its tolerance; None without any."""
        return max(self.differences, key=lambda each: each.severity, default=None)

    def words(self) -> str:
        """Return why there is no result, or the worst difference beside what is tolerated."""
        if self.why or self.worst is None:
            return self.why
        return f"{self.worst.value:.2g} (at most {self.worst.tolerance:g}) {self.worst.what}"

    def facts(self) -> dict[str, Any]:
        """Return the row as plain values, with those of the worst difference on top."""
        worst = self.worst
        found = asdict(self)
        found["differences"] = list(found["differences"])
        return found | {
            "what": worst.what if worst else "",
            "difference": worst.value if worst else None,
            "tolerance": worst.tolerance if worst else None,
            "reason": worst.reason if worst else "",
        }


def judged(differences: Iterable[Difference]) -> Status:
    """Return "ok" where every difference is tolerated."""
    return "ok" if all(each.within for each in differences) else "differs"
