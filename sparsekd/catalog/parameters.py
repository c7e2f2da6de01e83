"""Parameters, each declared once with its default, range and help.

Forms of the dashboard, options of the command line and validation all read these classes.
"""

from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sparsekd.errors import BadInput, unknown


class Params(BaseModel):
    """A frozen, validated set of parameters; rejects unknown names and values out of range.

    `later` names the fields that a later version added: at their defaults they are left out of
    `values`, so that the ids of runs without them stay as they were.
    """

    later: ClassVar[tuple[str, ...]] = ()
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def of(cls, values: dict[str, Any]) -> Self:
        """Build the parameters from plain values.

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
        """Return a copy with some values replaced, validated like `of`."""
        return type(self).of(self.values() | values)

    def values(self) -> dict[str, Any]:
        """Return the parameters as plain JSON values, later ones only where they were changed."""
        fields, given = type(self).model_fields, self.model_dump(mode="json")
        return {n: v for n, v in given.items() if n not in self.later or v != fields[n].default}


AnswerControl = Literal["labels", "shuffled", "untrained", "smoothed", "matched_entropy"]
"""What a control learns from in place of a teacher's probabilities."""


RateSchedule = Literal["whole", "stage"]
RATE_SCHEDULE: Any = Field(
    "whole",
    description="Warm-up and decay of the learning rate: once over the whole training, or anew in "
    "each stage; as many steps either way.",
)


class MethodParams(Params):
    """Parameters of a distillation method, and its cost beyond one training."""

    @property
    def training_episodes(self) -> int:
        """Return the number of trainings of discarded students before the final training."""
        return 0

    @property
    def labelled_only(self) -> bool:
        """Return whether every loss term needs the gold label, so that no other example is used."""
        return False

    @property
    def answer_control(self) -> AnswerControl | None:
        """Return what takes the place of the teacher's probabilities; None where nothing does."""
        return None

    @property
    def needs_classes(self) -> bool:
        """Return whether the method is for classification alone."""
        return self.answer_control in ("labels", "smoothed", "matched_entropy")

    @property
    def softened(self) -> float | None:
        """Return the temperature of the soft labels; None for a method without soft labels."""
        found = self.values().get("temperature")
        return None if found is None or self.answer_control == "labels" else float(found)

    @property
    def reward_passes(self) -> int:
        """Return the number of passes over the selection split that rewards take."""
        return 0

    @property
    def needs_held_out_answers(self) -> bool:
        """Return whether the method reads the teachers' answers on the selection split."""
        return False

    @property
    def decisions(self) -> int:
        """Return the number of rewarded decisions that a selector is trained on."""
        return 0

    @property
    def random_decisions(self) -> int:
        """Return how many of the `decisions` are random exploration."""
        return 0


class TrainParams(Params):
    """Parameters of a training.

    The defaults are those of the published scripts.

    Source: Yang, Zhang, Song, EMNLP 2022, arXiv 2210.03923 (reference scripts).
    """

    later = ("labelled", "label_noise", "class_weights", "padding_noise")

    epochs: int = Field(
        10,
        ge=0,
        le=1000,
        description="Passes over the training data; 0, for a teacher: a finished classifier as "
        "it is.",
    )
    learning_rate: float = Field(3e-5, gt=0, le=1, description="Peak learning rate of AdamW.")
    batch_size: int = Field(16, ge=1, le=4096, description="Examples per optimiser step.")
    max_length: int = Field(
        128, ge=4, le=8192, description="Longest text in tokens; longer ones are truncated."
    )
    patience: int = Field(
        5, ge=1, le=1000, description="Epochs without improvement before early stopping."
    )
    warmup: float = Field(
        0.1, ge=0, le=1, description="Share of the steps with a linear learning-rate warm-up."
    )
    weight_decay: float = Field(
        0.01, ge=0, le=1, description="AdamW's weight decay; biases and layer norms are exempt."
    )
    clip: float = Field(5.0, gt=0, le=1e6, description="Maximum gradient norm.")
    epsilon: float = Field(1e-6, gt=0, le=1, description="AdamW's ε.")
    train_examples: int = Field(
        0, ge=0, description="Number of training examples, drawn with seed 0; 0 = all."
    )
    labelled: int = Field(
        0,
        ge=0,
        description="Number of gold labels that are kept, a fifth of them for selection; the other "
        "training texts are unlabelled; 0 = all. In a study the students' budget: its teacher has "
        "all, unless its own training says otherwise.",
    )
    label_noise: float = Field(
        0.0, ge=0, le=1, description="Share of the gold labels that are replaced by another class."
    )
    class_weights: Literal["none", "balanced"] = Field(
        "none",
        description="Weights of the classes in the loss of gold labels. balanced: inversely "
        "proportional to their number among the labelled training examples; with several labels, "
        "the texts to which a label applies have as much weight as all others together.",
    )
    padding_noise: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Batches hold texts of similar length. In a small training set the same texts "
        "then meet in every epoch; 0.1 mixes them, at a little more padding: lengths are sorted as "
        "if each were up to 10% more or less. 0: not at all.",
    )
