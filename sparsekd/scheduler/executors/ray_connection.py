"""The connection to a Ray cluster, checked before Ray waits for minutes."""

import importlib
import os
import socket
import subprocess
import sys
from typing import Any

from sparsekd.errors import BadInput, Unavailable
from sparsekd.scheduler.executors.local import cores

TIMEOUT = 10.0  # seconds in which a port must answer; four times that, for Ray to answer
JOIN = "import ray, sys; ray.init(sys.argv[1], logging_level='ERROR', log_to_driver=False)"
OBJECT_STORE = 100 * 2**20  # bytes of Ray's own memory: only updates go through it
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DEDUP_LOGS": "0"}


def load_ray() -> Any:
    """Import Ray, which is large and optional.

    Raises:
        Unavailable: it is not installed.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    try:
        importlib.import_module("ray.util.scheduling_strategies")
        return importlib.import_module("ray")
    except ModuleNotFoundError as error:
        raise Unavailable(
            "Ray is not installed.",
            'Install it with pip install "ray==2.60.*", or unset SPARSEKD_EXECUTOR.',
        ) from error


def connect(ray: Any) -> None:
    """Join the cluster at RAY_ADDRESS, or start one of this machine alone.

    Raises:
        Unavailable: no cluster answers there; BadInput: it is no address.
    """
    address = os.environ.get("RAY_ADDRESS") or ""
    quiet = {"log_to_driver": False, "logging_level": "ERROR", "namespace": "sparsekd"}
    if not address:
        alone = {
            "num_cpus": cores(),
            "include_dashboard": False,
            "object_store_memory": OBJECT_STORE,
        }
        ray.init(address="local", _node_ip_address="127.0.0.1", **alone, **quiet)
        return
    _check_address(address)
    try:
        ray.init(address=address, **quiet)
    except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        raise _no_cluster(address, first_line(error)) from error


def _check_address(address: str) -> None:
    """Check that a cluster answers at an address.

    Raises:
        Unavailable: none does; BadInput: it is no address.
    """
    if "://" in address:
        raise BadInput(
            f"RAY_ADDRESS is {address}.",
            "Name the head as host:port, and start the study on a machine of the cluster.",
        )
    host, _, port = address.rpartition(":")
    if address == "auto":
        return
    if not host or not port.isdigit():
        raise BadInput(f"RAY_ADDRESS is {address!r}.", "Write it like 10.0.0.1:6379, or auto.")
    try:
        socket.create_connection((host, int(port)), timeout=TIMEOUT).close()
        # Another program may listen there, and then Ray itself waits for minutes.
        command = [sys.executable, "-c", JOIN, address]
        subprocess.run(command, capture_output=True, check=True, text=True, timeout=4 * TIMEOUT)
    except (OSError, OverflowError) as error:
        raise _no_cluster(address, str(error)) from error
    except subprocess.CalledProcessError as error:
        raise _no_cluster(address, error.stderr.strip().splitlines()[-1]) from error
    except subprocess.TimeoutExpired as error:
        raise _no_cluster(address, f"not within {4 * TIMEOUT:.0f} s") from error


def _no_cluster(address: str, why: str) -> Unavailable:
    return Unavailable(
        f"No Ray cluster answers at {address}: {why.rstrip('.')}.",
        "Start its head with ray start --head, and correct RAY_ADDRESS; or unset "
        "SPARSEKD_EXECUTOR to work on this machine alone.",
    )


def gpu_share() -> float:
    """Return the part of a GPU that a run takes: SPARSEKD_GPU_SHARE, a whole one by default.

    Raises:
        BadInput: not a number above 0, up to 1.
    """
    text = os.environ.get("SPARSEKD_GPU_SHARE") or "1"
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise BadInput(
            f"SPARSEKD_GPU_SHARE is {text!r}.", "Write a number above 0, up to 1, like 0.25."
        )
    return share


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or its type."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
