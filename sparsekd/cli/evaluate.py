"""The command `evaluate`: one model on one split."""

from pydantic import Field
from tqdm import tqdm

from sparsekd.cli.options import DeviceRequest
from sparsekd.cli.output import output
from sparsekd.cli.scores import MAX_LENGTH, MODEL_HELP
from sparsekd.cli.tasks import TaskRequest
from sparsekd.runs import jobs, references


class EvaluateRequest(DeviceRequest, TaskRequest):
    """One evaluation."""

    model: str = Field(description=MODEL_HELP)
    split: str = Field("validation", description="train, selection or validation")
    max_length: int = Field(MAX_LENGTH, description="tokens kept of a text")


def evaluate(request: EvaluateRequest) -> None:
    """Evaluate one model on one split."""
    from sparsekd.stages.folders import evaluate_model

    card = request.card()
    model = references.model(request.model)
    jobs.check_device(request.device)
    device = jobs.devices()[0].name if request.device == "auto" else request.device
    with tqdm(total=1.0, leave=False, disable=None, bar_format="{bar} {percentage:3.0f} %") as bar:

        def on_progress(event: dict[str, int]) -> None:
            bar.update(event["done"] / event["total"] - bar.n)

        metrics, examples = evaluate_model(
            model, card, request.split, request.max_length, device, on_progress
        )
    loss = metrics.pop("loss")
    facts = {
        "task": card.name,
        "split": request.split,
        "metrics": metrics,
        "loss": loss,
        "examples": examples,
    }
    text = " ".join(f"{name} {value:.4f}" for name, value in metrics.items())
    output(request, facts, f"{text} loss {loss:.4f} on {examples} examples of {request.split}")
