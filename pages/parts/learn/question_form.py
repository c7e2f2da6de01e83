"""The question of a step: its form, and after the answer what is so beside it."""

from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from pages.parts.learn import class_view
from pages.parts.shell import charts, class_mode, frame, url_state
from sparsekd.lessons import answers
from sparsekd.lessons.answers import Given
from sparsekd.lessons.facts import Fact
from sparsekd.lessons.lesson import Question, Range

MINE, SO = "Your guess", "What is so"


def ask(question: Question, lesson: str, number: int, given: Given, shape: tuple[int, int]) -> None:
    """Draw the form of an unanswered question; an answer goes into the address bar.

    In a class it is kept with those of the others, too.

    Args:
        lesson: The lesson's name.
        number: The step's number, under which the answer is kept.
        shape: Layers and heads of the teacher, where heads are guessed.
    """
    with st.form(f"learn.question.{number}", border=True):
        st.markdown(f"**{question.ask}**")
        answer = _draw_fields(question, number, shape)
        if not st.form_submit_button("Answer", type="primary", icon=":material/check:"):
            return
    if not answer:
        st.warning("Choose an answer first: a guess is enough.", icon=":material/edit:")
        return
    if not answers.is_answer(question, answer):
        st.warning(
            f"Choose {question.heads}; you have {len(answer.split('-'))}.", icon=":material/edit:"
        )
        return
    if class_mode.MODE.on and not class_mode.is_lecturer():
        class_view.keep(lesson, number, answer)
    url_state.jump(answers=answers.write(given | {number: answer}))


def _draw_fields(question: Question, number: int, shape: tuple[int, int]) -> str:
    key = f"learn.answer.{number}"
    if question.choices:
        chosen = st.radio(
            question.ask,
            list(question.choices),
            index=None,
            format_func=lambda name: question.choices[name],
            key=key,
            label_visibility="collapsed",
        )
        return str(chosen or "")
    if question.guess is not None:
        return _draw_guess(question.guess, key)
    return _draw_heads(key, shape)


def _draw_guess(guess: Range, key: str) -> str:
    names, middle = guess.of or ("Your guess",), (guess.low + guess.high) / 2
    values = [
        st.slider(
            frame.plain(name),
            guess.low,
            guess.high,
            middle,
            guess.step,
            key=f"{key}.{place}",
            width=420,
        )
        for place, name in enumerate(names)
    ]
    return answers.of_numbers(values)


def _draw_heads(key: str, shape: tuple[int, int]) -> str:
    """Draw the heads of each layer, the last one on top as in the maps."""
    layers, heads = shape
    chosen: list[str] = []
    for layer in range(layers, 0, -1):
        found = st.pills(
            f"Heads of layer {layer}",
            range(1, heads + 1),
            selection_mode="multi",
            key=f"{key}.{layer}",
        )
        chosen += [f"{layer}.{head}" for head in sorted(found)]
    return "-".join(chosen)


# --- the answer ------------------------------------------------------------------------------


def draw_outcome(question: Question, number: int, given: Given, truth: Fact) -> None:
    """Draw the answer beside what is so; a guess stays on the chart."""
    answer = given[number]
    found = answers.outcome(question, answer, truth)
    st.markdown(f"**{question.ask}**")
    if found.right is None:
        st.info(frame.plain(found.words), icon=":material/compare_arrows:")
    elif found.right:
        st.success(f"{frame.plain(found.words)} That is so.", icon=":material/check_circle:")
    else:
        st.warning(frame.plain(found.words), icon=":material/lightbulb:")
    if question.guess is not None:
        _draw_chart(question.guess, answers.numbers(answer), truth)
    if st.button("Answer again", type="tertiary", icon=":material/undo:", key="learn.again"):
        rest = {step: one for step, one in given.items() if step != number}
        url_state.jump(answers=answers.write(rest))


def _draw_chart(guess: Range, mine: list[float], truth: Fact) -> None:
    """Draw what was guessed and what is so: two marks on a line, or two lines."""
    measured = [float(value) for value in (truth if isinstance(truth, list) else [truth])]
    names = list(guess.of) or [""]
    table = pd.DataFrame(
        {
            "place": names * 2,
            "value": [*mine, *measured],
            "which": [MINE] * len(names) + [SO] * len(names),
        }
    )
    scale = alt.Scale(domain=[min(guess.low, *measured), max(guess.high, *measured)])
    colour = alt.Color(
        "which:N",
        title=None,
        sort=[SO, MINE],
        legend=alt.Legend(orient="bottom", symbolType="stroke", symbolDash=[1, 0]),
    )
    tips = ["which:N", alt.Tooltip("value:Q", format=".3f")]
    if len(names) == 1:
        drawn = _strip(table, scale, tips)
    else:
        drawn = (
            alt.Chart(table)
            .mark_line(point=alt.OverlayMarkDef(size=80))
            .encode(
                x=alt.X("place:N", sort=names, title=None, axis=alt.Axis(labelAngle=0)),
                y=alt.Y("value:Q", title=None, scale=scale),
                color=colour,
                strokeDash=alt.StrokeDash(
                    "which:N",
                    scale=alt.Scale(domain=[MINE, SO], range=[[5, 4], [1, 0]]),
                    legend=None,
                ),
                tooltip=["place:N", *tips],
            )
            .properties(height=240)
        )
    spoken = "; ".join(f"{row.which} {row.place} {row.value:.3f}" for row in table.itertuples())
    st.altair_chart(charts.legible(drawn), width="stretch", key="learn.guess", alt=f"{spoken}.")


def _strip(table: pd.DataFrame, scale: alt.Scale, tips: list[Any]) -> alt.LayerChart:
    """Return two marks on a line, each with its name: the guess above, what is so below."""
    base = alt.Chart(table).encode(
        x=alt.X("value:Q", title=None, scale=scale, axis=alt.Axis(tickCount=6)),
        color=alt.Color("which:N", sort=[SO, MINE], legend=None),
        tooltip=tips,
    )
    marks = base.mark_point(size=160, filled=True)
    mine = base.transform_filter(alt.datum.which == MINE).mark_text(dy=-16)
    so = base.transform_filter(alt.datum.which == SO).mark_text(dy=16)
    named = [each.encode(text="which:N") for each in (mine, so)]
    return alt.LayerChart(layer=[marks, *named]).properties(height=90)
