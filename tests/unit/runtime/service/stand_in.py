"""A worker that does what a test tells it to: it speaks the protocol of a worker, and evaluates nothing.

`stand_in.py FOLDER FD`. What worker N does stands in FOLDER/N.json, read anew in each life; what it is told goes to
FOLDER/N.told, one line of JSON each, its environment and arguments to FOLDER/N.process.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

COUNTS = {"records": {"t": 10}, "events": 10, "batches": 1, "engine": {"test": {"bytes": 7}}}


class StandIn:
    """One life of one worker."""

    def __init__(self, folder: Path, connection: socket.socket):
        self.folder = folder
        self.connection = connection
        self.lines = connection.makefile("rb")
        self.does: dict[str, Any] = {}
        self.state = "running"
        self._saying = threading.Lock()

    def say(self, **message: Any) -> None:
        with self._saying:
            self.connection.sendall(json.dumps(message).encode() + b"\n")

    def beat(self) -> None:
        """Report now and then, as who says nothing for long counts as failing."""
        with contextlib.suppress(OSError):
            while True:
                time.sleep(5)
                self.report()

    def report(self) -> None:
        self.say(
            say="status",
            state=self.state,
            detail=self.does.get("detail", ""),
            connected=self.does.get("connected", True),
            assigned={"t": [0, 1]},
            lag={"t": {"0": 5, "1": -1}},
            counts=COUNTS | self.does.get("counts", {}),
        )

    def run(self) -> int:
        first = json.loads(self.lines.readline())
        number = first["worker"]
        self.does = json.loads((self.folder / f"{number}.json").read_text())
        told = (self.folder / f"{number}.told").open("a", buffering=1)
        environment = {"environ": dict(os.environ), "argv": sys.argv, "pid": os.getpid()}
        (self.folder / f"{number}.process").write_text(json.dumps(environment))
        told.write(json.dumps(first) + "\n")
        start = self.does.get("start")
        if start == "die":
            return 3
        if start == "give up":
            self.say(say="stopped", ok=False, reason="topic t does not exist")
            return 1
        if start == "finish":
            self.report()
            self.say(say="stopped", ok=True, reason="")
            return 0
        self.state = self.does.get("state", "running")
        self.report()
        if start == "talk nonsense":
            self.connection.sendall(self.does["nonsense"].encode("latin-1"))
        if start == "work":
            self.say(say="done", counts=self.does["done"])
            self.say(say="done", counts=self.does["done"])
        if start == "flood":
            for n in range(20_000):
                self.say(say="match", line=json.dumps({"id": str(n)}))
        threading.Thread(target=self.beat, daemon=True).start()
        for line in self.lines:
            told.write(line.decode())
            command = json.loads(line)
            if command["do"] == "stop" and self.does.get("stop") != "never":
                break
            self.obey(command)
        self.say(say="stopped", ok=True, reason="")
        return 0

    def obey(self, command: dict[str, Any]) -> None:
        wanted = self.does.get(command["do"], "")
        if wanted == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if wanted == "hang":
            return
        match command["do"]:
            case "recent":
                self.say(say="recent", id=command["id"], records=self.does.get("records", []))
            case "prepare":
                self.say(
                    say="prepared",
                    id=command["id"],
                    ok=wanted != "refuse",
                    reason="I do not want it",
                )
            case "swap":
                self.report()
                self.say(say="swapped", id=command["id"])
                self.does |= self.does.get("after", {})
                self.report()
            case "pause" | "resume":
                self.state = "paused" if command["do"] == "pause" else "running"
                self.report()
            case "watch" if command["on"]:
                self.say(say="match", line='{"id": "1"}')
                self.say(say="missed", count=3)


def main() -> int:
    """The exit status."""
    try:
        return StandIn(Path(sys.argv[1]), socket.socket(fileno=int(sys.argv[2]))).run()
    except (BrokenPipeError, ConnectionResetError):
        return 0  # the supervisor is gone


if __name__ == "__main__":
    sys.exit(main())
