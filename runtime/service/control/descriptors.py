"""How many connections the control plane may hold open, so that HTTP, workers and files always find a descriptor."""

from __future__ import annotations

import resource
from contextlib import suppress

import structlog

from sigmac.runtime.service.config.configuration import Settings

log = structlog.get_logger("sigmac.service.control")

_OWN = 128  # files, pipes and sockets of the service itself
_MOST = 1 << 20  # where the system sets no limit


def connections_that_fit(settings: Settings) -> int:
    """`control.max_connections`, or fewer where this process may not open so many files, which is logged.

    The soft limit of open files is raised to the hard one first. What `http.max_connections` and the service itself
    need is set apart: whoever fills this port cannot keep a probe from being answered.
    """
    assert settings.control is not None
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST if hard == resource.RLIM_INFINITY else hard
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(ValueError, OSError):  # the system has a limit of its own
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    room = _MOST if soft == resource.RLIM_INFINITY else soft
    http = settings.http.max_connections if settings.http is not None else 0
    most = settings.control.max_connections
    fit = max(1, min(most, room - http - _OWN))
    if fit < most:
        log.warning(
            "fewer connections than control.max_connections: raise the limit of open files",
            connections=fit,
            open_files=room,
        )
    return fit
