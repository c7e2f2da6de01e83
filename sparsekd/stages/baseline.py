"""The stage that trains a baseline on the gold labels that a student knows."""

import numpy as np

from sparsekd.catalog.baselines import BASELINES
from sparsekd.catalog.baselines.tfidf import TfidfParams
from sparsekd.catalog.parameters import TrainParams
from sparsekd.data import load
from sparsekd.runs import references
from sparsekd.runs.records import Outcome
from sparsekd.stages.context import StageContext
from sparsekd.stages.inputs import save_array
from sparsekd.tasks.labels import is_labelled, label_values
from sparsekd.tasks.majority import label_means
from sparsekd.tasks.metrics import evaluate
from sparsekd.tasks.splits import subsampled_rows
from sparsekd.tasks.supervision import KnownLabels, known_labels


def run(context: StageContext) -> Outcome:
    """Fit TF-IDF with a linear model; leave logits, labels and metrics as a student does."""
    from sparsekd.knowledge import tfidf  # scikit-learn takes a second to load

    recipe = context.recipe
    card = references.card(recipe.task)
    context.report("loading", 0, 1, now=True)
    params = TrainParams.of(recipe.params["train"])
    method = BASELINES[recipe.method].params.of(recipe.params["method"])
    words = method.words if isinstance(method, TfidfParams) else 1
    frames = load(card)
    rows = subsampled_rows(len(frames["train"]), params.train_examples)
    train, selection = frames["train"].iloc[rows], frames["selection"]
    gold = KnownLabels(label_values(train["label"]), label_values(selection["label"]))
    labels = known_labels(card, gold, params.labelled, params.label_noise, recipe.seed)

    def on_fit(done: int) -> None:
        context.report("fitting", done, len(tfidf.STRENGTHS))
        context.raise_if_cancelled()

    model = tfidf.fit(
        card,
        words,
        train,
        labels.train,
        selection,
        labels.selection,
        on_fit,
        params.class_weights,
    )
    found = {"selection": labels.selection}
    metrics, examples = {}, {}
    for split in ("selection", *card.validation):
        logits = model.logits(frames[split])
        known = found.get(split, label_values(frames[split]["label"]))
        places = np.flatnonzero(is_labelled(known))
        if len(places):
            metrics[split] = evaluate(card, logits[places], known[places])
        save_array(context.folder / f"logits-{split}.npy", logits)
        save_array(context.folder / f"labels-{split}.npy", known)
        examples[split] = len(logits)
    facts = {
        "parameters": model.parameters,
        "examples": examples,
        "penalty": model.strength,
        "training_examples": len(train),
        "gold_labels": int(is_labelled(labels.train).sum()),
        "label_means": label_means(card, labels.train),
        "selection_labels": int(is_labelled(labels.selection).sum()),
    }
    return Outcome(metrics, facts)
