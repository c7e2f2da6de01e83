"""GLUE without WNLI: names, label order and metrics of its authors.

Each task stands twice: with the plain selection split, and, named -grouped, with one of whole
groups of texts.

Source: Wang et al., ICLR 2019, arXiv 1804.07461; hub: nyu-mll/glue.
"""

from dataclasses import replace

from sparsekd.tasks.cards import BY_TEXT, TaskCard

HUB = "nyu-mll/glue"
PAIR = ("sentence1", "sentence2")
ENTAILMENT = ("entailment", "not_entailment")


def _card(
    key: str,
    title: str,
    text: tuple[str, ...],
    labels: tuple[str, ...],
    metrics: tuple[str, ...],
    validation: tuple[str, ...] = ("validation",),
) -> TaskCard:
    return TaskCard(
        name=f"glue/{key}",
        title=title,
        source="GLUE: Wang et al., ICLR 2019, arXiv 1804.07461",
        origin="hub",
        location=f"{HUB}:{key}",
        text=text,
        label="label",
        labels=labels,
        metrics=metrics,
        validation=validation,
    )


GROUPED = "-grouped"

PLAIN = {
    card.name: card
    for card in (
        _card(
            "cola",
            "CoLA: is the sentence grammatical?",
            ("sentence",),
            ("unacceptable", "acceptable"),
            ("mcc",),
        ),
        _card(
            "sst2",
            "SST-2: does the review like the film?",
            ("sentence",),
            ("negative", "positive"),
            ("accuracy",),
        ),
        _card(
            "mrpc",
            "MRPC: do two news sentences say the same?",
            PAIR,
            ("not_equivalent", "equivalent"),
            ("accuracy", "f1"),
        ),
        _card(
            "stsb",
            "STS-B: how similar are two sentences, 0 to 5?",
            PAIR,
            (),
            ("pearson", "spearman"),
        ),
        _card(
            "qqp",
            "QQP: do two questions ask the same?",
            ("question1", "question2"),
            ("not_duplicate", "duplicate"),
            ("accuracy", "f1"),
        ),
        _card(
            "mnli",
            "MNLI: does the premise entail the hypothesis?",
            ("premise", "hypothesis"),
            ("entailment", "neutral", "contradiction"),
            ("accuracy",),
            ("validation_matched", "validation_mismatched"),
        ),
        _card(
            "qnli",
            "QNLI: does the sentence answer the question?",
            ("question", "sentence"),
            ENTAILMENT,
            ("accuracy",),
        ),
        _card(
            "rte", "RTE: does the first text entail the second?", PAIR, ENTAILMENT, ("accuracy",)
        ),
    )
}

GLUE = PLAIN | {
    f"{name}{GROUPED}": replace(
        card,
        name=f"{name}{GROUPED}",
        title=f"{card.title} (selection split by groups)",
        groups=BY_TEXT,
    )
    for name, card in PLAIN.items()
}
