"""When to report and when to save; decides no result."""

import time
from dataclasses import dataclass, field

REPORT_EVERY = 0.5  # seconds
SAVING_SHARE = 0.05  # of the time, at most, beyond the first checkpoint


@dataclass
class Clock:
    """Seconds, steps and examples of one student; `learners` share the process and its time."""

    started: float = field(default_factory=time.monotonic)
    steps: int = 0
    examples: int = 0
    told: float = 0.0
    kept: float = field(default_factory=time.monotonic)
    cost: float = 0.0
    away: float = 0.0
    learners: int = 1

    def count(self, examples: int) -> None:
        """One more step, over some examples."""
        self.steps += 1
        self.examples += examples

    def report_due(self) -> bool:
        """After the first step, and about twice a second; more seldom beside many others."""
        return time.monotonic() - self.told >= REPORT_EVERY * max(1, self.learners / 4)

    def pace(self, steps_left: int) -> dict[str, float]:
        """Examples per second of learning since the last report, and the seconds left in all."""
        now = time.monotonic()
        speed = self.examples / max(now - (self.told or self.started) - self.away, 1e-9)
        self.told, self.examples, self.away = now, 0, 0.0
        eta = (now - self.started) / max(1, self.steps) * steps_left
        return {"examples_per_second": speed, "eta": eta}

    def save_due(self, every: float, ended: bool) -> bool:
        """At epoch ends and every `every` seconds, unless writing would take too much time."""
        since = time.monotonic() - self.kept
        return (ended or since >= every) and since >= self.cost * self.learners / SAVING_SHARE

    def saved(self, start: float) -> None:
        """A checkpoint was begun at `start` and is now written."""
        self.kept = time.monotonic()
        self.cost = self.kept - start
        self.away += self.cost

    def evaluated(self, start: float) -> None:
        """An evaluation was begun at `start` and has now ended."""
        self.away += time.monotonic() - start
