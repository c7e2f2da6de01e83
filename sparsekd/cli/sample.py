"""The command `sample`: what the sample study is, and how it is made."""

import dataclasses
from pathlib import Path

from pydantic import Field

from sparsekd.cli.options import Request
from sparsekd.cli.output import note, output
from sparsekd.cli.progress import wait_for
from sparsekd.errors import NotFound
from sparsekd.inspector import client, requests
from sparsekd.inspector.protocol import (
    AttentionResponse,
    PredictionResponse,
    SampleResponse,
    TopExamplesResponse,
)
from sparsekd.runs import sample as shipped
from sparsekd.runs import store
from sparsekd.studies import sample as made
from sparsekd.system.processes import spawn_detached

EXAMPLES = 10  # sentences whose attention and answers are there at once


class SampleRequest(Request):
    """The sample, or the file to make it in."""

    make: Path | None = Field(
        None, description="make it anew, its runs first, and write the archive here"
    )


def sample(request: SampleRequest) -> None:
    """Show what the sample study is and where its store is; or make it."""
    if request.make is not None:
        note(f"{sum(len(plan.steps) for plan in made.plans())} runs; finished ones are kept")
        wait_for(made.submit())
        made.pack(request.make, respond)
        note(f"Wrote {request.make}: {request.make.stat().st_size / 2**20:.1f} MiB")
        return
    if not shipped.is_there():
        raise NotFound("There is no sample study here.", "Unset SPARSEKD_SAMPLE, or make it.")
    folder = shipped.unpack()
    facts = shipped.facts(folder)
    words = f"The sample study: {facts.in_words()}.\nRead it: SPARSEKD_HOME={folder}"
    output(request, dataclasses.asdict(facts) | {"folder": str(folder)}, words)


def respond(home: Path) -> None:
    """Cache what the pages ask of the sample's models, by an inspector of its store."""
    process = spawn_detached("sparsekd.inspector", home, client.LOG)
    try:
        with store.reading(home):
            plan = made.plans()[0]
            runs = store.plan_runs(plan)
            first = {step.role: runs[step.recipe.run_id] for step in reversed(plan.steps)}
            scores = first["scores"]
            found = client.send(requests.sample(scores, 0), SampleResponse)
            client.send(requests.top_examples(scores, ("head", 0, 0)), TopExamplesResponse)
            for texts in ((made.EXAMPLE,), *map(tuple, found.texts[:EXAMPLES])):
                client.send(requests.attention(scores, texts), AttentionResponse)
                for role in made.KEPT_MODELS:
                    client.send(requests.prediction(first[role], texts), PredictionResponse)
    finally:
        process.terminate()
        process.wait()
