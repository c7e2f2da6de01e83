"""The training loop: it learns, it stops, and an interruption changes nothing."""

import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from sparsekd.catalog.methods.fine_tuning import FineTuningParams
from sparsekd.catalog.methods.vanilla import VanillaParams
from sparsekd.catalog.parameters import TrainParams
from sparsekd.errors import BadInput, Cancelled, Incompatible, Unavailable
from sparsekd.knowledge.evaluation import evaluate, predict
from sparsekd.knowledge.losses import squared_error
from sparsekd.methods.base import Method, TrainingProgress
from sparsekd.methods.fine_tuning import FineTuning
from sparsekd.methods.vanilla import Vanilla
from sparsekd.models.pruning import prune
from sparsekd.training import train
from sparsekd.training.checkpoint import Checkpoint
from sparsekd.training.clock import Clock
from sparsekd.training.optimisation import moments
from sparsekd.training.step import Lesson
from sparsekd.units.masking import Mask
from tests.tiny_data import tiny_card, tiny_data

CARD, DATA, SELECTION = tiny_card(), tiny_data(20, seed=1), tiny_data(16, seed=2)
PARAMS = TrainParams(epochs=3, batch_size=6, learning_rate=3e-3)
STEPS_PER_EPOCH = 4
DATA_ROWS = np.arange(4)


class Watcher(Method):
    """Uses all that the loop offers: every need, a module, chance, memory and rewards."""

    reads_layers = True
    training_episodes = 1

    def prepare(self, setup):
        kinds = ("cls", "hidden", "attention", "values")
        self.student_needs = {kind: (1, 2) for kind in kinds}
        self.teacher_needs = {kind: (1, 3) for kind in kinds}
        widths = [model.config.hidden_size for model in (setup.student, *setup.teachers)]
        self.map = torch.nn.Linear(*widths)
        self.mean = torch.zeros(())
        self.rewards = []

    def modules(self):
        return {"map": self.map}

    def loss(self, seen, progress):
        student, teacher = seen.student, seen.teachers[0]
        chance = 0.5 + torch.rand(len(seen.rows))
        hidden = squared_error(self.map(student.hidden[2][:, 0]), teacher.cls[3])
        attention = squared_error(student.attention[1].mean(1), teacher.attention[1].mean(1))
        values = squared_error(student.values[1].mean((1, 2)), teacher.values[1].mean((1, 2)))
        return {
            "hidden": chance * hidden / (1 + self.mean),
            "attention": attention.mean(-1),
            "values": values,
            "soft": squared_error(student.logits, teacher.logits),
        }

    def on_step_end(self, signal):
        self.mean = 0.9 * self.mean + 0.1 * signal.terms["hidden"].mean()
        if signal.progress.step % 3 == 0:
            self.mean = self.mean + signal.evaluate()["loss"]
            self.mean = self.mean + signal.observe(DATA_ROWS).teachers[0].hidden[1].mean()
        self.log(signal.progress, {"mean": float(self.mean)})

    def on_train_start(self, episode):
        self.mean = self.mean * 0.5

    def ready(self, progress):
        return progress.fraction > 0.5

    def inspect_examples(self, seen):
        return [{"row": int(row)} for row in seen.rows]

    def state_dict(self):
        return {"mean": self.mean}

    def load_state_dict(self, state):
        self.mean = state["mean"].clone()


def student(tiny, **options):
    return tiny(seed=5, attn_implementation="sdpa", **options)


def lessons(tiny):
    """Method and teaching material of each kind of training."""
    teacher = tiny(layers=3, seed=9)
    logits = [predict(teacher, DATA)]
    return {
        "finetune": (FineTuning(FineTuningParams()), {}),
        "vanilla": (Vanilla(VanillaParams()), {"teacher_logits": logits}),
        "watcher": (
            Watcher(FineTuningParams()),
            {"teacher_logits": logits, "teachers": [teacher]},
        ),
    }


@pytest.fixture(params=["finetune", "vanilla", "watcher"])
def lesson(request, tiny):
    return lessons(tiny)[request.param]


def learn(model, lesson, data=DATA, params=PARAMS, **more):
    method, material = lesson
    return train(model, method, data, SELECTION, CARD, params, **(material | more))


def same_weights(one, other):
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def countdown(calls):
    """A `stop` that says yes at that call, counting from 0."""
    left = iter([*[False] * calls, True])
    return lambda: next(left)


def with_interruptions(model_of, lesson, path, gaps):
    """Train, killed after each of `gaps` steps, every time in a fresh model, to the end."""
    for gap in gaps:
        resume = kept(path)
        with pytest.raises(Cancelled):
            learn(
                model_of(),
                lesson,
                stop=countdown(gap),
                save=lambda checkpoint: checkpoint.save(path),
                resume=resume,
            )
    model = model_of()
    return model, learn(model, lesson, resume=kept(path))


