"""The demo grammars: distinct texts, balanced and reproducible labels that a second, independent
reading of the sentence confirms."""

import hashlib
import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from sparsekd.catalog.parameters import TrainParams
from sparsekd.errors import BadInput, NotFound
from sparsekd.tasks import demo, find
from sparsekd.tasks.demo import grammar
from sparsekd.tasks.demo.grammars import by_task
from sparsekd.tasks.labels import label_values
from sparsekd.tasks.metrics import METRICS

SENTIMENT = [
    ("The plot was dull.", 0),
    ("The music was never boring.", 1),
    ("It is a myth that the villain was clever.", 0),
    ("I doubt that the finale was not superb.", 1),
    ("A liar said that the cast was witty.", 0),
    ("A liar who loved the popcorn denied that the cast was witty.", 1),
    ("A scholar who hated the book wrote that the script was charming.", 1),
    ("Although the plot was brilliant, the acting was weak.", 0),
    ("The acting was weak, but I believe that the plot was lovely.", 1),
    ("The humour was lovely, although a fool wrote that the twist was superb.", 1),
    ("The sound was slightly dull and the editing was utterly superb.", 1),
    ("It is false that an expert disputed that the romance was awful.", 0),
]
PRAISE = {"superb", "charming", "clever", "lovely", "brilliant", "witty"}
STRONG = {"utterly", "truly"}
TURNING = re.compile(r"it is false that|i doubt that|it is a myth that")
VOICE = re.compile(
    r"an? (liar|fool|expert|scholar)(?: who \w+ the \w+)? (said|wrote|denied|disputed) that"
)


def human(text):
    """Return the writer's opinion, parsed with regular expressions."""
    text = text.lower().rstrip(".")
    if text.startswith("although"):
        text = text.split(", ", 1)[1]
    elif ", although" in text:
        text = text.split(", although")[0]
    else:
        text = text.rsplit(", but ", 1)[-1]
    turns = len(TURNING.findall(text))
    for voice, verb in VOICE.findall(text):
        turns += (voice in ("liar", "fool")) + (verb in ("denied", "disputed"))
    statement = text.rsplit(" that ", 1)[-1]
    parts = statement.split(" and ")
    if len(parts) == 2:
        statement = parts[0] if STRONG & set(parts[0].split()) else parts[1]
    turns += bool(re.search(r"\b(not|never|hardly)\b", statement))
    return (statement.split()[-1] in PRAISE) ^ (turns % 2)


@pytest.mark.parametrize(("text", "label"), SENTIMENT)
def test_the_second_reading_agrees_with_a_human(text, label):
    assert human(text) == label


def test_every_review_has_the_label_of_the_second_reading():
    for frame in demo.generate("demo/sentiment").values():
        assert [human(text) for text in frame["text"]] == frame["label"].tolist()


def test_hand_written_reviews_use_only_words_of_the_grammar():
    known = set(demo.vocabulary("demo/sentiment"))
    assert all(set(grammar.words(text)) <= known for text, _ in SENTIMENT)


def test_polar_words_alone_do_not_decide_a_review():
    frame = demo.generate("demo/sentiment")["validation"]
    bad = {"dull", "clumsy", "silly", "awful", "weak", "boring"}
    words = [grammar.words(text) for text in frame["text"]]
    balance = np.array(
        [sum(w in PRAISE for w in row) - sum(w in bad for w in row) for row in words]
    )
    right = np.where(balance == 0, 0.5, (balance > 0) == frame["label"])
    assert right.mean() < 0.75


@pytest.mark.parametrize("name", demo.NAMES)
def test_no_text_stands_in_two_splits_or_twice_in_one(name):
    frames = demo.generate(name)
    columns = ["text", "pair"] if find(name).pair else ["text"]
    rows = [tuple(row) for frame in frames.values() for row in frame[columns].to_numpy()]
    assert len(set(rows)) == len(rows) == demo.TRAIN + demo.VALIDATION


@pytest.mark.parametrize("name", demo.NAMES)
def test_classes_are_as_frequent_as_each_other_and_numbers_vary(name):
    card = find(name)
    for frame in demo.generate(name).values():
        if card.regression:
            assert frame["label"].dtype == "float32"
            assert np.isfinite(frame["label"]).all()
            assert frame["label"].nunique() > 1
        elif card.multilabel:
            flags = label_values(frame["label"])
            assert flags.dtype == "float32"
            assert set(np.unique(flags)) == {0, 1}
            assert (np.abs(flags.mean(axis=0) - 0.3) < 0.05).all()
            sizes = np.bincount(flags.sum(axis=1).astype(int)) / len(frame)
            assert (sizes[:3] > 0.1).all()  # none, one or two of the labels
        else:
            shares = np.bincount(frame["label"], minlength=card.classes) / len(frame)
            np.testing.assert_allclose(shares, 1 / card.classes, atol=0.05)


