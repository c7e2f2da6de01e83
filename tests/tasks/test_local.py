"""Local folders: every format, every shape of label, and every fault of a file."""

import json

import pandas as pd
import pytest

from sparsekd.errors import BadInput, Incompatible, NotFound, SparseKDError
from sparsekd.tasks import TaskCard, files, local
from sparsekd.tasks.labels import UNLABELLED

TEXTS = ["good fun", "a dull film", 'she said "fine", twice', "naïve, but warm"]
LABELS = [1, 0, 1, 1]


def table(texts=TEXTS, labels=LABELS, text="sentence", label="label"):
    return pd.DataFrame({text: texts, label: labels})


def write(frame, path):
    writers = {
        ".csv": lambda: frame.to_csv(path, index=False),
        # As GLUE's own files: tabs, no quoting.
        ".tsv": lambda: path.write_text(
            "\n".join("\t".join(map(str, row)) for row in [frame.columns, *frame.to_numpy()])
        ),
        ".jsonl": lambda: frame.to_json(path, orient="records", lines=True),
        ".parquet": lambda: frame.to_parquet(path),
    }
    writers[path.suffix]()


def folder_of(tmp_path, train, validation=None, kind="csv"):
    write(train, tmp_path / f"train.{kind}")
    write(train if validation is None else validation, tmp_path / f"validation.{kind}")
    return tmp_path


@pytest.mark.parametrize("kind", files.KINDS)
def test_every_format_gives_the_same_texts_and_labels(tmp_path, kind):
    frames = local.read(local.inspect(folder_of(tmp_path, table(), kind=kind)))
    assert sorted(frames) == ["train", "validation"]
    assert frames["train"]["text"].tolist() == TEXTS
    assert frames["train"]["label"].tolist() == LABELS
    assert frames["train"]["label"].dtype == "int64"


def test_the_card_has_what_was_inferred(tmp_path):
    card = local.inspect(folder_of(tmp_path, table()))
    assert (card.text, card.label, card.labels) == (("sentence",), "label", ("0", "1"))
    assert (card.metrics, card.origin, card.location) == (("accuracy",), "folder", str(tmp_path))
    assert card.name.startswith("local/test-the-card-has")
    assert TaskCard.from_json(json.loads(json.dumps(card.to_json()))) == card


@pytest.mark.parametrize(
    "names",
    [
        ("premise", "hypothesis"),
        ("sentence1", "sentence2"),
        ("question", "sentence"),
        ("question1", "question2"),
    ],
)
def test_pairs_are_known_by_their_column_names(tmp_path, names):
    frame = table(text=names[0]).assign(**{names[1]: TEXTS[::-1]}, idx=range(4))
    card = local.inspect(folder_of(tmp_path, frame))
    assert card.text == names
    assert local.read(card)["validation"]["pair"].tolist() == TEXTS[::-1]


def test_columns_and_metrics_may_be_named(tmp_path):
    frame = table(text="Body", label="Verdict")
    card = local.inspect(folder_of(tmp_path, frame), text="Body", label="Verdict", metric="mcc")
    assert (card.text, card.label, card.metrics) == (("Body",), "Verdict", ("mcc",))


def test_text_labels_become_ids_in_sorted_order(tmp_path):
    card = local.inspect(folder_of(tmp_path, table(labels=["spam", "ham", "eggs", "ham"])))
    assert card.labels == ("eggs", "ham", "spam")
    assert local.read(card)["train"]["label"].tolist() == [2, 1, 0, 1]


def test_class_numbers_need_not_begin_at_zero(tmp_path):
    card = local.inspect(folder_of(tmp_path, table(labels=[-1, 10, 2, 10]), kind="parquet"))
    assert card.labels == ("-1", "2", "10")
    assert local.read(card)["train"]["label"].tolist() == [0, 2, 1, 2]


@pytest.mark.parametrize("kind", files.KINDS)
def test_fractions_are_a_regression(tmp_path, kind):
    card = local.inspect(folder_of(tmp_path, table(labels=[0.5, 5, 2.25, 1]), kind=kind))
    assert (card.regression, card.metrics) == (True, ("pearson", "spearman"))
    labels = local.read(card)["train"]["label"]
    assert (labels.dtype, labels.tolist()) == ("float32", [0.5, 5.0, 2.25, 1.0])


