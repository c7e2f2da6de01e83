"""How much a pass may take at once, by kind of device ("cpu", "cuda", "mps")."""

TOKENS = {"cpu": 2048}  # of a batch without gradients; 1 024 to 2 048 stay in a CPU's cache
TOKENS_ELSEWHERE = 32768
GRADIENT_TOKENS = {"cpu": 1024}  # of a batch whose activations are kept for a backward pass
GRADIENT_TOKENS_ELSEWHERE = 8192
GRADIENT_BLOCK = 256 * 2**20  # bytes that the gates' gradients of one batch may take
CACHE = {"cpu": 2 * 2**30}  # bytes that one training may cache of all its teachers
CACHE_ELSEWHERE = 8 * 2**30


def tokens(kind: str) -> int:
    """Return the tokens of a batch that is evaluated, padding included."""
    return TOKENS.get(kind, TOKENS_ELSEWHERE)


def gradient_tokens(kind: str) -> int:
    """Return the tokens of a batch that is differentiated by its gates, padding included."""
    return GRADIENT_TOKENS.get(kind, GRADIENT_TOKENS_ELSEWHERE)


def cache_bytes(kind: str) -> int:
    """Return the bytes that one training may cache of all its teachers' internal states."""
    return CACHE.get(kind, CACHE_ELSEWHERE)