def kept(path):
    """The last checkpoint; none where the stop came before the first step."""
    return Checkpoint.load(path) if path.exists() else None


def test_the_same_training_twice_gives_the_same_weights_and_metrics(tiny, lesson):
    models = [student(tiny) for _ in range(2)]
    first, second = (learn(model, lesson) for model in models)
    assert same_weights(*models)
    assert first.history == second.history


def test_another_seed_gives_other_weights(tiny):
    models = [student(tiny) for _ in range(2)]
    for seed, model in enumerate(models):
        learn(model, lessons(tiny)["finetune"], seed=seed)
    assert not same_weights(*models)


@pytest.mark.parametrize("gaps", [(0,), (1,), (4,), (6,), (11,), (2, 1, 4, 3)])
def test_an_interrupted_training_ends_as_if_it_never_was(tiny, lesson, tmp_path, gaps):
    straight = student(tiny)
    whole = learn(straight, lesson)
    broken, pieces = with_interruptions(
        lambda: student(tiny), lesson, tmp_path / "state.safetensors", gaps
    )
    assert same_weights(straight, broken)
    assert whole.history == pieces.history
    assert (whole.metrics, whole.best_epoch) == (pieces.metrics, pieces.best_epoch)


def test_any_checkpoint_leads_to_the_same_end(tiny, tmp_path):
    lesson, straight, places = lessons(tiny)["vanilla"], student(tiny), []

    def keep(checkpoint):
        places.append(tmp_path / f"{checkpoint.facts['step']}.safetensors")
        checkpoint.save(places[-1])

    whole = learn(straight, lesson, save=keep)
    assert places
    for place in places:
        model = student(tiny)
        assert learn(model, lesson, resume=Checkpoint.load(place)).history == whole.history
        assert same_weights(model, straight)


def test_a_student_memorises_its_examples(tiny):
    data, model = tiny_data(32, seed=3), tiny(seed=1)
    params = TrainParams(epochs=40, batch_size=8, learning_rate=3e-3, patience=40)
    trained = train(model, FineTuning(FineTuningParams()), data, data, CARD, params)
    losses = [epoch["losses"]["hard"] for epoch in trained.history]
    assert losses[-1] < 0.2 * losses[0]
    assert evaluate(model, data, CARD)[0]["accuracy"] > 0.95


def test_a_distilled_student_learns_each_examples_own_soft_labels(tiny):
    half = np.random.default_rng(0).normal(size=(20, 1)).astype(np.float32)
    logits, model = np.hstack([half, -half]), tiny(seed=1)
    params = TrainParams(epochs=80, batch_size=5, learning_rate=3e-3, patience=80)
    method, data = Vanilla(VanillaParams(alpha=1)), replace(DATA, labels=logits.argmax(1))
    train(model, method, data, data, CARD, params, teacher_logits=[logits])
    found = predict(model, data)
    assert np.corrcoef(found[:, 0] - found[:, 1], half[:, 0])[0, 1] > 0.8


def test_the_cached_logits_are_those_of_the_batchs_rows(tiny):
    logits = [np.arange(40, dtype=np.float32).reshape(20, 2) * scale for scale in (1, -1)]
    checked = []

    class Diary(FineTuning):
        def on_step_end(self, signal):
            for known, given in zip(signal.outputs.teachers, logits, strict=True):
                np.testing.assert_array_equal(known.logits.numpy(), given[signal.outputs.rows])
            np.testing.assert_array_equal(signal.outputs.labels, DATA.labels[signal.outputs.rows])
            checked.extend(signal.outputs.rows)

    one = TrainParams(epochs=1, batch_size=6)
    learn(student(tiny), (Diary(FineTuningParams()), {"teacher_logits": logits}), params=one)
    assert sorted(checked) == list(range(20))


@pytest.mark.parametrize("clip", [1e-3, 1e6])
def test_a_gradient_longer_than_the_clip_is_shortened_to_it(tiny, clip):
    lesson = Lesson(
        student(tiny), FineTuning(FineTuningParams()), DATA, CARD, TrainParams(clip=clip)
    )
    lesson.step(np.arange(6), TrainingProgress(0, 10, 0))
    # After one step AdamW's first moment is a tenth of the gradient.
    firsts = [each for name, each in moments(lesson.optimiser).items() if name.endswith("/exp_avg")]
    norm = 10 * torch.stack([each.norm() for each in firsts]).norm().item()
    assert norm == pytest.approx(1e-3, rel=1e-3) if clip == 1e-3 else 0.01 < norm < 1e6


