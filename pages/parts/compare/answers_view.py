"""What stored answers show beside the metric: agreement, calibration, who loses."""

from typing import Any

import streamlit as st

from pages.parts.compare import choices_view, softness_view
from pages.parts.shell import frame, url_state
from sparsekd.runs import store
from sparsekd.runs.records import Plan
from sparsekd.studies import answer_words, calibration_tables, class_changes, models
from sparsekd.studies.class_changes import MEASURES, Transition
from sparsekd.studies.model_answers import ModelAnswers
from sparsekd.tasks.cards import TaskCard

FONT = '"Source Sans", sans-serif'  # that of the page
LINES = 6  # models in the reliability diagram at first
SEVERAL = " With several labels, shares and accuracies are over every label of every text."
CUT = "Ends outside the possible values are cut off."
VIEWS = {
    "agreement": "Agreement with the teacher",
    "softness": "Soft labels",
    "choices": "Teachers chosen",
    "calibration": "Calibration",
    "classes": "Who loses",
}
NUMBER, TEXT = st.column_config.NumberColumn, st.column_config.TextColumn


def draw_answers(plan: Plan, card: TaskCard, split: str) -> None:
    """Draw the choice of a view, and the view."""
    st.subheader("Behind the mean", anchor=False)
    answers = kept_answers(plan, card, split)
    if not answers.found:
        st.caption(f"No model has kept its answers on {frame.plain(split)}.")
        return
    view = st.segmented_control(
        "View",
        list(VIEWS),
        required=True,
        key=url_state.bound("behind"),
        label_visibility="collapsed",
        format_func=lambda name: VIEWS[name],
    )
    url_state.write(behind=view)
    draw = {
        "agreement": draw_agreement,
        "softness": softness_view.draw_softness,
        "choices": choices_view.draw_choices,
        "calibration": draw_calibration,
        "classes": draw_classes,
    }
    draw[str(view)](answers, f"answers.{view}")


def kept_answers(plan: Plan, card: TaskCard, split: str) -> ModelAnswers:
    """Return the answers of the models that are finished now, kept until another one is."""
    runs = store.plan_runs(plan).values()
    done = sorted(f"{run.id} {run.finished}" for run in runs if run.finished)
    return _kept_answers(plan.id, split, "|".join(done), plan, card)


@st.cache_resource(max_entries=8, show_spinner=False)
def _kept_answers(
    plan_id: str, split: str, finished: str, _plan: Plan, _card: TaskCard
) -> ModelAnswers:
    return ModelAnswers(_plan, _card, split)


def _draw_figure(figure: Any, words: str, key: str) -> None:
    from sparsekd.figures import CONFIG

    figure.update_layout(font_family=FONT)
    st.plotly_chart(figure, width="stretch", key=key, config=CONFIG, alt=words, theme=None)


def _theme() -> Any:
    from pages.parts.shell import figure_theme

    return figure_theme.current()


# --- agreement -------------------------------------------------------------------------------


def draw_agreement(answers: ModelAnswers, key: str) -> None:
    """Draw how far each student agrees with the dense teacher, and with its own."""
    from sparsekd import figures

    rows = answers.agreement
    if rows.empty:
        st.caption("No student and teacher have answered the same examples yet.")
        return
    st.markdown(frame.plain(answer_words.agreement_in_words(answers.agreement_verdicts)))
    if answers.card.regression:
        st.caption(
            "Agreement is the Pearson correlation of the two models' predictions, the divergence "
            "the mean square of their difference."
        )
    else:
        dense = rows[rows["teacher"] == models.TEACHER]
        _draw_figure(
            figures.agreements(dense, _theme()), figures.agreements_in_words(dense), f"{key}.figure"
        )
        st.caption(
            "Each dot is a seed. From it a line falls (or rises) to the agreement that two models "
            "of these accuracies would have **if their errors were independent**: only what lies "
            "above is likeness; the dashed line is the most that the accuracies allow. Agreement "
            "says whether a student has become like its teacher, not whether it is good: it copies "
            "errors too, and a student may be as accurate and still agree little, being wrong on "
            "other examples. Students often stay far below what they could reach, and more "
            "agreement does not always mean more accuracy "
            "([Stanton et al. 2021](https://arxiv.org/abs/2106.05945))."
            f"{SEVERAL if answers.card.multilabel else ''}"
        )
    frame.draw_columns(
        answers.agreement_summary,
        {
            "what": TEXT("Model", width=245),
            "of": TEXT("With"),
            "learned": st.column_config.CheckboxColumn(
                "Learned from it", help="Whether it was trained, or pruned, from this model."
            ),
            "agreement": NUMBER("Agreement", format="%.3f", help="Mean over seeds."),
            "low": NUMBER("95%: from", format="%.3f", help=CUT),
            "high": NUMBER("to", format="%.3f"),
            "independent": NUMBER(
                "Independent errors",
                format="%.3f",
                help="The agreement of two models of these confusions whose errors are independent "
                "given the true class.",
            ),
            "divergence": NUMBER(
                "KL",
                format="%.3f",
                help="KL(teacher ‖ student) of the class probabilities, in nats, mean over "
                "examples; of a regression the mean squared difference.",
            ),
            "divergence_low": NUMBER("KL 95%: from", format="%.3f"),
            "divergence_high": NUMBER("to ", format="%.3f"),
            "seeds": NUMBER("Seeds"),
        },
        key,
        "agreement",
        rows,
    )
    if not answers.agreement_by_class.empty:
        frame.draw_table(
            answers.agreement_by_class, "agreement-by-class", f"{key}.classes", "Class by class"
        )


