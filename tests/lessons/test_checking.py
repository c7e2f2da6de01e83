"""Facts in a lesson's text, and lessons that name what is not there."""

from collections.abc import Iterator

import pytest

from sparsekd.errors import BadInput
from sparsekd.lessons import checking, facts, reading, views
from sparsekd.runs import sample, store
from sparsekd.studies import results
from tests.lessons.test_reading import LESSON

CHOICES = "choices:\n  better: yes\n  inconclusive: no\nanswer: verdict_trial_student"


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The sample is read."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARSEKD_HOME", str(tmp_path_factory.mktemp("home")))
        with store.reading(sample.unpack()):
            yield


@pytest.mark.parametrize("lesson", reading.shipped(), ids=lambda lesson: lesson.name)
def test_all_that_a_lesson_names_is_in_the_sample(shown: None, lesson: reading.Lesson) -> None:
    checking.check(lesson)


def test_facts_of_a_verdict_are_those_of_the_study(shown: None) -> None:
    view = views.Verdict(show="verdict", seeds=5)
    known = facts.facts(view)
    plan = store.plans()[0]
    values = {
        role: [
            store.get(step.recipe.run_id).outcome.metrics["validation"]["accuracy"]
            for step in plan.steps
            if step.role == role
        ]
        for role in ("student", "trial_student")
    }

    assert known["student_mean"] == pytest.approx(sum(values["student"]) / 5)
    gap = (sum(values["student"]) - sum(values["trial_student"])) / 5
    assert known["gap_trial_student"] == pytest.approx(100 * gap)
    assert results.study_frame(plan)["seed"].nunique() == 5


@pytest.mark.parametrize(
    "change, words",
    [
        (("{gap_trial_student:.1f}", "{gap_of_none}"), "no fact 'gap_of_none'"),
        (("{gap_trial_student:.1f}", "{verdict_trial_student:.1f}"), "Unknown format code"),
        (("answer: verdict_trial_student", "answer: student_mean"), "which is no choice"),
        (("look: seeds", "look: sky"), "no part 'sky'"),
        (("seeds: 3", "study: abcdef123456"), "There is no study"),
        (("{gap_trial_student:.1f}", "{student_mean:.999999999f}"), "is no format of a number"),
        (("{gap_trial_student:.1f}", "{student_mean:1000000000}"), "is no format of a number"),
        ((CHOICES, "guess: {low: 0, high: 0.5}\nanswer: student_mean"), "is not within 0 and 0.5"),
        ((CHOICES, "heads: 2\nanswer: student_mean"), "Heads are guessed beside a view of heads"),
    ],
)
def test_a_lesson_that_names_what_is_not_there_is_refused(
    shown: None, change: tuple[str, str], words: str
) -> None:
    checking.check(reading.parse(LESSON, "mine"))

    with pytest.raises(BadInput, match=rf"step 1 \(First look\).*{words}"):
        checking.check(reading.parse(LESSON.replace(*change), "mine"))


def test_facts_are_formatted_and_nothing_else_is_reached() -> None:
    known: facts.Facts = {"mean": 0.8174, "names": ["1.1", "3.2"], "word": "better"}

    assert checking.filled("{mean:.1%}, {names}, {word}", known) == "81.7%, 1.1, 3.2, better"
    assert checking.filled("a {{set}} of {mean.real}", known) == "a {set} of {mean.real}"