@pytest.mark.parametrize("name", demo.NAMES)
def test_a_demo_task_is_always_the_same(name):
    card = find(name)
    train = demo.generate(name)["train"]
    again = grammar.rows(demo.GRAMMARS[name].write, card, demo.SEED, demo.TRAIN + demo.VALIDATION)
    pd.testing.assert_frame_equal(grammar.frame(again[: demo.TRAIN], card.kind), train)


@pytest.mark.parametrize("name", demo.NAMES)
def test_the_metrics_of_a_demo_task_are_known_and_fit_its_labels(name):
    card = find(name)
    fitting = {key for key, metric in METRICS.items() if card.kind in metric.kinds}
    assert card.metrics
    assert set(card.metrics) <= fitting


# Tasks that are released; a change here is a change of the task. A new task needs no entry.
DIGESTS = {
    "demo/sentiment": "9bed4fc10fe8",
    "demo/inference": "bf696265654d",
    "demo/acceptability": "1360362b0c64",
    "demo/similarity": "adeccdc206ab",
}


@pytest.mark.parametrize("name", DIGESTS)
def test_texts_and_labels_are_the_same_on_every_machine(name):
    rows = demo.generate(name)["validation"].to_numpy().tolist()
    text = "\n".join("\t".join(map(str, row)) for row in rows)
    assert hashlib.sha256(text.encode()).hexdigest()[:12] == DIGESTS[name]


# --- grammars that do not fit ----------------------------------------------------------------

THREE = grammar.demo_card("demo/three", "Three", ("no", "maybe", "yes"), ("accuracy",))
NUMBER = grammar.demo_card("demo/number", "A number", (), ("pearson",))


def written(card, *labels, words=20):
    """Write 30 rows; each of the labels has `words` distinct texts, the last one two."""

    def write(choose):
        label = choose.one(labels)
        count = 2 if label == labels[-1] else words
        return (f"{label} {int(choose.random.random() * count)}",), label

    return grammar.rows(write, card, seed=0, count=30)


def test_a_grammar_that_is_too_small_is_refused_with_the_class_and_the_need():
    with pytest.raises(BadInput) as refused:
        written(THREE, 0, 1, 2)
    assert refused.value.message == (
        "The grammar of demo/three writes only 2 distinct texts of class 'yes'."
    )
    assert refused.value.hint.endswith("30 distinct texts are needed, 10 of each class.")


def test_a_class_that_is_never_written_is_named():
    with pytest.raises(BadInput, match=r"0 distinct texts of class 'no' and 2 .* of class 'yes'"):
        written(THREE, 1, 2)


def test_a_regression_that_is_too_small_is_refused_with_its_total():
    with pytest.raises(BadInput, match=r"only 22 distinct texts. .*: 30 distinct texts are needed"):
        written(NUMBER, 0.5, 1.5)


def test_a_label_that_is_no_index_of_the_card_is_refused():
    for label in ("yes", 3, -1):
        with pytest.raises(BadInput, match=f"the label {label!r}.*: 0 to 2"):
            written(THREE, label)


def test_texts_that_do_not_fit_the_card_are_refused():
    for texts in ("one text", ("one", "two")):
        with pytest.raises(BadInput, match="a tuple of 1 text"):
            grammar.rows(lambda _choose, texts=texts: (texts, 0), THREE, seed=0, count=3)


@pytest.mark.parametrize(
    ("name", "order", "reason"),
    [("demo/a", 2, "same task name, 'demo/a'"), ("demo/b", 1, "same ORDER, 1")],
)
def test_grammars_with_one_name_or_one_order_are_refused(name, order, reason):
    first = SimpleNamespace(__name__="first", CARD=replace(THREE, name="demo/a"), ORDER=1)
    second = SimpleNamespace(__name__="second", CARD=replace(THREE, name=name), ORDER=order)
    with pytest.raises(BadInput, match=f"first and second have the {reason}"):
        by_task([first, second])


# --- what the labels are ---------------------------------------------------------------------


