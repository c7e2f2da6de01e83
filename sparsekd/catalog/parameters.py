"""Parameters: each declared once, with default, range and help.

The forms of the dashboard, the options of the command line and the checks all read these classes.
"""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sparsekd.errors import BadInput, unknown


class Params(BaseModel):
    """A frozen, checked set of parameters; unknown names and values out of range are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def of(cls, values: dict[str, Any]) -> Self:
        """Build from plain values.

        Raises:
            BadInput: a value is outside its range; NotFound: a name is not a parameter.
        """
        for name in values:
            if name not in cls.model_fields:
                raise unknown("parameter", name, cls.model_fields)
        try:
            return cls(**values)
        except ValidationError as error:
            first = error.errors()[0]
            name = str(first["loc"][0]) if first["loc"] else cls.__name__
            field = cls.model_fields.get(name)
            help_text = (field.description or "") if field else ""
            reason = first["msg"][0].lower() + first["msg"][1:]
            given = first["input"] if first["loc"] else values
            raise BadInput(f"{name} = {given!r}: {reason}.", help_text) from error

    def changed(self, values: dict[str, Any]) -> Self:
        """A copy with some values replaced, checked like `of`."""
        return type(self).of(self.values() | values)

    def values(self) -> dict[str, Any]:
        """The parameters as plain JSON values."""
        return self.model_dump(mode="json")


class MethodParams(Params):
    """The parameters of a distillation method, and what it costs beyond one training."""

    @property
    def training_episodes(self) -> int:
        """Return the number of trainings of discarded students before the final training."""
        return 0

    @property
    def reward_passes(self) -> int:
        """Return the number of passes over the selection split that rewards take."""
        return 0


class TrainParams(Params):
    """How a model is trained; the defaults are those of the published scripts.

    Source: Yang, Zhang, Song, EMNLP 2022, arXiv 2210.03923 (reference scripts).
    """

    epochs: int = Field(10, ge=1, le=1000, description="Passes over the training data.")
    learning_rate: float = Field(3e-5, gt=0, le=1, description="Peak step size of AdamW.")
    batch_size: int = Field(16, ge=1, le=4096, description="Examples per optimiser step.")
    max_length: int = Field(
        128, ge=4, le=8192, description="Tokens kept of a text; the rest is cut off."
    )
    patience: int = Field(
        5, ge=1, le=1000, description="Epochs without a better selection metric before stopping."
    )
    warmup: float = Field(
        0.1, ge=0, le=1, description="Share of the steps in which the step size rises linearly."
    )
    weight_decay: float = Field(
        0.01, ge=0, le=1, description="AdamW's decay; not on biases and layer norms."
    )
    clip: float = Field(5.0, gt=0, le=1e6, description="Largest norm of a step's gradient.")
    epsilon: float = Field(1e-6, gt=0, le=1, description="AdamW's epsilon.")
    train_examples: int = Field(
        0, ge=0, description="Use only this many training examples, drawn by seed 0; 0 = all."
    )
