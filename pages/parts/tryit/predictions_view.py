"""What models say to one example, side by side, at a temperature that the hand moves."""

from collections import Counter

import streamlit as st

from pages.parts.shell import frame
from sparsekd.errors import BadInput, Incompatible, NotFound, SparseKDError
from sparsekd.inspector import client, requests, response_tables
from sparsekd.inspector.protocol import PredictionResponse
from sparsekd.inspector.requests import Texts
from sparsekd.inspector.response_tables import Predictions
from sparsekd.runs.records import Run
from sparsekd.tasks.cards import TaskCard
from sparsekd.tasks.predictions import predicted

LEAST, MOST = 0.1, 10.0
TEMPERATURE = "tryit.temperature"
WANTED = "tryit.temperature.wanted"


def ask_models(models: dict[str, Run], texts: Texts) -> dict[str, PredictionResponse]:
    """Return each model's response, with a bar while they are loaded and asked.

    A model that cannot answer, its files gone perhaps, is left out with a message; the others
    answer.

    Raises:
        Unavailable: the inspector does not respond.
    """
    place, found = st.empty(), {}
    refused: dict[str, tuple[SparseKDError, list[str]]] = {}
    for number, (name, run) in enumerate(models.items()):
        share, title = number / len(models), frame.plain(name)

        def waiting(words: str, share: float = share, title: str = title) -> None:
            place.progress(share, f"{title}: {frame.plain(words)} …")

        try:
            request = requests.prediction(run, texts)
            found[name] = client.send(request, PredictionResponse, waiting)
        except (BadInput, Incompatible, NotFound) as error:
            refused.setdefault(error.message, (error, []))[1].append(name)
    place.empty()
    for reason, names in refused.values():
        st.caption(f":material/block: {frame.plain(', '.join(names))}")
        frame.show_error(reason)
    return found


def draw_predictions(card: TaskCard, found: Predictions) -> None:
    """Draw who says what, the temperature, and the probabilities at it."""
    _draw_cuts(found)
    st.markdown(_in_words(card, found))
    temperature = 1.0 if card.regression else _choose_temperature()
    table = response_tables.predictions(card, found, temperature)
    shares = [str(name) for name in table.columns[2:]]
    with st.container(key="tryit.answers"):
        st.dataframe(
            table,
            width="stretch",
            height="content",
            hide_index=True,
            key="tryit.table",
            column_config={
                "model": st.column_config.TextColumn("Model", width=250),
                "prediction": st.column_config.TextColumn("Prediction"),
                **{
                    name: st.column_config.ProgressColumn(
                        name, min_value=0.0, max_value=1.0, format="percent"
                    )
                    for name in shares
                },
            },
        )
    if len(shares) < len(card.labels):
        st.caption(f"The {len(shares)} likeliest of {len(card.labels):,} classes.")
    frame.draw_download(table, "predictions", "tryit.csv")


def set_temperature(temperature: float) -> None:
    """Set the temperature for the next time that its slider is drawn."""
    st.session_state[WANTED] = temperature


def _choose_temperature() -> float:
    wanted = st.session_state.pop(WANTED, None)
    if wanted is not None or TEMPERATURE not in st.session_state:
        st.session_state[TEMPERATURE] = 1.0 if wanted is None else wanted
    temperature = st.slider(
        "Temperature T",
        LEAST,
        MOST,
        step=0.1,
        key=TEMPERATURE,
        help="Logits are divided by T before they become probabilities. At 1 they are the "
        "model's own; above, they are softer: what a student sees of its teacher in vanilla "
        "distillation, which says more of the unlikely classes. The prediction stays.",
    )
    return float(temperature)


def _draw_cuts(found: Predictions) -> None:
    """Draw which models have read a part of the text alone."""
    for (read, whole), names in response_tables.shortened(found).items():
        who = "Every model" if len(names) == len(found) else frame.plain(", ".join(names))
        st.warning(
            f"The text is {whole:,} tokens long. {who}: only the first {read:,} are read.",
            icon=":material/content_cut:",
        )


def _in_words(card: TaskCard, found: Predictions) -> str:
    """Return who says what in a sentence."""
    answers = {name: predicted(card, response.logits) for name, response in found.items()}
    if card.regression:
        values = [float(response.logits[0]) for response in found.values()]
        return f"Between **{min(values):.2f}** and **{max(values):.2f}**."
    (first, count), *others = Counter(answers.values()).most_common()
    said = f"**{frame.plain(first)}**"
    if len(found) == 1:
        return f"It says {said}."
    if not others:
        return f"All {len(found)} models say {said}."
    rest = "; ".join(
        f"{frame.plain(', '.join(n for n, a in answers.items() if a == other))}: "
        f"**{frame.plain(other)}**"
        for other, _ in others
    )
    return f"{count} of {len(found)} models say {said}. {rest}."