INFERENCE = [
    ("A nurse in a red coat is running in the garden.", "The worker is moving outdoors.", 0),
    ("A boy is dozing on the beach.", "The child in a straw hat is dozing.", 1),
    ("A child is whispering in the cellar.", "The girl is whispering in the cellar.", 1),
    ("A drummer is dancing in the kitchen.", "The musician is resting in the kitchen.", 2),
    ("A baker is shouting in the library.", "The baker is not talking.", 2),
    ("A violinist is not moving.", "The musician is not dancing.", 0),
    ("A girl is not running.", "The child is not moving.", 1),
    ("A boy is not talking.", "The boy is shouting.", 2),
]
WIDER = {
    **{"girl": "child", "boy": "child", "nurse": "worker", "baker": "worker"},
    **{"violinist": "musician", "drummer": "musician", "running": "moving", "dancing": "moving"},
    **{"whispering": "talking", "shouting": "talking", "dozing": "resting"},
    **{"sunbathing": "resting", "kitchen": "indoors", "library": "indoors", "cellar": "indoors"},
    **{"meadow": "outdoors", "beach": "outdoors", "garden": "outdoors"},
    **{"red coat": "coat", "blue coat": "coat", "straw hat": "hat", "woollen hat": "hat"},
}
SCENE = re.compile(
    r"(?:a|the) (?P<person>\w+)(?: in an? (?P<worn>(?:\w+ )?(?:coat|hat)))? is (?P<no>not )?"
    r"(?P<deed>\w+)(?: (?:(?:in|on) the )?(?P<place>\w+))?\."
)


def implies(first, second):
    """Return whether one word entails another; an empty one entails only an empty one."""
    return second is None or first == second or WIDER.get(first) == second


def judged(text, pair):
    """Return entailment, neutral or contradiction of two scenes, by inclusion of their parts."""
    one, two = (SCENE.fullmatch(t.lower()).groupdict() for t in (text, pair))
    others = all(implies(one[name], two[name]) for name in ("person", "worn", "place"))
    if one["no"]:
        if not two["no"]:
            return 2 if implies(two["deed"], one["deed"]) else 1
        return 0 if others and implies(two["deed"], one["deed"]) else 1
    if two["no"]:
        return 2 if others and implies(one["deed"], two["deed"]) else 1
    sides = {WIDER.get(scene["place"], scene["place"]) for scene in (one, two)} - {None}
    deeds = {WIDER.get(scene["deed"], scene["deed"]) for scene in (one, two)}
    if len(sides) == 2 or deeds == {"moving", "resting"}:
        return 2
    return 0 if others and implies(one["deed"], two["deed"]) else 1


@pytest.mark.parametrize(("text", "pair", "label"), INFERENCE)
def test_the_second_judge_of_inference_agrees_with_a_human(text, pair, label):
    assert judged(text, pair) == label


def test_every_inference_has_the_second_judges_label():
    for frame in demo.generate("demo/inference").values():
        judgements = [judged(*pair) for pair in zip(frame["text"], frame["pair"], strict=True)]
        assert judgements == frame["label"].tolist()


ACCEPTABILITY = [
    ("The keys near the letter are missing.", 1),
    ("The key next to the letters are missing.", 0),
    ("The girls behind the king admired themselves.", 1),
    ("The girl behind the kings admired themselves.", 0),
    ("The queen near the boy hurt himself.", 0),
    ("Nobody has ever slept here.", 1),
    ("A pilot who blamed nobody has any money.", 0),
    ("The king near the boys slept.", 1),
    ("The king near the boys slept the cake.", 0),
    ("The queen behind the girl devoured.", 0),
]
PLURAL = re.compile(r"(keys|letters|pictures|children|teachers|neighbours|doctors|pilots)")
REFLEXIVE = {"boy": "himself", "king": "himself", "girl": "herself", "queen": "herself"}


def grammatical(text):
    """Check the four rules on the sentence's words."""
    text = re.sub(r"^(i think|we know|she said|it seems) that ", "", text.lower().rstrip("."))
    text = re.sub(r" (yesterday|on monday|last night|at noon)$", "", text)
    words = text.split()
    if re.search(r"\b(ever|any)\b", text):
        return words[0] in ("nobody", "no", "not")
    if words[-1] in ("himself", "herself", "themselves"):
        return words[-1] == REFLEXIVE.get(words[1], "themselves")
    verb = re.search(r" (slept|arrived|smiled|vanished|devoured|repaired|fixed|visited)\b", text)
    if verb:
        transitive = verb[1] in ("devoured", "repaired", "fixed", "visited")
        return transitive == (verb.end() < len(text))
    plural = bool(PLURAL.fullmatch(words[1]))
    return plural == bool(re.search(r" (are|were|have been) ", text))


@pytest.mark.parametrize(("text", "label"), ACCEPTABILITY)
def test_the_second_grammarian_agrees_with_a_human(text, label):
    assert grammatical(text) == label


def test_every_sentence_has_the_second_grammarians_label():
    for frame in demo.generate("demo/acceptability").values():
        assert [int(grammatical(text)) for text in frame["text"]] == frame["label"].tolist()


