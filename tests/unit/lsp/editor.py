"""A stand-in for an editor: it starts the real server and speaks to it over its standard input and output."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Any

WAIT = 120  # seconds; an answer that never comes fails the test instead of holding it up for ever


class Editor:
    """An editor with one workspace folder; positions count characters as `encoding` says."""

    def __init__(
        self,
        folder: Path,
        *options: str,
        encodings: tuple[str, ...] = ("utf-32",),
        capabilities: dict[str, Any] | None = None,
    ):
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "sigmac", "lsp", *options],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.writing = threading.Lock()
        self.errors: list[bytes] = []
        self.answers: dict[int, queue.Queue[dict[str, Any]]] = {}
        self.notes: queue.Queue[dict[str, Any]] = queue.Queue()
        self.kept: list[dict[str, Any]] = []  # notifications that nobody has waited for
        self.versions: dict[str, int] = {}
        self.last = 0
        self.threads = [
            threading.Thread(target=self._read, daemon=True),
            threading.Thread(target=self._read_errors, daemon=True),
        ]
        for thread in self.threads:
            thread.start()
        general = {"general": {"positionEncodings": [*encodings]}} if encodings else {}
        uri = folder.as_uri()
        given = {
            "processId": None,
            "rootUri": uri,
            "workspaceFolders": [{"uri": uri, "name": "rules"}],
            "capabilities": general
            | {"window": {"workDoneProgress": True}}
            | {"textDocument": {"rename": {"prepareSupport": True}}}
            | (capabilities or {}),
        }
        self.started = self.ask("initialize", given)
        self.notify("initialized", {})

    def __enter__(self) -> Editor:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if kind is None:
            self.ask("shutdown", None)
            self.notify("exit", None)
            assert self.process.wait(WAIT) == 0, self.errors
            for thread in self.threads:
                thread.join(WAIT)
            told = b"".join(self.errors).decode()
            assert told == "", told
        else:
            self.process.kill()
            self.process.wait()
            for thread in self.threads:
                thread.join(WAIT)  # a stream that somebody reads from cannot be closed
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()

    # Texts

    def open(self, name: str, text: str) -> str:
        uri = (self.folder / name).as_uri()
        self.versions[uri] = 1
        document = {"uri": uri, "languageId": "yaml", "version": 1, "text": text}
        self.notify("textDocument/didOpen", {"textDocument": document})
        return uri

    def change(self, uri: str, text: str) -> None:
        self.versions[uri] += 1
        document = {"uri": uri, "version": self.versions[uri]}
        changes = {"textDocument": document, "contentChanges": [{"text": text}]}
        self.notify("textDocument/didChange", changes)

    def close(self, uri: str) -> None:
        self.notify("textDocument/didClose", {"textDocument": {"uri": uri}})

    def diagnostics(self, uri: str) -> list[dict[str, Any]]:
        """What is shown of the text as it is now."""

        def is_it(note: dict[str, Any]) -> bool:
            params = note["params"]
            return (
                note["method"] == "textDocument/publishDiagnostics"
                and params["uri"] == uri
                and params.get("version") == self.versions[uri]
            )

        found: list[dict[str, Any]] = self.wait_for(is_it)["params"]["diagnostics"]
        return found

    def wait_until_indexed(self) -> None:
        self.wait_for(lambda note: note["params"].get("value", {}).get("kind") == "end")

    # Messages

    def ask(self, method: str, params: Any) -> Any:
        """The result of a request. Raises `Refused` with the error's message."""
        answer = self.wait_for_answer(self.send_request(method, params))
        if "error" in answer:
            raise Refused(answer["error"]["message"])
        return answer["result"]

    def send_request(self, method: str, params: Any) -> int:
        self.last += 1
        self.answers[self.last] = queue.Queue()
        self.send({"id": self.last, "method": method, "params": params})
        return self.last

    def wait_for_answer(self, number: int) -> dict[str, Any]:
        return self.answers[number].get(timeout=WAIT)

    def notify(self, method: str, params: Any) -> None:
        self.send({"method": method, "params": params})

    def send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self.process.stdin is not None
        with self.writing:  # what the server asks is answered by the thread that reads
            self.process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
            self.process.stdin.flush()

    def wait_for(self, is_it: Any) -> dict[str, Any]:
        """The first notification that is the one, among those that came already too; earlier ones are kept."""
        for note in self.kept:
            if is_it(note):
                self.kept.remove(note)
                return note
        while True:
            note = self.notes.get(timeout=WAIT)
            if is_it(note):
                return note
            self.kept.append(note)

    def _read(self) -> None:
        stream = self.process.stdout
        assert stream is not None
        while header := stream.readline():
            length = 0
            while header.strip():
                name, _, value = header.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
                header = stream.readline()
            message = json.loads(stream.read(length))
            if "method" not in message:
                self.answers[message["id"]].put(message)
            elif "id" in message:
                self.kept_request(message)
            else:
                self.notes.put(message)

    def kept_request(self, message: dict[str, Any]) -> None:
        """Say yes to what the server asks, and keep it as notifications are kept."""
        self.send({"id": message["id"], "result": None})
        self.notes.put({"method": message["method"], "params": message["params"]})

    def _read_errors(self) -> None:
        stream = self.process.stderr
        assert stream is not None
        self.errors += iter(lambda: stream.read(4096), b"")


class Refused(Exception):
    """The server answered a request with an error."""
