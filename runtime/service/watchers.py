"""Matches for those who watch: each watcher has a bounded queue, and a slow one misses some."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_ROOM = 1000  # lines that wait for one watcher
_IDLE = 1.0  # seconds after which a watcher is given b"", to see that its client is gone


class Watchers:
    """Whoever watches matches at the moment. Thread-safe.

    `changed` is called when the first one has come and when the last one is gone.
    """

    def __init__(self, changed: Callable[[], None]):
        self._changed = changed
        self._lock = threading.Lock()
        self._arrived = threading.Condition(self._lock)
        self._queues: list[_Queue] = []
        self._closed = False

    def __bool__(self) -> bool:
        return bool(self._queues)

    @contextmanager
    def watch(self) -> Iterator[Iterator[bytes]]:
        """Lines from now on, as `Service.matches` describes them."""
        queue = _Queue()
        with self._lock:
            self._queues.append(queue)
            first = len(self._queues) == 1
        if first:
            self._changed()
        try:
            yield self._lines(queue)
        finally:
            with self._lock:
                self._queues.remove(queue)
                last = not self._queues
            if last:
                self._changed()

    def show(self, line: bytes) -> None:
        """A match, for all."""
        with self._lock:
            for queue in self._queues:
                if len(queue.lines) < _ROOM:
                    queue.lines.append(line)
                else:
                    queue.missed += 1
            self._arrived.notify_all()

    def missed(self, count: int) -> None:
        """Matches that nobody is shown."""
        with self._lock:
            for queue in self._queues:
                queue.missed += count
            self._arrived.notify_all()

    def close(self) -> None:
        """All have seen everything."""
        with self._lock:
            self._closed = True
            self._arrived.notify_all()

    def _lines(self, queue: _Queue) -> Iterator[bytes]:
        while True:
            with self._lock:
                self._arrived.wait_for(lambda: queue.ready or self._closed, _IDLE)
                if not queue.ready and self._closed:
                    return
                line = queue.take()
            yield line


class _Queue:
    """What waits for one watcher."""

    def __init__(self) -> None:
        self.lines: deque[bytes] = deque()
        self.missed = 0

    @property
    def ready(self) -> bool:
        return bool(self.lines or self.missed)

    def take(self) -> bytes:
        if self.lines:
            return self.lines.popleft()
        if self.missed:
            line, self.missed = b'{"missed":%d}' % self.missed, 0
            return line
        return b""
