"""Speed of a training, and when to report and to save; it does not change any result."""

import time
from dataclasses import dataclass, field

REPORT_INTERVAL = 0.5  # seconds
SAVING_SHARE = 0.05  # of the time, at most, after the first checkpoint


@dataclass
class Clock:
    """Seconds, steps and examples of one student; `students` share the process and its time.

    Attributes:
        last_report, last_save: Times in seconds, as of `time.monotonic`.
        save_seconds: How long the last checkpoint took to write.
        other_seconds: Time since the last report that was not spent on steps.
    """

    started: float = field(default_factory=time.monotonic)
    steps: int = 0
    examples: int = 0
    last_report: float = 0.0
    last_save: float = field(default_factory=time.monotonic)
    save_seconds: float = 0.0
    other_seconds: float = 0.0
    students: int = 1

    def count(self, examples: int) -> None:
        """Count one step over some examples."""
        self.steps += 1
        self.examples += examples

    def report_due(self) -> bool:
        """Return True after the first step and about twice a second; less often in large groups."""
        interval = REPORT_INTERVAL * max(1, self.students / 4)
        return time.monotonic() - self.last_report >= interval

    def speed(self, steps_left: int) -> tuple[float, float]:
        """Return the examples per second since the last report, and the seconds left in all."""
        now = time.monotonic()
        seconds = now - (self.last_report or self.started) - self.other_seconds
        speed = self.examples / max(seconds, 1e-9)
        self.last_report, self.examples, self.other_seconds = now, 0, 0.0
        return speed, (now - self.started) / max(1, self.steps) * steps_left

    def save_due(self, every: float, epoch_ended: bool) -> bool:
        """Return True at epoch ends and every `every` seconds, unless saving takes too long."""
        since = time.monotonic() - self.last_save
        cheap = since >= self.save_seconds * self.students / SAVING_SHARE
        return (epoch_ended or since >= every) and cheap

    def count_save(self, start: float) -> None:
        """Count a checkpoint that was started at `start` and is now written."""
        self.last_save = time.monotonic()
        self.save_seconds = self.last_save - start
        self.other_seconds += self.save_seconds

    def count_evaluation(self, start: float) -> None:
        """Count an evaluation that was started at `start` and has now ended."""
        self.other_seconds += time.monotonic() - start
