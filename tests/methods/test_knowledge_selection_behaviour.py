"""Knowledge selection as a whole: the actor gives less weight to a kind that is noise."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import torch

from sparsekd.catalog.methods import variants
from sparsekd.catalog.methods.fine_tuning import FineTuningParams
from sparsekd.catalog.methods.knowledge_selection import KnowledgeSelectionParams
from sparsekd.catalog.parameters import TrainParams
from sparsekd.knowledge.evaluation import predict
from sparsekd.methods.fine_tuning import FineTuning
from sparsekd.methods.knowledge_kinds import KINDS
from sparsekd.methods.knowledge_selection import KnowledgeSelection
from sparsekd.training import Callbacks, TrainingJob, train
from tests.tiny_data import tiny_card, tiny_data

CARD, DATA, SELECTION = tiny_card(), tiny_data(128, seed=1), tiny_data(200, seed=2)


class NoisyResponse(KnowledgeSelection):
    """Knowledge selection with random teacher logits at every step."""

    def loss(self, outputs, progress):
        teacher = outputs.teachers[0]
        noise = replace(teacher, logits=3 * torch.randn_like(teacher.logits))
        return super().loss(replace(outputs, teachers=(noise,)), progress)


def trained_teacher(tiny):
    """Return a model fine-tuned on many examples of the task."""
    teacher = tiny(layers=2, seed=9)
    params = TrainParams(epochs=5, batch_size=32, learning_rate=3e-3, patience=20)
    method, data = FineTuning(FineTuningParams()), tiny_data(2000, seed=5)
    end = train(TrainingJob(teacher, method, data, SELECTION, CARD, params))
    assert end.metrics["accuracy"] > 0.95
    return teacher


def perturbed(model, seed):
    """Return the model with noise on every weight: every kind of knowledge helps to recover it."""
    torch.manual_seed(seed)
    student = deepcopy(model)
    with torch.no_grad():
        for weight in student.parameters():
            weight.add_(0.15 * torch.randn_like(weight))
    return student


def test_a_kind_replaced_by_noise_gets_less_weight_than_every_other(tiny):
    teacher, logged = trained_teacher(tiny), []
    values = dict(variants()["knowledge_selection:80_decisions"].values)
    job = TrainingJob(
        perturbed(teacher, seed=0),
        NoisyResponse(KnowledgeSelectionParams.of(values)),
        DATA,
        SELECTION,
        CARD,
        TrainParams(epochs=3, batch_size=16, learning_rate=1e-3),
        teacher_logits=[predict(teacher, DATA)],
        teachers=[teacher],
        callbacks=Callbacks(on_event=lambda event: logged.extend(getattr(event, "logged", []))),
    )
    end = train(job)
    assert end.held_out_passes == 10 * (8 + 1)
    weights = {
        kind: np.mean(
            [
                value
                for step, name, value in logged
                if name == f"weight/{kind}" and step > end.episode_steps
            ]
        )
        for kind in KINDS
    }
    assert all(weights["response"] < weights[kind] for kind in KINDS if kind != "response")
