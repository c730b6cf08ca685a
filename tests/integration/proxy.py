"""A TCP proxy that can cut or silence the connections that lead through it."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator


class Proxy:
    """Leads from `port` to `target` on this machine, in threads."""

    def __init__(self, port: int, target: int):
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", port))
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._refusing = False
        self._flows = threading.Event()
        self._flows.set()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Reset every connection, and new ones at once, until `restore`."""
        with self._lock:
            self._refusing = True
            for connection in self._open:
                _end(connection)

    def silence(self) -> None:
        """Pass nothing on, and keep connections open, until `restore`: as a cable that is pulled."""
        self._flows.clear()

    def restore(self) -> None:
        with self._lock:
            self._refusing = False
        self._flows.set()

    def close(self) -> None:
        _end(self._listener)
        self._listener.close()
        self.cut()
        self._flows.set()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return  # closed
            try:
                server = socket.create_connection(("127.0.0.1", self._target), 5)
            except OSError:
                client.close()  # as if nobody listened here: the broker is down
                continue
            server.settimeout(None)
            with self._lock:
                if self._refusing:
                    client.close()
                    server.close()
                    continue
                self._open |= {client, server}
            for source, drain in ((client, server), (server, client)):
                threading.Thread(target=self._pass, args=(source, drain), daemon=True).start()

    def _pass(self, source: socket.socket, drain: socket.socket) -> None:
        with contextlib.suppress(OSError):  # one end is gone: so is the other
            for data in _received(source):
                self._flows.wait()
                drain.sendall(data)
        with self._lock:
            _end(source)
            _end(drain)
            if source in self._open:
                self._open -= {source, drain}
                return
        # The other direction has ended before: nobody uses them any more.
        source.close()
        drain.close()


def _received(source: socket.socket) -> Iterator[bytes]:
    while data := source.recv(1 << 16):
        yield data


def _end(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # ended already
        connection.shutdown(socket.SHUT_RDWR)
