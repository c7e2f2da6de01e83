"""Methods in stages: which steps are a stage's, and its learning rates."""

from abc import abstractmethod
from bisect import bisect_left

from sparsekd.methods.base import Method, TrainingProgress


class StagedMethod(Method):
    """A method whose loss changes from stage to stage."""

    @abstractmethod
    def stage(self, progress: TrainingProgress) -> int:
        """Return the stage of a step, from 0; it never falls."""

    def rate_span(self, progress: TrainingProgress) -> range:
        """Return the steps that share a warm-up and a decay: all, or those of the stage."""
        steps = super().rate_span(progress)
        if not self.rates_per_stage:
            return steps

        def stage_of(step: int) -> int:
            return self.stage(TrainingProgress(step, progress.steps, 0))

        now = self.stage(progress)
        ends = (bisect_left(steps, stage, key=stage_of) for stage in (now, now + 1))
        return range(*ends)

    @property
    @abstractmethod
    def rates_per_stage(self) -> bool:
        """Return whether each stage has a warm-up and a decay of its own."""
