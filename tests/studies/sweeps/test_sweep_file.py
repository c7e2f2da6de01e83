"""Study files: what they may say, and what is wrong with them in words."""

import json

import pytest

from sparsekd.cli.parser import parse
from sparsekd.errors import BadInput, NotFound
from sparsekd.studies.sweeps import sweep_file, sweep_spec
from sparsekd.studies.sweeps.sweep_file import SweepFile, expand
from sparsekd.studies.sweeps.sweep_spec import DEFAULT_LAMBDAS, DEFAULT_SPARSITIES


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("SPARSEKD_HOME", str(tmp_path / "home"))


def study(tmp_path, text, name="study.yaml"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_one_line_is_a_study_with_the_usual_grid_and_all_controls(tmp_path):
    (asked,) = expand(sweep_file.read(study(tmp_path, "task: demo/sentiment\n")))
    assert (asked.lams, asked.sparsities, asked.seeds) == (
        DEFAULT_LAMBDAS,
        DEFAULT_SPARSITIES,
        (0, 1, 2, 3, 4),
    )
    assert asked.controls == sweep_spec.SWEEP_CONTROLS


def test_one_value_may_stand_where_a_list_does(tmp_path):
    text = "task: demo/sentiment\nlam: 0.5\nsparsity: 0.3\nseeds: 3\nmethods: pkd\n"
    (asked,) = expand(sweep_file.read(study(tmp_path, text)))
    assert (asked.lams, asked.sparsities, asked.seeds) == ((0.5,), (0.3,), (0, 1, 2))
    assert asked.methods == ("pkd",)


def test_a_control_may_have_its_name_of_earlier_versions(tmp_path):
    text = "task: demo/sentiment\ncontrols: [plain, ends]\n"
    (asked,) = expand(sweep_file.read(study(tmp_path, text)))
    assert asked.controls == ("plain", "extreme_lambdas")


def test_tasks_and_students_multiply(tmp_path):
    text = {
        "task": ["demo/sentiment", "demo/inference"],
        "student": [{"layers": 1}, {"layers": 2}],
        "train": {"epochs": 2},
        "teacher_train": {"epochs": 3},
    }
    found = expand(sweep_file.read(study(tmp_path, json.dumps(text), "study.json")))
    assert [(one.task, one.student.layers) for one in found] == [
        (task, layers) for task in ("demo/sentiment", "demo/inference") for layers in (1, 2)
    ]
    assert {one.train.epochs for one in found} == {2}
    assert {one.teacher.params["train"]["epochs"] for one in found} == {3}


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("task: demo/sentiment\nsparsty: 0.3\n", NotFound, "sparsity"),
        ("task: demo/sentiment\ntrain: {epoch: 3}\n", NotFound, "epochs"),
        ("task: demo/sentiment\nstudent: {layer: 3}\n", NotFound, "layers"),
        ("task: demo/sentiment\nset: {vanilla: {alfa: 1}}\n", NotFound, "alpha"),
        ("task: demo/sentiments\n", NotFound, "demo/sentiment"),
        ("task: []\n", BadInput, "task"),
        ("lam: [0.5]\n", BadInput, "task"),
        ("task: demo/sentiment\nlam: []\n", BadInput, "lam is empty"),
        ("task: demo/sentiment\nlam: much\n", BadInput, "lam"),
        ("task: demo/sentiment\nseeds: [0, 0]\n", BadInput, "seeds names 0 twice"),
        ("task: demo/sentiment\nseeds: 0\n", BadInput, "seeds"),
        ("task: [demo/sentiment\n", BadInput, "cannot be read"),
        ("- demo/sentiment\n", BadInput, "holds no keys"),
        ("task: glue/rte\n", BadInput, "needs a teacher"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path, text, error, words):
    with pytest.raises(error, match=words):
        expand(sweep_file.read(study(tmp_path, text)))


def test_a_file_that_is_not_there_or_of_another_kind_is_refused(tmp_path):
    with pytest.raises(NotFound, match="no study file"):
        sweep_file.read(tmp_path / "none.yaml")
    with pytest.raises(BadInput, match="is no study file"):
        sweep_file.read(study(tmp_path, "task: x", "study.txt"))


def test_a_file_may_not_run_code(tmp_path):
    with pytest.raises(BadInput, match="cannot be read"):
        sweep_file.read(study(tmp_path, "task: !!python/object/apply:os.getcwd []\n"))


def test_words_change_what_a_file_says(tmp_path):
    path = study(tmp_path, "task: demo/sentiment\nlam: [0.5]\ntrain: {epochs: 3, batch_size: 8}\n")
    words = f"sweep --file {path} --lam 0,1 --epochs 2 --student-layers 2 --seeds 2".split()
    asked = parse(words)[1].declaration()
    assert (asked.lam, asked.seeds) == ((0.0, 1.0), (0, 1))
    assert asked.train == {"epochs": 2, "batch_size": 8}
    assert asked.student == ({"layers": 2},)


def test_a_task_has_to_be_named():
    with pytest.raises(BadInput, match="No task"):
        parse(["sweep", "--lam", "0"])[1].declaration()


def test_every_key_says_what_it_is_for():
    assert all(field.description for field in SweepFile.model_fields.values())