# --- calibration -----------------------------------------------------------------------------


def draw_calibration(answers: ModelAnswers, key: str) -> None:
    """Draw confidence against accuracy, as trained and after a fitted temperature."""
    from sparsekd import figures

    table = calibration_tables.summary(answers.calibration)
    st.markdown(frame.plain(answer_words.calibration_in_words(table)))
    if table.empty:
        return
    names = list(table["what"])
    shown = st.pills(
        "Models",
        names,
        selection_mode="multi",
        default=names[:LINES],
        key=f"{key}.shown.{answers.plan.id}",
        label_visibility="collapsed",
    )
    bins = answers.bins[answers.bins["what"].isin(shown)]
    _draw_figure(
        figures.reliabilities(bins, _theme()),
        figures.reliabilities_in_words(bins),
        f"{key}.figure",
    )
    st.caption(
        "Below the diagonal a model is surer than it is right, above it less sure. Hollow points "
        "have fewer than 20 examples. A student learns its teacher's confidence along with its "
        "answers. One temperature per model, fitted on the selection split, changes no prediction "
        "and mends what is wrong with the confidence as a whole "
        "([Guo et al. 2017](https://arxiv.org/abs/1706.04599))."
        f"{SEVERAL if answers.card.multilabel else ''}"
    )
    frame.draw_columns(
        table,
        {
            "what": TEXT("Model", width=245),
            "confidence": NUMBER("Confidence", format="%.3f"),
            "accuracy": NUMBER("Accuracy", format="%.3f"),
            "error": NUMBER(
                "Error",
                format="%.3f",
                help="Expected calibration error: mean distance of confidence and accuracy over "
                "ten bins; mean over seeds.",
            ),
            "low": NUMBER("95%: from", format="%.3f", help=CUT),
            "high": NUMBER("to", format="%.3f"),
            "chance": NUMBER(
                "By chance",
                format="%.3f",
                help="The error that a perfectly calibrated model would show on so few examples.",
            ),
            "temperature": NUMBER(
                "Temperature", format="%.2f", help="Above 1: the model was too sure."
            ),
            "error_scaled": NUMBER("Error after", format="%.3f", help="With this temperature."),
            "scaled_low": NUMBER("after 95%: from", format="%.3f"),
            "scaled_high": NUMBER("to ", format="%.3f"),
            "seeds": NUMBER("Seeds"),
        },
        key,
        "calibration",
        answers.calibration,
    )
    frame.draw_table(answers.bins, "reliability", f"{key}.bins", "The diagram as a table")


# --- who loses -------------------------------------------------------------------------------


def draw_classes(answers: ModelAnswers, key: str) -> None:
    """Draw the change of each class from one model to another."""
    from sparsekd import figures

    if answers.card.regression:
        st.caption("A number has no classes.")
        return
    pairs = answers.transitions
    if not pairs:
        st.caption("No teacher and student are finished yet.")
        return
    pair, measure = _choose_change(pairs, answers.plan, key)
    changes, means = answers.changes(pair, measure), answers.mean_changes(pair)
    seeds = answers.seed_changes(pair, measure)
    st.markdown(frame.plain(answer_words.change_in_words(pair, changes, means)))
    _draw_figure(
        figures.class_gaps(changes, means, seeds, measure, _theme()),
        figures.class_gaps_in_words(changes, means),
        f"{key}.figure",
    )
    st.caption(
        "Two models of one accuracy may treat classes differently: distillation and pruning are "
        "known to cost rare and hard classes more than the mean shows "
        "([Lukasik et al. 2021](https://arxiv.org/abs/2106.10494), "
        "[Hooker et al. 2020](https://arxiv.org/abs/2010.03058)). Small dots are seeds; the "
        "interval, for new seeds and examples, has the confidence at which Holm's procedure tests "
        "the class among all classes. Recall is the share of a class that is found; it can rise "
        "because the class is predicted more often, so look at the precision too. The teacher is "
        "one model: what holds of it need not hold of another."
    )
    few = answer_words.few_in_words(
        answers.classes.groupby("label", sort=False)["examples"].first()
    )
    if few:
        st.caption(f":material/warning: {frame.plain(few)}")
    frame.draw_table(changes, "class-changes", f"{key}.changes")
    table = class_changes.summary(answers.classes)
    frame.draw_table(table, "classes", f"{key}.table", "Every model, class by class")


def _choose_change(pairs: list[Transition], plan: Plan, key: str) -> tuple[Transition, str]:
    """Draw the choice of two models and of a measure."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        pair = st.selectbox(
            "From → to", pairs, format_func=lambda each: each.title, key=f"{key}.pair.{plan.id}"
        )
        measure = st.segmented_control(
            "Measure",
            list(MEASURES),
            default="recall",
            required=True,
            format_func=lambda name: MEASURES[name],
            key=f"{key}.measure",
        )
    return pair, str(measure)
