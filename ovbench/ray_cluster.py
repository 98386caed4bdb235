"""Ray, for whoever works on a cluster: imported when asked for, and joined or started."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

from ovbench.errors import MissingExtraError, OvbenchError


def import_ray(what: str) -> Any:
    """The module; untyped, so that types are checked alike where Ray is not installed.

    Raises
    ------
    MissingExtraError
        If it is not installed; ``what`` needs it.
    """
    try:
        return import_module("ray")
    except ImportError:
        raise MissingExtraError(what, "ray") from None


def start_ray(processors: int | None = None) -> bool:
    """Join the Ray cluster that ``RAY_ADDRESS`` names, or start one on this machine.

    Nothing is reported to Ray's makers.

    Parameters
    ----------
    processors:
        How many a cluster on this machine has; None: as many as the machine.

    Returns
    -------
    Whether that was done here, and ``ray.shutdown`` is to follow; False: it was connected already.

    Raises
    ------
    OvbenchError
        If the cluster cannot be reached, or does not start.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # or each start warns
    os.environ.setdefault("RAY_agent_register_timeout_ms", "60000")  # for busy machines
    ray = import_ray("a Ray cluster")
    if ray.is_initialized():
        return False
    how: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if "RAY_ADDRESS" not in os.environ:
        how |= {"num_cpus": processors, "include_dashboard": False}
    try:
        ray.init(**how)
    except Exception as error:
        # Ray raises this very class where a node does not start in time.
        known = isinstance(error, ConnectionError | RuntimeError | TimeoutError | ValueError)
        if not known and type(error) is not Exception:
            raise
        reason = str(error).strip().partition("\n")[0]
        raise OvbenchError(f"Ray does not start, or cannot be reached: {reason}") from None
    return True
