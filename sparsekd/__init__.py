"""SparseKD: what of a teacher's knowledge should be passed on to a student?

Fine-tune a teacher, distil a trial student, score every head and neuron of the teacher by
expressiveness and student-friendliness, prune what does not teach, distil again, and see
whether it helped.

Shape letters, everywhere: B examples, T tokens, L layers, H heads per layer, F feed-forward
neurons per layer, D hidden size, C classes or labels (1 for regression), N teachers, U units (all
heads, then all neurons, layer by layer).
"""

import os

# torch reads this once, when it is loaded: what has no kernel on an Apple GPU (mps) is computed on
# the processor, and torch warns of each such operation in the run's log.
os.environ.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")

__version__ = "0.1.0"