def test_a_pruned_student_without_a_layers_heads_is_trained_and_resumed(tiny, tmp_path):
    heads, neurons = np.ones((2, 3), bool), np.ones((2, 20), bool)
    heads[0], neurons[1] = False, False
    mask, lesson = Mask(heads, neurons), lessons(tiny)["vanilla"]
    straight = prune(student(tiny), mask)
    whole = learn(straight, lesson)
    broken, pieces = with_interruptions(
        lambda: prune(student(tiny), mask), lesson, tmp_path / "state.safetensors", (5,)
    )
    assert same_weights(straight, broken)
    assert whole.history == pieces.history


def test_an_alpha_of_zero_is_fine_tuning(tiny):
    plain, distilled = student(tiny), student(tiny)
    learn(plain, lessons(tiny)["finetune"])
    material = lessons(tiny)["vanilla"][1]
    learn(distilled, (Vanilla(VanillaParams(alpha=0)), material))
    assert same_weights(plain, distilled)


def test_it_stops_when_the_selection_metric_no_longer_improves(tiny):
    still = TrainParams(epochs=50, batch_size=6, learning_rate=1e-30, patience=2)
    trained = learn(student(tiny), lessons(tiny)["finetune"], params=still)
    assert [epoch["best"] for epoch in trained.history] == [True, False, False]
    assert trained.steps == 3 * STEPS_PER_EPOCH


def test_a_stopped_training_stays_stopped_when_resumed(tiny, tmp_path):
    still = TrainParams(epochs=50, batch_size=6, learning_rate=1e-30, patience=2)
    path, lesson = tmp_path / "state.safetensors", lessons(tiny)["finetune"]
    keep = {"save": lambda checkpoint: checkpoint.save(path)}
    with pytest.raises(Cancelled):
        learn(student(tiny), lesson, params=still, stop=countdown(11), **keep)
    again = learn(student(tiny), lesson, params=still, resume=Checkpoint.load(path))
    assert again.steps == 3 * STEPS_PER_EPOCH


def test_the_model_ends_with_the_weights_of_its_best_epoch(tiny):
    wild = TrainParams(epochs=8, batch_size=4, learning_rate=0.05, patience=8)
    model = student(tiny)
    trained = learn(model, lessons(tiny)["finetune"], params=wild)
    assert trained.best_epoch < 7
    assert evaluate(model, SELECTION, CARD)[0] == trained.metrics
    best = max(
        trained.history,
        key=lambda epoch: (epoch["metrics"]["accuracy"], -epoch["metrics"]["loss"]),
    )
    assert best["metrics"] == trained.metrics == trained.history[trained.best_epoch]["metrics"]


def test_the_order_of_the_first_epoch_is_not_that_of_the_second(tiny):
    rows = []

    class Diary(FineTuning):
        def on_step_end(self, signal):
            rows.append(signal.outputs.rows)

    learn(student(tiny), (Diary(FineTuningParams()), {}))
    epochs = [rows[start : start + STEPS_PER_EPOCH] for start in range(0, 12, STEPS_PER_EPOCH)]
    assert all(sorted(np.concatenate(epoch)) == list(range(20)) for epoch in epochs)
    assert not np.array_equal(np.concatenate(epochs[0]), np.concatenate(epochs[1]))


def test_it_reports_steps_and_epochs_with_losses_by_name(tiny):
    events = []
    trained = learn(student(tiny), lessons(tiny)["vanilla"], report=events.append)
    epochs = [event for event in events if event["kind"] == "epoch"]
    assert [event["step"] for event in epochs] == [4, 8, 12]
    assert [event["losses"] for event in epochs] == [each["losses"] for each in trained.history]
    assert all(set(event["losses"]) == {"soft", "hard"} for event in events)
    assert all(event["examples_per_second"] > 0 and event["eta"] >= 0 for event in events)
    assert (events[0]["kind"], events[0]["step"], events[0]["steps"]) == ("step", 1, 12)


def test_the_reported_loss_is_the_mean_over_examples_of_unequal_batches(tiny):
    terms = []

    class Diary(FineTuning):
        def on_step_end(self, signal):
            terms.append(signal.terms["hard"].double())

    one = TrainParams(epochs=1, batch_size=6)
    trained = learn(student(tiny), (Diary(FineTuningParams()), {}), params=one)
    assert len({len(term) for term in terms}) == 2
    mean = torch.cat(terms).mean().item()
    assert trained.history[0]["losses"]["hard"] == pytest.approx(mean, rel=1e-12)