def test_a_named_metric_settles_whether_numbers_are_classes(tmp_path):
    folder = folder_of(tmp_path, table(labels=[1, 0, 3, 2]))
    assert local.inspect(folder, metric="spearman").regression
    write(table(labels=[1.0, 0.0, 3.0, 2.0]), folder / "train.csv")
    assert local.inspect(folder, metric="accuracy").labels == ("0", "1", "2", "3")


@pytest.mark.parametrize("name", ["dev", "val"])
def test_dev_and_val_mean_validation(tmp_path, name):
    folder = folder_of(tmp_path, table())
    (folder / "validation.csv").rename(folder / f"{name}.csv")
    assert local.inspect(folder).validation == ("validation",)


def test_shards_are_joined_in_order_and_two_validation_sets_are_kept(tmp_path):
    frame = table()
    for shard in range(2):
        frame[2 * shard : 2 * shard + 2].to_parquet(
            tmp_path / f"train-0000{shard}-of-00002.parquet"
        )
    for kind in ("matched", "mismatched"):
        write(frame, tmp_path / f"validation_{kind}.parquet")
    card = local.inspect(tmp_path)
    assert card.validation == ("validation_matched", "validation_mismatched")
    assert local.read(card)["train"]["text"].tolist() == TEXTS


def test_the_name_follows_the_content_not_the_place(tmp_path):
    names = []
    for place in ("a", "b"):
        (tmp_path / place / "films").mkdir(parents=True)
        names.append(local.inspect(folder_of(tmp_path / place / "films", table())).name)
    assert names[0] == names[1]
    write(table(labels=[0, 0, 1, 1]), tmp_path / "b" / "films" / "train.csv")
    assert local.inspect(tmp_path / "b" / "films").name != names[0]


def test_changed_files_are_noticed(tmp_path):
    card = local.inspect(folder_of(tmp_path, table()))
    write(table(labels=[0, 0, 1, 1]), tmp_path / "train.csv")
    with pytest.raises(Incompatible, match="have changed"):
        local.read(card)


def test_words_that_mean_missing_elsewhere_are_texts_here(tmp_path):
    card = local.inspect(folder_of(tmp_path, table(texts=["None", "NA", "null", "nan"])))
    assert local.read(card)["train"]["text"].tolist() == ["None", "NA", "null", "nan"]


WRONG_TABLES = {
    "a single class": (table(labels=[1] * 4), "single class, 1"),
    "all labels -1": (table(labels=[-1] * 4), "has no labels"),
    "no label column": (table()[["sentence"]], "No label column among sentence"),
    "no text column": (table(text="words"), "No text column among words, label"),
    "an empty text": (table(texts=["a", " ", "c", ""]), "an empty text in row 2, 4"),
    "a missing label": (table(labels=["a", None, "b", "a"]), "no label in row 2"),
    "as many labels as rows": (
        table(texts=[f"t{n}" for n in range(30)], labels=list(range(30))),
        "30 different values in 30 rows",
    ),
    "one number": (table(labels=[0.5] * 4), "Every train label is 0.5"),
    "no rows": (table(texts=[], labels=[]), "has no rows"),
    "an infinite label": (table(labels=[0.5, 1.0, float("inf"), 2.0]), "infinite labels in row 3"),
}


@pytest.mark.parametrize("name", WRONG_TABLES)
def test_a_table_that_cannot_be_used_is_refused_with_a_hint(tmp_path, name):
    frame, message = WRONG_TABLES[name]
    with pytest.raises(BadInput, match=message) as caught:
        local.inspect(folder_of(tmp_path, frame))
    assert caught.value.hint


def test_missing_texts_in_parquet_are_refused(tmp_path):
    folder_of(tmp_path, table(texts=["a", None, "c", "d"]), kind="parquet")
    with pytest.raises(BadInput, match=r"no text \(NaN\) in row 2"):
        local.inspect(tmp_path)


def test_numbers_as_texts_are_refused(tmp_path):
    folder_of(tmp_path, table(texts=[1, 2, 3, 4]), kind="parquet")
    with pytest.raises(BadInput, match="not a text in row 1, 2, 3 and 1 more"):
        local.inspect(tmp_path)


