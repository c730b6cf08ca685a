"""The connection of a worker to its supervisor: JSON lines both ways over a socket."""

from __future__ import annotations

import queue
import socket
import threading
import time
from collections.abc import Mapping
from typing import Any

import orjson
import structlog

log = structlog.get_logger("sigmac.stream.worker")

Command = dict[str, Any]


class Link:
    """What a worker hears and says. `stop_at` is when the batch in work has to be finished, on the monotonic clock."""

    def __init__(self, connection: socket.socket):
        self._connection = connection
        self._reader = connection.makefile("rb")
        self._lock = threading.Lock()
        self.commands: queue.SimpleQueue[Command] = queue.SimpleQueue()
        self.stop_at: float | None = None

    def first(self) -> Command | None:
        """The first line: the configuration. None where the supervisor ended before it had sent it."""
        try:
            line = self._reader.readline()
        except OSError:
            line = b""
        return orjson.loads(line) if line.endswith(b"\n") else None

    def listen(self, patience: float) -> None:
        """Read commands in a thread from now on; a stop leaves `patience` seconds for the batch in work."""
        threading.Thread(target=self._listen, args=(patience,), daemon=True).start()

    def _listen(self, patience: float) -> None:
        try:
            for line in self._reader:
                command = orjson.loads(line)
                if command["do"] == "stop":
                    break
                self.commands.put(command)
        except OSError:
            pass  # as the end of the connection: without its supervisor no worker goes on
        self.stop(patience)

    def stop(self, patience: float) -> None:
        """Finish the batch in work and leave, within `patience` seconds."""
        if self.stop_at is None:
            self.stop_at = time.monotonic() + patience
            self.commands.put({"do": "stop"})

    def say(self, message: Mapping[str, Any]) -> None:
        """Tell the supervisor. Where it is gone the reader notices."""
        try:
            with self._lock:
                self._connection.sendall(
                    orjson.dumps(message, option=orjson.OPT_NON_STR_KEYS) + b"\n"
                )
        except OSError:
            log.debug("the supervisor is gone")
