"""A worker as its supervisor sees it: one process from its start to its end, and what it says of itself."""

from __future__ import annotations

import contextlib
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import structlog

from sigmac.runtime.service.workers.tally import counts_of
from sigmac.runtime.stream.counts import Counts

log = structlog.get_logger("sigmac.service.workers")

STATES = ("starting", "waiting", "running", "paused", "stalled", "failing", "stopped")
_MAX_LINE = 64 << 20  # bytes of a line: a status counts the matches of each rule
_MAX_TEXT = 1000  # characters of a sentence that a worker says
_SEND_WITHIN = 30.0  # seconds; a worker reads all the time once it has started
_GONE_WITHIN = 5.0  # seconds between the end of a worker's connection and its own

Message = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Report:
    """What a worker says of itself every second."""

    state: str
    detail: str
    connected: bool
    assigned: Mapping[str, Sequence[int]]
    lag: Mapping[str, Mapping[int, int]]
    counts: Counts

    @classmethod
    def of(cls, message: Message) -> Report:
        """From a line. Raises `KeyError`, `TypeError`, `ValueError` or `AttributeError` where it is none."""
        if message["state"] not in STATES:
            raise ValueError("there is no such state")
        return cls(
            state=message["state"],
            detail=str(message["detail"])[:_MAX_TEXT],
            connected=bool(message["connected"]),
            assigned={
                str(topic): [int(partition) for partition in partitions]
                for topic, partitions in message["assigned"].items()
            },
            lag={
                str(topic): {int(partition): int(lag) for partition, lag in by_partition.items()}
                for topic, by_partition in message["lag"].items()
            },
            counts=counts_of(message["counts"]),
        )


@dataclass(frozen=True, slots=True)
class Farewell:
    """The last words of a worker: not `ok` where starting it again cannot help."""

    ok: bool
    reason: str

    @classmethod
    def of(cls, message: Message) -> Farewell:
        return cls(bool(message["ok"]), str(message["reason"])[:_MAX_TEXT])


class Life:
    """One process of a worker; when it is over the next one starts.

    `worker` is the worker's index, `started` and `heard` are times of the monotonic clock.
    """

    def __init__(
        self,
        worker: int,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        reads_stdin: bool,
    ):
        """Raises `OSError` where no process can be started."""
        self.worker = worker
        self.started = self.heard = time.monotonic()
        self.report: Report | None = None
        self.farewell: Farewell | None = None
        self.over = False
        self._connection, theirs = socket.socketpair()
        with theirs:
            try:
                self.process = subprocess.Popen(
                    [*command, str(theirs.fileno())],
                    stdin=None if reads_stdin else subprocess.DEVNULL,
                    env=environment,
                    close_fds=True,
                    pass_fds=[theirs.fileno()],
                    # A terminal's Ctrl-C is for the supervisor; who reads from a terminal has to stay with it.
                    start_new_session=not reads_stdin,
                )
            except OSError:
                self._connection.close()
                raise
        limit = struct.pack("ll", int(_SEND_WITHIN), 0)
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)

    def __repr__(self) -> str:
        return f"<worker {self.worker}, process {self.process.pid}>"

    def tell(self, command: Message) -> None:
        """Send a command. A worker that does not read is killed; one that is gone is noticed by its reader."""
        try:
            self._connection.sendall(orjson.dumps(command) + b"\n")
        except BlockingIOError:
            log.error("a worker does not read what it is told; it is killed", worker=self.worker)
            self.process.kill()
        except OSError:
            log.debug("a worker is gone", worker=self.worker)

    def listen(
        self,
        heard: Callable[[Life, Message], None],
        ended: Callable[[Life, int], None],
    ) -> None:
        """Give what the worker says to `heard`, in a thread, and at the end its exit status to `ended`.

        A worker that says what `heard` does not understand is killed.
        """
        name = f"worker-{self.worker}"
        threading.Thread(target=self._listen, args=(heard, ended), name=name, daemon=True).start()

    def _listen(
        self,
        heard: Callable[[Life, Message], None],
        ended: Callable[[Life, int], None],
    ) -> None:
        with contextlib.suppress(OSError), self._connection.makefile("rb") as reader:
            while line := reader.readline(_MAX_LINE):
                try:
                    heard(self, orjson.loads(line))
                except (ValueError, TypeError, KeyError, AttributeError) as error:
                    if line.endswith(b"\n"):
                        log.error(
                            "a worker says what nobody understands; it is killed",
                            worker=self.worker,
                            reason=repr(error)[:_MAX_TEXT],
                        )
                    break
                self.heard = time.monotonic()
            else:
                # It closed the connection, as it does when it ends.
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.process.wait(_GONE_WITHIN)
        self.process.kill()
        status = self.process.wait()
        self._connection.close()
        ended(self, status)
