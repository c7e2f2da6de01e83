"""Small training jobs, one of each kind, and what is needed to interrupt and compare them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from sparsekd.catalog.methods.fine_tuning import FineTuningParams
from sparsekd.catalog.methods.vanilla import VanillaParams
from sparsekd.catalog.parameters import TrainParams
from sparsekd.errors import Cancelled
from sparsekd.knowledge.evaluation import predict
from sparsekd.knowledge.losses import squared_error
from sparsekd.methods.base import Method
from sparsekd.methods.fine_tuning import FineTuning
from sparsekd.methods.vanilla import Vanilla
from sparsekd.training import Callbacks, TrainingJob, train
from sparsekd.training.checkpoint import Checkpoint
from tests.conftest import tiny_model
from tests.tiny_data import tiny_card, tiny_data

CARD, DATA, SELECTION = tiny_card(), tiny_data(20, seed=1), tiny_data(16, seed=2)
PARAMS = TrainParams(epochs=3, batch_size=6, learning_rate=3e-3)
STEPS_PER_EPOCH = 4
KINDS = ("fine_tuning", "vanilla", "everything")


class Everything(Method):
    """A method that uses all that the trainer offers, random draws and a state included."""

    reads_layers = True
    training_episodes = 1

    def prepare(self, setup):
        states = ("cls", "hidden", "attention", "values")
        self.student_needs = {state: (1, 2) for state in states}
        self.teacher_needs = {state: (1, 3) for state in states}
        widths = [model.config.hidden_size for model in (setup.student, *setup.teachers)]
        self.map = torch.nn.Linear(*widths)
        self.mean = torch.zeros(())

    def modules(self):
        return {"map": self.map}

    def loss(self, outputs, progress):
        student, teacher = outputs.student, outputs.teachers[0]
        draws = 0.5 + torch.rand(len(outputs.rows))
        hidden = squared_error(self.map(student.hidden[2][:, 0]), teacher.cls[3])
        attention = squared_error(student.attention[1].mean(1), teacher.attention[1].mean(1))
        values = squared_error(student.values[1].mean((1, 2)), teacher.values[1].mean((1, 2)))
        return {
            "hidden": draws * hidden / (1 + self.mean),
            "attention": attention.mean(-1),
            "values": values,
            "soft": squared_error(student.logits, teacher.logits),
        }

    def on_step_end(self, result):
        self.mean = 0.9 * self.mean + 0.1 * result.terms["hidden"].mean()
        if result.progress.step % 3 == 0:
            self.mean = self.mean + result.evaluate()["loss"]
            self.mean = self.mean + result.observe(np.arange(4)).teachers[0].hidden[1].mean()
        self.log(result.progress, {"mean": float(self.mean)})

    def on_train_start(self, episode):
        self.mean = self.mean * 0.5

    def ready(self, progress):
        return progress.fraction > 0.5

    def inspect_examples(self, outputs):
        return [{"row": int(row)} for row in outputs.rows]

    def state_dict(self):
        return {"mean": self.mean}

    def load_state_dict(self, state):
        self.mean = state["mean"].clone()


def student(**options):
    return tiny_model(seed=5, attn_implementation="sdpa", **options)


def job_of(kind="fine_tuning", **changes):
    """A new student, and what it is trained on and by."""
    teacher = tiny_model(layers=3, seed=9)
    logits = [] if kind == "fine_tuning" else [predict(teacher, DATA)]
    methods = {
        "fine_tuning": lambda: FineTuning(FineTuningParams()),
        "vanilla": lambda: Vanilla(VanillaParams()),
        "everything": lambda: Everything(FineTuningParams()),
    }
    job = TrainingJob(student(), methods[kind](), DATA, SELECTION, CARD, PARAMS)
    teachers = [teacher] if kind == "everything" else []
    return replace(job, **{"teacher_logits": logits, "teachers": teachers} | changes)


def same_weights(one, other):
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def stop_at(call):
    """A `should_stop` that is true at that call, counting from 0."""
    left = iter([*[False] * call, True])
    return lambda: next(left)


def interrupted(job, step, path):
    """Train a job until it is stopped after that many more steps, with checkpoints at `path`."""
    callbacks = Callbacks(
        should_stop=stop_at(step), save_checkpoint=lambda checkpoint: checkpoint.save(path)
    )
    with pytest.raises(Cancelled):
        train(replace(job, callbacks=callbacks))


def saved(path):
    """The last checkpoint, or none where the job was stopped before the first step."""
    return Checkpoint.load(path) if path.exists() else None
