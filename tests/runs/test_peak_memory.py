"""The peak memory of a run before it starts: sizes without loading a model, and refusals."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from transformers import PreTrainedModel

from sparsekd.catalog.methods import METHODS
from sparsekd.catalog.parameters import TrainParams
from sparsekd.catalog.stage_parameters import MaskParams, ScoreParams, StudentParams
from sparsekd.data import DEMO_TOKENIZERS
from sparsekd.errors import BadInput
from sparsekd.models import architectures
from sparsekd.runs import jobs, peak_memory, store
from sparsekd.runs.jobs import Device
from sparsekd.runs.peak_memory import Estimator, of_config
from sparsekd.runs.records import Recipe
from sparsekd.studies import recipes
from sparsekd.tasks.demo import DEMO_CHECKPOINT

pytestmark = pytest.mark.usefixtures("home")
GIB = 2**30
TASK = "demo/sentiment"


def test_a_configuration_has_the_sizes_of_the_model_that_is_built_from_it(
    tiny: Callable[..., PreTrainedModel], architecture: str, tmp_path: Path
):
    model = tiny(architecture, labels=3)
    model.config.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    assert of_config(config) == architectures.shape(model)


def test_demo_vocabularies_are_within_their_bound():
    for tokenizer in DEMO_TOKENIZERS.values():
        assert len(tokenizer()) <= peak_memory.DEMO_VOCABULARY


def finetune(checkpoint: str = DEMO_CHECKPOINT, **train: object) -> Recipe:
    return recipes.finetune(TASK, checkpoint, TrainParams.of(dict(train)))


def distil(teacher: Recipe, method: str = "vanilla", layers: int = 2, **train: object) -> Recipe:
    params = METHODS[method].params()
    student = StudentParams(layers=layers)
    return recipes.distil(
        TASK, method, teacher.run_id, TrainParams.of(dict(train)), params, student
    )


def test_the_sizes_of_planned_models_are_known_before_any_run():
    teacher = finetune()
    student = distil(teacher, layers=2)
    scores = recipes.score(TASK, teacher.run_id, student.run_id, ScoreParams(), 64)
    pruned = recipes.prune(TASK, teacher.run_id, scores.run_id, MaskParams(), 64)
    planned = {each.run_id: each for each in (teacher, student, scores, pruned)}
    known = Estimator(planned)
    dense = known.shape(teacher.run_id)
    assert dense is not None
    assert dense.layers == 4
    own = known.shape(student.run_id)
    assert own is not None
    assert own.layers == 2
    assert known.shape(pruned.run_id) == dense  # at most as large
    assert known.peak(scores, "cpu") is not None
    assert Estimator().shape(teacher.run_id) is None


def test_a_teacher_of_answers_takes_no_memory():
    teacher = finetune()
    of_model = distil(teacher)
    inputs = of_model.inputs | {"teacher": "answers:a.csv#0123456789abcdef"}
    of_answers = replace(of_model, inputs=inputs)
    peak = Estimator({teacher.run_id: teacher}).peak
    assert 0 < (peak(of_answers, "cpu") or 0) <= (peak(of_model, "cpu") or 0)


def test_more_of_anything_takes_more():
    peak = Estimator({finetune().run_id: finetune()}).peak
    base = peak(finetune(batch_size=64, max_length=64), "cpu") or 0
    assert 0 < base < (peak(finetune(batch_size=128, max_length=64), "cpu") or 0)
    assert base < (peak(finetune(batch_size=64, max_length=128), "cpu") or 0)
    plain = peak(distil(finetune(), train_examples=100), "cpu") or 0
    inner = peak(distil(finetune(), "internal", train_examples=100), "cpu") or 0
    assert 0 < plain < inner


def test_what_is_not_here_is_unknown():
    assert Estimator().peak(finetune("hub:nobody/nothing-of-this-name"), "cpu") is None
    assert Estimator().peak(finetune("folder:/nowhere#12345678"), "cpu") is None
    assert Estimator().peak(Recipe("ablate", TASK), "cpu") is None
    assert Estimator().peak(Recipe("distil", TASK, "vanilla", {}, {}), "cpu") is None


@pytest.fixture
def small_gpu(home: Path) -> None:
    """A machine with a GPU of 1 GiB, of which nothing is used."""
    found = [Device("cuda:0", "a small GPU", GIB), Device("cpu", "a processor", 64 * GIB)]
    text = json.dumps([vars(each) for each in found])
    (home / "devices.json").write_text(text, encoding="utf-8")


@pytest.mark.usefixtures("small_gpu")
def test_a_run_that_cannot_fit_is_refused_with_what_to_change():
    large = finetune(batch_size=1024, max_length=128)
    words = r"finetune run takes about \d+\.\d GiB; cuda:0 has 1\.0 GiB"
    with pytest.raises(BadInput, match=words) as refused:
        jobs.submit([large])
    assert "batch_size (now 1024)" in refused.value.hint
    assert "max_length (now 128; as long as" in refused.value.hint
    assert store.runs() == []
    jobs.submit([large], "cpu")  # which has 64 GiB
    jobs.submit([finetune()])
    assert len(store.runs()) == 2


def test_the_estimate_needs_no_torch():
    code = (
        "import sys\nfrom sparsekd.runs import peak_memory\nfrom sparsekd.studies import recipes\n"
        "from sparsekd.catalog.parameters import TrainParams\n"
        "recipe = recipes.finetune('demo/sentiment', 'demo:', TrainParams())\n"
        "assert peak_memory.Estimator().peak(recipe, 'cuda:0')\n"
        "sys.exit('torch' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
