"""Methods that match layers: which layers, when, their gradients and their errors."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from sparsekd.catalog.methods.internal import InternalParams
from sparsekd.catalog.methods.minilm import MiniLMParams
from sparsekd.catalog.methods.pkd import PKDParams
from sparsekd.catalog.methods.tinybert import TinyBERTParams
from sparsekd.errors import BadInput, Incompatible
from sparsekd.knowledge import observe
from sparsekd.knowledge.losses import soft_cross_entropy
from sparsekd.knowledge.representations import attention_kl, cls_cosine, cls_distance
from sparsekd.methods import BatchOutputs, Setup, TrainingProgress
from sparsekd.methods.internal import Internal
from sparsekd.methods.minilm import MiniLM
from sparsekd.methods.pkd import PKD
from sparsekd.methods.tinybert import TinyBERT
from sparsekd.models.gates import gated
from sparsekd.models.pruning import prune
from sparsekd.units.masking import Mask
from tests.tiny_data import tiny_card, tiny_data

BATCH = tiny_data(5).batch(range(5))
METHODS = {
    "internal": (Internal, InternalParams),
    "pkd": (PKD, PKDParams),
    "tinybert": (TinyBERT, TinyBERTParams),
    "minilm": (MiniLM, MiniLMParams),
}
EVERY = pytest.mark.parametrize("name", METHODS)


def built(name, student, *teachers, **params):
    kind, declared = METHODS[name]
    method = kind(declared(**params))
    method.prepare(Setup(student, tiny_card(), len(teachers), teachers, steps=12))
    return method


def outputs_of(method, student, teacher):
    with torch.no_grad():
        teacher_outputs = observe(teacher, BATCH, method.teacher_needs)
    view = observe(student, BATCH, method.student_needs)
    return BatchOutputs(view, (teacher_outputs,), BATCH.labels, BATCH.attention_mask, BATCH.rows)


def names(method, outputs, step, steps=12):
    return set(method.loss(outputs, TrainingProgress(step, steps, 0)))


# --- internal representations ----------------------------------------------------------------


def internal(tiny, **params):
    student, teacher = tiny(layers=3, seed=1), tiny(layers=6, seed=2)
    method = built("internal", student, teacher, **params)
    return method, outputs_of(method, student, teacher), student


def test_layer_k_of_m_matches_every_nth_layer(tiny):
    method, _, _ = internal(tiny)
    assert method.layers == {1: 2, 2: 4, 3: 6}


def test_a_layers_terms_are_the_published_losses(tiny):
    method, outputs, _ = internal(tiny, attention_weight=2.0, cls_weight=3.0)
    terms = method.loss(outputs, TrainingProgress(3, 12, 0))
    student, teacher = outputs.student, outputs.teachers[0]
    kl = attention_kl(student.scores[2], teacher.attention[4], outputs.mask)
    torch.testing.assert_close(terms["attention/2"], 2 * kl)
    torch.testing.assert_close(terms["cls/2"], 3 * cls_cosine(student.cls[2], teacher.cls[4]))


def test_progressive_goes_bottom_up_and_ends_with_the_soft_labels(tiny):
    method, outputs, _ = internal(tiny, schedule="progressive")
    active = [names(method, outputs, step) for step in range(12)]
    layers = [{f"attention/{layer}", f"cls/{layer}"} for layer in (1, 2, 3)]
    assert active == [each for each in layers for _ in range(3)] + [{"soft"}] * 3


def test_stacked_keeps_the_lower_layers_until_the_soft_labels(tiny):
    method, outputs, _ = internal(tiny, schedule="stacked", cls_weight=0)
    active = [names(method, outputs, step) for step in (0, 3, 6, 9)]
    one, two, three = ({f"attention/{k}" for k in range(1, top + 1)} for top in (1, 2, 3))
    assert active == [one, two, three, {"soft"}]


def test_all_at_once_is_the_same_at_every_step(tiny):
    method, outputs, _ = internal(tiny, schedule="all", attention_weight=0, labels="soft_and_gold")
    for step in (0, 5, 11):
        assert names(method, outputs, step) == {"cls/1", "cls/2", "cls/3", "soft", "hard"}


def test_progressive_trains_only_layers_up_to_the_active_one(tiny):
    method, outputs, student = internal(tiny, schedule="progressive")
    loss = sum(method.loss(outputs, TrainingProgress(3, 12, 0)).values()).sum()
    loss.backward()
    gradients = [
        max(
            0.0 if weight.grad is None else weight.grad.abs().max().item()
            for weight in layer.parameters()
        )
        for layer in student.bert.encoder.layer
    ]
    assert gradients[0] > 0 and gradients[1] > 0 and gradients[2] == 0
    assert student.classifier.weight.grad is None


def test_the_share_of_the_last_stage_can_be_set(tiny):
    method, outputs, _ = internal(tiny, last_share=0.5)
    active = [names(method, outputs, step) == {"soft"} for step in range(12)]
    assert active == [False] * 6 + [True] * 6


def test_a_stage_has_a_warm_up_and_a_decay_of_its_own_where_that_is_asked_for(tiny):
    def spans(name, **params):
        method = built(name, tiny(layers=3), tiny(layers=6), **params)
        places = (TrainingProgress(step, 12, 0) for step in range(12))
        return [method.rate_span(place) for place in places]

    own = {"rate_schedule": "stage"}
    whole, thirds = [range(12)] * 12, [range(start, start + 3) for start in (0, 3, 6, 9)]
    assert spans("internal") == spans("tinybert") == whole
    assert spans("internal", schedule="all", **own) == whole
    assert spans("internal", **own) == [span for span in thirds for _ in span]
    halves = [range(6)] * 6 + [range(6, 12)] * 6
    assert spans("tinybert", **own) == halves
    assert spans("internal", last_share=0.5, **own)[6:] == halves[6:]
    assert spans("tinybert", inner_share=0.99, **own) == whole  # the last stage has no step


@pytest.mark.parametrize(("layers", "steps"), [(2, 36), (4, 60), (3, 12), (2, 900), (4, 62)])
def test_stages_are_as_long_as_one_another(tiny, layers, steps):
    method = built("internal", tiny(layers=layers), tiny(layers=2 * layers))
    stages = [method.stage(TrainingProgress(step, steps, 0)) for step in range(steps)]
    lengths = [stages.count(stage) for stage in range(layers + 1)]
    assert stages == sorted(stages)
    assert max(lengths) - min(lengths) <= (1 if steps % (layers + 1) else 0)


def test_the_student_is_evaluated_in_the_last_stage_only(tiny):
    staged, _, _ = internal(tiny)
    at_once, _, _ = internal(tiny, schedule="all")
    places = [TrainingProgress(step, 12, 0) for step in (0, 8, 9, 11)]
    assert [staged.ready(place) for place in places] == [False, False, True, True]
    assert all(at_once.ready(place) for place in places)


def test_an_equal_student_has_no_loss_at_any_layer(tiny):
    model = tiny(layers=3)
    method = built("internal", model, model, schedule="all")
    terms = method.loss(outputs_of(method, model, model), TrainingProgress(0, 12, 0))
    for name, term in terms.items():
        if name != "soft":
            torch.testing.assert_close(term, torch.zeros(5), rtol=0, atol=1e-5)


def test_every_example_is_inspected_at_every_layer(tiny):
    method, outputs, _ = internal(tiny)
    rows = method.inspect_examples(outputs)
    assert {(row["row"], row["layer"]) for row in rows} == {
        (row, layer) for row in range(5) for layer in (1, 2, 3)
    }
    one = next(row for row in rows if (row["row"], row["layer"]) == (3, 2))
    kl = attention_kl(outputs.student.scores[2], outputs.teachers[0].attention[4], outputs.mask)
    assert one["attention_kl"] == pytest.approx(kl[3].item())


def test_two_weights_of_zero_are_an_error():
    with pytest.raises(BadInput, match="no layer would be matched"):
        InternalParams.of({"attention_weight": 0, "cls_weight": 0})


# --- baselines -------------------------------------------------------------------------------


def test_patient_distillation_matches_all_layers_but_the_top(tiny):
    student, teacher = tiny(layers=3, seed=1), tiny(layers=6, seed=2)
    assert built("pkd", student, teacher).layers == {1: 2, 2: 4}
    assert built("pkd", student, teacher, match="last").layers == {1: 4, 2: 5}


def test_the_patient_term_is_beta_times_the_mean_over_layers(tiny):
    student, teacher = tiny(layers=3, seed=1), tiny(layers=6, seed=2)
    method = built("pkd", student, teacher, beta=10.0)
    outputs = outputs_of(method, student, teacher)
    ours, theirs = outputs.student.cls, outputs.teachers[0].cls
    mean = (cls_distance(ours[1], theirs[2]) + cls_distance(ours[2], theirs[4])) / 2
    torch.testing.assert_close(
        method.loss(outputs, TrainingProgress(0, 12, 0))["patient"], 10 * mean
    )


def test_patient_distillation_of_one_layer_is_an_error(tiny):
    with pytest.raises(Incompatible, match="no intermediate layer"):
        built("pkd", tiny(layers=1), tiny(layers=4))


def test_tinybert_changes_from_intermediate_layers_to_soft_labels(tiny):
    student, teacher = tiny(layers=2, seed=1), tiny(layers=4, seed=2)
    method = built("tinybert", student, teacher, inner_share=0.75)
    outputs = outputs_of(method, student, teacher)
    inner = {"hidden/0", "hidden/1", "hidden/2", "scores/1", "scores/2"}
    assert [names(method, outputs, step) for step in (0, 8, 9)] == [inner, inner, {"soft"}]
    assert not method.ready(TrainingProgress(8, 12, 0)) and method.ready(TrainingProgress(9, 12, 0))
    logits = outputs.student.logits, outputs.teachers[0].logits
    soft = method.loss(outputs, TrainingProgress(9, 12, 0))["soft"]
    torch.testing.assert_close(soft, soft_cross_entropy(*logits, temperature=1.0))


def test_hidden_states_are_compared_over_real_tokens_alone(tiny):
    student, teacher = tiny(layers=2, seed=1), tiny(layers=4, seed=2)
    method = built("tinybert", student, teacher)
    outputs = outputs_of(method, student, teacher)
    term = method.loss(outputs, TrainingProgress(0, 12, 0))["hidden/1"]
    for row in range(5):
        length = int(BATCH.attention_mask[row].sum())
        ours, theirs = outputs.student.hidden[1], outputs.teachers[0].hidden[2]
        by_hand = (ours[row, :length] - theirs[row, :length]).square().mean().item()
        assert term[row].item() == pytest.approx(by_hand, rel=1e-4)


def test_minilm_needs_the_last_layers_only(tiny):
    method = built("minilm", tiny(layers=2), tiny(layers=5))
    assert method.student_needs == {"scores": (2,), "values": (2,)}
    assert method.teacher_needs == {"attention": (5,), "values": (5,)}


# --- all of them -----------------------------------------------------------------------------


@EVERY
@pytest.mark.parametrize("count", [0, 2])
def test_any_number_of_teachers_but_one_is_an_error(tiny, name, count):
    teachers = [tiny(layers=4, seed=number) for number in range(count)]
    with pytest.raises(Incompatible, match=f"not {count}"):
        built(name, tiny(), *teachers)


@pytest.mark.parametrize("name", ["internal", "tinybert", "pkd"])
def test_the_error_for_layers_that_do_not_divide_lists_those_that_do(tiny, name):
    with pytest.raises(Incompatible, match="The teacher has 4 layers, the student 3") as error:
        built(name, tiny(layers=3), tiny(layers=4))
    assert "1, 2 or 4" in error.value.hint


@EVERY
def test_widths_and_heads_may_differ(tiny, name):
    student, teacher = tiny(layers=2, hidden=16, heads=2), tiny(layers=4, hidden=24, heads=3)
    method = built(name, student, teacher)
    for step in range(12):
        for term in method.loss(
            outputs_of(method, student, teacher), TrainingProgress(step, 12, 0)
        ).values():
            assert term.shape == (5,) and term.isfinite().all()
    maps = [each for module in method.modules().values() for each in module.values()]
    assert all((each.in_features, each.out_features) == (16, 24) for each in maps)


@EVERY
def test_a_pruned_teacher_gives_the_losses_of_the_gated_teachers_remaining_heads(tiny, name):
    student, teacher = tiny(layers=2, seed=1), tiny(layers=4, seed=2)
    heads = np.ones((4, 3), dtype=bool)
    heads[1, :2] = heads[3, 0] = False
    mask = Mask(heads, np.random.default_rng(0).random((4, 20)) < 0.7)
    sparse = prune(teacher, mask)
    method = built(name, student, sparse)
    outputs = outputs_of(method, student, sparse)
    with gated(teacher, mask):
        dense = outputs_of(method, student, teacher).teachers[0]
    remaining = {
        state: {layer: found[:, heads[layer - 1]] for layer, found in dense.of(state).items()}
        for state in ("attention", "scores", "values")
    }
    expected = replace(outputs, teachers=(replace(dense, **remaining),))
    for step in (0, 11):
        progress = TrainingProgress(step, 12, 0)
        terms = method.loss(outputs, progress)
        for term, value in method.loss(expected, progress).items():
            torch.testing.assert_close(terms[term], value, rtol=1e-4, atol=1e-6)