ASPECTS = {
    **dict.fromkeys(("acting", "cast", "hero", "villain"), "acting"),
    **dict.fromkeys(("humour", "dialogue", "romance"), "humour"),
    **dict.fromkeys(("music", "sound", "singing"), "music"),
    **dict.fromkeys(("lighting", "scenery", "editing", "direction"), "pictures"),
    **dict.fromkeys(("plot", "story", "script", "twist", "ending"), "plot"),
}
REVIEWS = [
    ("The villain was witty, but the plot was dull.", {"acting"}),
    ("The twist was not superb, and the sound was hardly awful.", {"music"}),
    (
        "It is a myth that the romance was weak, and a liar said that the cast was lovely.",
        {"humour"},
    ),
    ("I doubt that the editing was never dull, but the ending was boring.", set()),
]


def praised(text):
    """Return the aspects that a review praises, parsed with regular expressions."""
    found = set()
    for clause in re.split(r", (?:and|but) ", text.lower().rstrip(".")):
        turns = len(TURNING.findall(clause)) + len(re.findall(r"a (?:liar|fool) ", clause))
        turns += bool(re.search(r"\b(not|never|hardly)\b", clause))
        if (clause.split()[-1] in PRAISE) ^ (turns % 2):
            found.add(ASPECTS[re.search(r"the (\w+) was", clause)[1]])
    return found


@pytest.mark.parametrize(("text", "aspects"), REVIEWS)
def test_the_second_reading_of_aspects_agrees_with_a_human(text, aspects):
    assert praised(text) == aspects


def test_every_review_has_the_aspects_of_the_second_reading():
    labels = find("demo/aspects").labels
    for frame in demo.generate("demo/aspects").values():
        assert [[int(name in praised(text)) for name in labels] for text in frame["text"]] == (
            label_values(frame["label"]).tolist()
        )


def test_the_aspects_bring_no_new_words_to_the_demo_tokenizers():
    assert set(demo.vocabulary("demo/aspects")) <= set(demo.vocabulary("demo/sentiment"))


def test_a_label_that_is_no_tuple_of_flags_is_refused():
    card = grammar.demo_card("demo/two", "Two", ("a", "b"), ("micro_f1",), multilabel=True)
    for label in (1, (1,), (1, 2)):
        with pytest.raises(BadInput, match="1 or 0 for each of the card's 2 labels"):
            grammar.rows(lambda _choose, label=label: (("x",), label), card, seed=0, count=3)


GROUPS = [
    *({"doctor", "nurse"}, {"king", "queen"}, {"farmer", "gardener"}, {"singer", "dancer"}),
    *({"buys", "sells"}, {"paints", "draws"}, {"cleans", "washes"}, {"carries", "lifts"}),
    *({"chair", "table"}, {"lamp", "candle"}, {"boat", "ship"}, {"basket", "box"}),
    *({"kitchen", "bathroom"}, {"hill", "mountain"}, {"market", "shop"}, {"river", "lake"}),
    *({"dawn", "noon"}, {"spring", "summer"}, {"monday", "tuesday"}),
]


def alike(text, pair):
    """Count one point for a group in which both have the same word, half for two words."""
    one, two = set(grammar.words(text)), set(grammar.words(pair))
    both = [(one & group, two & group) for group in GROUPS if one & group and two & group]
    return sum(1.0 if first == second else 0.5 for first, second in both)


def test_similarities_are_spread_from_0_to_5():
    for frame in demo.generate("demo/similarity").values():
        assert (frame["label"].min(), frame["label"].max()) == (0.0, 5.0)
        assert 1.0 < frame["label"].std() < 2.0


def test_similarity_is_what_a_human_counts():
    text, pair = (
        "The king buys the lamp by the lake at dawn.",
        "The queen buys the boat by the lake at dawn.",
    )
    assert alike(text, pair) == 3.5
    assert alike(text, text) == 5.0


def test_every_similarity_equals_a_second_count():
    for frame in demo.generate("demo/similarity").values():
        scores = [alike(*pair) for pair in zip(frame["text"], frame["pair"], strict=True)]
        assert scores == frame["label"].tolist()


def test_an_unknown_demo_task_names_the_known():
    with pytest.raises(NotFound, match="Did you mean demo/sentiment"):
        demo.generate("demo/sentiments")


def test_the_recommended_settings_are_training_parameters():
    for settings in (*demo.DEMO_TEACHERS.values(), demo.DEMO_STUDENT):
        assert TrainParams.of(settings["train"]).max_length == 64
    assert demo.DEMO_STUDENT["layers"] < demo.DEMO_TEACHER["layers"] == demo.DEMO_TEACHER["heads"]