def test_validation_labels_that_train_lacks_are_named(tmp_path):
    folder_of(tmp_path, table(), table(labels=[0, 1, 2, 0]))
    with pytest.raises(BadInput, match=r"labels that train lacks: 2; train has 0, 1"):
        local.inspect(tmp_path)


RAW_FILES = {
    "nothing": ("train.csv", b"", "is empty"),
    "only a header": ("train.csv", b"sentence,label\n", "has no rows"),
    "latin-1": ("train.csv", "sentence,label\ncaf\xe9,1\n".encode("latin-1"), "not UTF-8: byte 18"),
    "too many fields": ("train.csv", b"sentence,label\na,1\nb, c,0\n", "line 3 has 3 fields"),
    "too few fields": ("train.tsv", b"sentence\tlabel\na\t1\nb\n", "line 3 has 1 field,"),
    "an open quotation": ("train.csv", b'sentence,label\n"a,1\nb,0\n', "unexpected end of data"),
    "a column twice": ("train.csv", b"label,label\na,1\n", "two columns named 'label'"),
    "no JSON": ("train.jsonl", b'{"text": "a", "label": 1}\n{text}\n', "line 2 is not JSON"),
    "a JSON list": ("train.jsonl", b"[1, 2]\n", "line 1 is not a JSON object"),
    "ragged JSON": (
        "train.jsonl",
        b'{"text": "a", "label": 1}\n{"text": "b"}\n',
        "line 2 has no key 'label'",
    ),
    "no parquet": ("train.parquet", b"sentence,label\n", "is not a parquet file"),
    "empty parquet": ("train.parquet", b"", "is empty"),
}


@pytest.mark.parametrize("name", RAW_FILES)
def test_a_file_that_cannot_be_read_is_refused_with_place_and_hint(tmp_path, name):
    file, content, message = RAW_FILES[name]
    (tmp_path / file).write_bytes(content)
    write(table(), tmp_path / "validation.csv")
    with pytest.raises(BadInput, match=message) as caught:
        local.inspect(tmp_path)
    assert file in caught.value.message
    assert caught.value.hint


def test_errors_on_missing_folders_and_files_name_what_is_needed(tmp_path):
    with pytest.raises(NotFound, match="There is no folder"):
        local.inspect(tmp_path / "nowhere")
    with pytest.raises(NotFound, match="has no train file"):
        local.inspect(tmp_path)
    write(table(), tmp_path / "train.csv")
    with pytest.raises(NotFound, match="has no validation file"):
        local.inspect(tmp_path)
    with pytest.raises(BadInput, match="is a file, not a folder"):
        local.inspect(tmp_path / "train.csv")


def test_two_files_for_one_split_are_refused(tmp_path):
    folder_of(tmp_path, table())
    write(table(), tmp_path / "dev.csv")
    with pytest.raises(BadInput, match=r"several files for validation: dev\.csv, validation\.csv"):
        local.inspect(tmp_path)


def test_huge_files_are_refused_before_they_are_read(tmp_path):
    folder_of(tmp_path, table())
    with (tmp_path / "train.csv").open("r+b") as file:
        file.truncate(files.MAX_BYTES + 1)  # sparse: takes no space
    with pytest.raises(BadInput, match="the limit is 1,024 MiB"):
        local.inspect(tmp_path)


def test_a_wrong_column_name_gets_the_nearest(tmp_path):
    folder = folder_of(tmp_path, table())
    with pytest.raises(NotFound, match=r"no column 'sentense'.*Did you mean sentence"):
        local.inspect(folder, text="sentense")
    with pytest.raises(NotFound, match="Did you mean accuracy"):
        local.inspect(folder, metric="acuracy")


@pytest.mark.parametrize(
    ("labels", "metric", "message"),
    [
        (["a", "b", "a", "b"], "pearson", "'a' is not one"),
        ([0.5, 1.5, 2.5, 3.5], "accuracy", "0.5 is not one"),
        ([0, 1, 0, 1], ("accuracy", "pearson"), "cannot be combined"),
    ],
)
def test_labels_and_metric_that_do_not_fit_are_refused(tmp_path, labels, metric, message):
    with pytest.raises(Incompatible, match=message):
        local.inspect(folder_of(tmp_path, table(labels=labels)), metric=metric)


