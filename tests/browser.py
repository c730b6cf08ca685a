"""A page in a real browser: Chromium without a window, spoken to by the DevTools protocol over pipes."""

from __future__ import annotations

import fcntl
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome", "headless_shell")
_PATIENCE = 60  # seconds
_SWITCHES = (
    *("--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu"),
    *("--no-first-run", "--disable-extensions", "--disable-background-networking"),
    *("--disable-dev-shm-usage", "--window-size=1280,900"),
)


def find_browser() -> str | None:
    """The path of a browser of the Chromium family; None where there is none."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Page:
    """One page; `complaints` are errors of its scripts and what its policy forbade."""

    def __init__(self, reads: int, writes: int) -> None:
        self._reads = reads
        self._writes = writes
        self._buffer = b""
        self._number = 0
        self._session: str | None = None
        self.complaints: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "Audits"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """What a method of the protocol answers."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._writes, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result
            self._note(answer)

    def open(self, file: Path) -> None:
        self.call("Page.navigate", url=file.absolute().as_uri())

    def open_ready(self, file: Path) -> None:
        """Open one of our pages and wait until it has shown all that it holds."""
        self.open(file)
        self.wait_for("document.documentElement?.dataset.ready === 'all'")

    def text(self, where: str) -> str:
        """The text of the first element that a selector chooses, as it is shown; empty where there is none."""
        return str(self.value(f"document.querySelector({json.dumps(where)})?.innerText ?? ''"))

    def click(self, where: str) -> None:
        """Click on the first element that a selector chooses."""
        self.value(f"document.querySelector({json.dumps(where)}).click()")

    def search(self, words: str, shown: str) -> None:
        """Search on one of our pages, and wait for the count that it shows then."""
        self.value("document.getElementById('search').focus()")
        self.value("document.getElementById('search').select()")
        self.type(words)
        self.wait_for(f"document.getElementById('count').textContent === {json.dumps(shown)}")

    def value(self, expression: str) -> Any:
        """What a JavaScript expression is in the page; a promise is waited for."""
        found = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def wait_for(self, expression: str) -> None:
        """Wait until an expression is true."""
        deadline = time.monotonic() + _PATIENCE
        while not self.value(expression):
            assert time.monotonic() < deadline, (expression, self.complaints)
            time.sleep(0.02)

    def press(self, key: str, text: str = "") -> None:
        more = {"text": text} if text else {}
        codes = {"Escape": 27, "Enter": 13, "ArrowDown": 40, "ArrowUp": 38, "/": 191}
        for kind in ("keyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                windowsVirtualKeyCode=codes[key],
                **(more if kind == "keyDown" else {}),
            )

    def type(self, text: str) -> None:
        self.call("Input.insertText", text=text)

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._reads], [], [], _PATIENCE)
            assert ready, "the browser says nothing"
            data = os.read(self._reads, 1 << 20)
            assert data, "the browser has gone"
            self._buffer += data
        text, _, self._buffer = self._buffer.partition(b"\0")
        answer: dict[str, Any] = json.loads(text)
        return answer

    def _note(self, message: dict[str, Any]) -> None:
        method, said = message.get("method"), message.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.complaints.append(str(said["exceptionDetails"]))
        elif method == "Log.entryAdded" and said["entry"]["level"] in ("error", "warning"):
            self.complaints.append(str(said["entry"]))
        elif method == "Audits.issueAdded":
            self.complaints.append(str(said["issue"]))
        elif method == "Runtime.consoleAPICalled" and said["type"] in ("error", "warning"):
            self.complaints.append(str(said["args"]))
        elif method == "Network.requestWillBeSent":
            url = said["request"]["url"]
            if not url.startswith(("file:", "about:", "blob:", "data:")):
                self.complaints.append(f"asked for {url}")


@contextmanager
def browser_page(browser: str, profile: Path) -> Iterator[Page]:
    """A new page of a new browser, which ends with it; its files go into `profile`."""
    theirs_in, ours_out = os.pipe()
    ours_in, theirs_out = os.pipe()
    # Above 3 and 4, the numbers that the browser asks for
    high = [fcntl.fcntl(each, fcntl.F_DUPFD, 20) for each in (theirs_in, theirs_out)]
    os.close(theirs_in)
    os.close(theirs_out)
    command = f'exec "$0" "$@" 3<&{high[0]} 4>&{high[1]}'
    process = subprocess.Popen(
        ["bash", "-c", command, browser, *_SWITCHES, f"--user-data-dir={profile}"],
        pass_fds=high,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    for each in high:
        os.close(each)
    try:
        page = Page(ours_in, ours_out)
        yield page
        os.write(ours_out, b'{"id":0,"method":"Browser.close"}\0')
        process.wait(timeout=_PATIENCE)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(ours_in)
        os.close(ours_out)
