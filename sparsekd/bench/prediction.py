"""The time of predictions, compared with the plain loop."""

import copy
from statistics import median

import numpy as np
from transformers import PreTrainedModel

from sparsekd.bench import Row, plain
from sparsekd.bench.peak import Peak, operations
from sparsekd.bench.seconds import seconds
from sparsekd.bench.steps import place
from sparsekd.data import Encoded
from sparsekd.knowledge.evaluation import predict

ROUND = 512  # examples of the plain loop in each round: it is slow


def measure(
    teacher: PreTrainedModel, data: Encoded, rounds: int = 3, peak: Peak | None = None
) -> list[Row]:
    """Measure the time per example of both in turn, in float32; the ratio is a median.

    The plain loop takes batches of 32 in the data's order, padded to 128 tokens, with eager
    attention.
    """
    device = teacher.device
    few = data.select(np.arange(min(len(data), ROUND)))
    slow: list[float] = []
    fast: list[float] = []
    found = predict(teacher, data, device)
    eager = copy.deepcopy(teacher).eval()
    eager.set_attn_implementation("eager")
    expected = plain.predict(eager, few)
    for _ in range(rounds):
        slow.append(seconds(lambda: plain.predict(eager, few), device) / len(few))
        fast.append(seconds(lambda: predict(teacher, data, device), device) / len(data))
    furthest = float(np.abs(found[: len(few)] - expected).max())
    row: Row = {
        "what": "predictions: plain loop / ours",
        "ratio": median(one / other for one, other in zip(slow, fast, strict=True)),
        "note": f"{1 / median(fast):.0f} texts of {data.lengths.mean():.0f} tokens a second, "
        f"{len(data)} texts, float32 in both, logits equal to {furthest:.0e}, {place(device)}",
    }
    if peak:
        counted = operations(lambda: predict(teacher, data, device))
        row["share"] = peak.share(counted / len(data), median(fast))
    return [row]