def test_every_refusal_is_one_of_ours(tmp_path):
    for number, (file, content, _) in enumerate(RAW_FILES.values()):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / file).write_bytes(content)
        (folder / "dev.csv").write_bytes(content[::-1])
        with pytest.raises(SparseKDError):
            local.inspect(folder)


@pytest.mark.parametrize("name", ["x" * 5000, "\0", "~nobody-at-all/data"])
def test_odd_folder_names_are_refused(name):
    with pytest.raises(SparseKDError):
        local.inspect(name)


def unlabelled_folder(tmp_path, train, unlabelled=None, validation=None):
    validation = table([f"{text}!" for text in TEXTS]) if validation is None else validation
    frames = {"train": train, "unlabelled": unlabelled, "validation": validation}
    for name, frame in frames.items():
        if frame is not None:
            frame.to_csv(tmp_path / f"{name}.csv", index=False)
    return tmp_path


def test_training_rows_without_a_label_and_an_unlabelled_file_are_texts_without_labels(tmp_path):
    more = pd.DataFrame({"sentence": ["who knows", "who cares"]})
    card = local.inspect(unlabelled_folder(tmp_path, table(labels=[1, "", 0, None]), more))
    train = local.read(card)["train"]
    assert train["text"].tolist() == [*TEXTS, "who knows", "who cares"]
    assert train["label"].tolist() == [1, UNLABELLED, 0, UNLABELLED, UNLABELLED, UNLABELLED]
    assert card.unlabelled == 4 and card.labels == ("0", "1") and card.validation == ("validation",)
    assert TaskCard.from_json(json.loads(json.dumps(card.to_json()))) == card


def test_whole_numbers_with_gaps_in_a_parquet_file_are_classes(tmp_path):
    for name, labels in {"train": [1, None, 0, None], "validation": LABELS}.items():
        table(labels=labels).to_parquet(tmp_path / f"{name}.parquet")
    card = local.inspect(tmp_path)
    assert card.labels == ("0", "1") and card.unlabelled == 2


def test_a_training_file_without_a_label_column_takes_its_classes_from_validation(tmp_path):
    train = pd.DataFrame({"sentence": TEXTS})
    card = local.inspect(
        unlabelled_folder(tmp_path, train, validation=table(["a", "b"], ["no", "yes"]))
    )
    assert card.labels == ("no", "yes") and card.unlabelled == 4
    assert set(local.read(card)["train"]["label"]) == {UNLABELLED}


def test_validation_texts_among_the_unlabelled_are_refused_unless_accepted(tmp_path):
    leak = pd.DataFrame({"sentence": ["new", TEXTS[0], TEXTS[2]]})
    folder = unlabelled_folder(tmp_path, table(["p", "q", "r", "s"]), leak, table())
    with pytest.raises(BadInput, match="2 of 4 validation texts are also in the unlabelled file"):
        local.inspect(folder)
    assert local.inspect(folder, leak=True).unlabelled == 3


def test_a_group_column_is_read_and_makes_another_task_of_the_same_files(tmp_path):
    train = table().assign(writer=["anna", "bert", "anna", "carl"])
    folder = folder_of(tmp_path, train, table())
    plain, grouped = local.inspect(folder), local.inspect(folder, groups="column writer")
    assert grouped.group_column == "writer"
    assert plain.title == folder.name
    assert grouped.title == f"{folder.name} (selection split by groups)"
    assert local.read(grouped)["train"]["group"].tolist() == ["anna", "bert", "anna", "carl"]
    assert "group" not in local.read(plain)["train"]
    names = {plain.name, grouped.name, local.inspect(folder, groups="text").name}
    assert len(names) == 3
    assert TaskCard.from_json(json.loads(json.dumps(grouped.to_json()))) == grouped


def test_a_group_column_that_is_missing_names_those_there_are(tmp_path):
    with pytest.raises(NotFound, match=r"no column 'author'.*Its columns are sentence, label"):
        local.inspect(folder_of(tmp_path, table()), groups="column author")