def test_a_diverged_training_names_the_learning_rate(tiny):
    model, kept = student(tiny), []
    with torch.no_grad():
        model.classifier.bias[0] = float("nan")
    with pytest.raises(BadInput, match="learning_rate"):
        learn(model, lessons(tiny)["finetune"], save=kept.append)
    assert kept == []


def test_a_refused_allocation_names_the_knobs(tiny):
    model = student(tiny)
    model.register_forward_pre_hook(lambda *_: torch.empty(2**57) and None)
    with pytest.raises(Unavailable, match="batch_size or max_length"):
        learn(model, lessons(tiny)["finetune"])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"teacher_logits": [np.zeros((20, 3), np.float32)]}, r"\(20, 3\)"),
        ({"teacher_logits": [np.zeros((19, 2), np.float32)]}, r"\(19, 2\)"),
    ],
)
def test_teachers_that_do_not_fit_are_refused(tiny, options, words):
    with pytest.raises(Incompatible, match=words):
        learn(student(tiny), (Vanilla(VanillaParams()), {}), **options)


def test_logits_that_are_no_numbers_are_refused(tiny):
    logits = np.zeros((20, 2), np.float32)
    logits[3, 1] = np.nan
    with pytest.raises(BadInput, match="teacher"):
        learn(student(tiny), (Vanilla(VanillaParams()), {}), teacher_logits=[logits])


def test_a_student_of_another_task_is_refused(tiny):
    with pytest.raises(Incompatible, match="3 outputs"):
        learn(student(tiny, labels=3), lessons(tiny)["finetune"])


def test_nothing_to_learn_from_is_refused(tiny):
    nothing = DATA.select(np.zeros(0, dtype=np.int64))
    with pytest.raises(BadInput, match="no training examples"):
        learn(student(tiny), lessons(tiny)["finetune"], data=nothing)


def test_a_method_that_looks_inside_needs_the_teachers_themselves(tiny):
    method, material = lessons(tiny)["watcher"]
    with pytest.raises(Incompatible, match="also looks inside them"):
        learn(student(tiny), (method, material | {"teachers": []}))


def test_a_checkpoint_of_another_run_is_refused(tiny, tmp_path):
    lesson, path = lessons(tiny)["finetune"], tmp_path / "state.safetensors"
    keep = {"save": lambda checkpoint: checkpoint.save(path), "stop": countdown(2)}
    with pytest.raises(Cancelled):
        learn(student(tiny), lesson, **keep)
    with pytest.raises(Incompatible, match="seed 0"):
        learn(student(tiny), lesson, seed=1, resume=Checkpoint.load(path))


def test_it_leaves_chance_and_attention_as_it_found_them(tiny):
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    model = student(tiny)
    learn(model, lessons(tiny)["watcher"])
    assert torch.equal(torch.rand(2), expected)
    assert model.config._attn_implementation == "sdpa"
    assert not model.training


@pytest.mark.parametrize("classes", [1, 3])
def test_regressions_and_more_classes_are_distilled_too(tiny, architecture, classes):
    data, teacher = tiny_data(12, classes), tiny(architecture, labels=classes, layers=3)
    model = tiny(architecture, labels=classes, seed=4)
    trained = train(
        model,
        Vanilla(VanillaParams()),
        data,
        data,
        tiny_card(classes),
        TrainParams(epochs=2, batch_size=4, learning_rate=1e-3),
        teacher_logits=[predict(teacher, data)],
    )
    losses = [sum(epoch["losses"].values()) for epoch in trained.history]
    assert losses[1] < losses[0]


def test_checkpoints_wait_until_writing_them_is_cheap():
    clock = Clock()
    assert clock.save_due(every=60, ended=True)
    assert not clock.save_due(every=60, ended=False)
    clock.saved(start=clock.kept - 10)
    assert not clock.save_due(every=0, ended=True)


def test_evaluating_and_saving_do_not_slow_the_reported_speed():
    clock = Clock()
    clock.started -= 10
    clock.count(examples=40)
    clock.evaluated(start=time.monotonic() - 4)
    clock.saved(start=time.monotonic() - 2)
    pace = clock.pace(steps_left=3)
    assert pace["examples_per_second"] == pytest.approx(10, rel=0.01)
    assert pace["eta"] == pytest.approx(30, rel=0.01)


class Staged(FineTuning):
    """Its last stage begins exactly where the second of three epochs ends."""

    def ready(self, progress):
        return progress.step >= 2 * STEPS_PER_EPOCH


def test_a_student_is_judged_only_after_its_last_stage_has_taught_it(tiny):
    trained = learn(student(tiny), (Staged(FineTuningParams()), {}))
    assert [entry["best"] for entry in trained.history] == [False, False, True]
    assert trained.best_epoch == 2
