"""What happens beside the editor's requests: files are summarized, texts are checked when their author pauses.

One process of its own does the work, so that neither a large workspace nor a hostile rule holds up typing; a text that
changes again meanwhile is checked anew, and what was found of the older one is forgotten.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Protocol, TypeVar

from lsprotocol import types

from sigmac.lsp.checking import (
    Checked,
    Settings,
    check_text,
    list_files,
    summarize,
    summarize_files,
)
from sigmac.lsp.texts.open_text import OpenText
from sigmac.lsp.work_process import ProcessDied, WorkProcess
from sigmac.lsp.workspace_index import Summary, WorkspaceIndex

PAUSE = 0.15  # seconds without a key before a text is checked
_LATER = 0.4  # before other open texts are, which an edit may concern
_CHUNK = 25  # files that are summarized before a check gets its turn
# What cannot be told before the whole workspace is known.
_OF_OTHERS = frozenset({"E_REFERENCE", "N_RELATED", "W_FILTER_UNUSED", "E_CASE_RULE"})

_Made = TypeVar("_Made")


class Shows(Protocol):
    """What shows an editor what was found."""

    texts: dict[str, OpenText]

    def show_checked(self, text: OpenText, checked: Checked) -> None: ...

    def tell(self, message: str, kind: types.MessageType) -> None: ...

    async def begins_progress(self, token: str, title: str) -> bool: ...

    def moves_progress(self, token: str, done: int, of: int) -> bool: ...

    def ends_progress(self, token: str, message: str) -> None: ...


class Background:
    """The process, the index that it fills, and the checks that wait."""

    def __init__(self, editor: Shows, settings: Settings):
        self.editor = editor
        self.settings = settings
        self.index = WorkspaceIndex()
        self.is_indexed = False
        self._waiting: dict[str, asyncio.Task[None]] = {}
        self._indexing: asyncio.Task[None] | None = None
        self._process = WorkProcess()

    async def end(self) -> None:
        """Do nothing more."""
        if self._indexing is not None:
            self._indexing.cancel()
        for uri in [*self._waiting]:
            self.forget(uri)
        await self._process.end()

    # Texts

    def changed(self, uri: str, pause: float = PAUSE) -> None:
        """Check a text once nothing has happened to it for a while."""
        self.forget(uri)
        self._waiting[uri] = asyncio.create_task(self._check_after(uri, pause))

    def forget(self, uri: str) -> None:
        """Check a text no more."""
        if (task := self._waiting.pop(uri, None)) is not None:
            task.cancel()

    async def _check_after(self, uri: str, pause: float) -> None:
        await asyncio.sleep(pause)
        text = self.editor.texts[uri]
        summaries = await self.run(summarize, text.file, text.data)
        if summaries is None:
            return
        before = self.index.files.get(text.file, ())
        self.index.put(text.file, summaries)
        beside = self.index.neighbours(text.file)
        others = [each for each in self.editor.texts.values() if each.file in beside.files]
        held = {each.file: each.data for each in others}
        checked = await self.run(check_text, text.file, text.text, self.settings, beside, held)
        if checked is None:
            return
        if not self.is_indexed:
            known = [each for each in checked.found if each.code not in _OF_OTHERS]
            checked = replace(checked, found=known)
        self.editor.show_checked(text, checked)
        if _told_to_others(before) != _told_to_others(summaries):
            for other in self.editor.texts:
                if other != uri:
                    self.changed(other, _LATER)

    # Files

    def look_through(self, folders: Sequence[str]) -> None:
        """Summarize all files below some folders, which are the workspace from now on."""
        if self._indexing is not None:
            self._indexing.cancel()
        self._indexing = asyncio.create_task(self._look_through(folders))

    async def _look_through(self, folders: Sequence[str]) -> None:
        self.is_indexed = False
        files = await self.run(list_files, folders) or []
        opened = {each.file for each in self.editor.texts.values()}
        for gone in self.index.files.keys() - set(files) - opened:
            self.index.put(gone, ())
        done = await self._summarize_all(files)
        if self.index.is_full:
            message = "sigmac: the workspace holds more documents than are looked at"
            self.editor.tell(message, types.MessageType.Warning)
        self.is_indexed = done
        for uri in self.editor.texts:
            self.changed(uri, 0)

    async def _summarize_all(self, files: Sequence[str]) -> bool:
        """Summarize files while a bar moves; whether all were, as the user may have had enough."""
        token = str(uuid.uuid4())
        is_shown = await self.editor.begins_progress(token, "sigmac reads rules")
        try:
            for begin in range(0, len(files), _CHUNK):
                done = min(begin + _CHUNK, len(files))
                await self._take(files[begin:done])
                # The index is no garbage: to look for some among all of it would hold up typing.
                gc.freeze()
                if is_shown and not self.editor.moves_progress(token, done, len(files)):
                    return done == len(files)
        finally:
            if is_shown:
                self.editor.ends_progress(token, f"{self.index.documents:,} documents")
        return True

    async def files_changed(self, files: Iterable[str]) -> None:
        """Summarize files that came, went or changed on the disk."""
        await self._take([*files])
        for uri in self.editor.texts:
            self.changed(uri, _LATER)

    async def _take(self, files: Sequence[str]) -> None:
        for file, summaries in await self.run(summarize_files, files) or ():
            if all(each.file != file for each in self.editor.texts.values()):
                self.index.put(file, summaries)

    async def run(self, work: Callable[..., _Made], *given: object) -> _Made | None:
        """What the process makes of something; None where it died over it twice, which is told."""
        for _ in range(2):
            with contextlib.suppress(ProcessDied):
                return await self._process.run(work, *given)
        message = "sigmac: the process that checks rules died; the log of the editor may say why"
        self.editor.tell(message, types.MessageType.Error)
        return None


def _told_to_others(summaries: Sequence[Summary]) -> object:
    """What of a file other files may say something about, its places left out."""
    return [
        (
            each.kind,
            each.outline.title,
            each.outline.id,
            each.outline.name,
            each.outline.meaning,
            each.logsource,
            sorted(each.outline.fields),
            [text for text, _ in each.refers],
            [text for text, _, _ in each.outline.related],
        )
        for each in summaries
    ]
