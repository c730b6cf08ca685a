"""The server: the texts that an editor has open, and what it asks of them, each answered by the file of its concern.

pygls speaks the protocol; texts are sent whole at each change, as pygls would count the lines of smaller changes by
characters that are no line breaks to editors.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Sequence
from pathlib import Path

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer

from sigmac import __version__
from sigmac.attack import attack_table
from sigmac.compiler.diagnostics.catalogue import catalogue
from sigmac.compiler.diagnostics.diagnostic import Place
from sigmac.compiler.syntax.rule import LogSource
from sigmac.compiler.taxonomy.event_schemas import schema_of
from sigmac.lsp import case_lens, hovers, jumps, key_meanings, proposals, quick_fixes, renaming
from sigmac.lsp.background import Background
from sigmac.lsp.checking import Checked, Settings, mended
from sigmac.lsp.outline_symbols import symbols
from sigmac.lsp.shown_diagnostics import shown
from sigmac.lsp.texts.open_text import MAX_BYTES, OpenText, file_of, uri_of
from sigmac.project.project import ProjectError
from sigmac.project.project_file import NAME, SHARED_NAME, read_project

_TESTING = "source.sigmac.test"  # a kind of code actions
_MARK = "\ufeff"  # which editors keep to themselves
_REFUSED = types.LSPErrorCodes.RequestFailed
_PROJECTS = (NAME, SHARED_NAME)
_WATCHED = ("**/*.yml", "**/*.yaml", *(f"**/{name}" for name in _PROJECTS))


class RuleServer(LanguageServer):
    """What is known of the editor and its texts; made once a process."""

    def __init__(self, settings: Settings, *, takes_project: bool = True):
        super().__init__(
            "sigmac",
            __version__,
            text_document_sync_kind=types.TextDocumentSyncKind.Full,
            max_workers=2,
        )
        self.texts: dict[str, OpenText] = {}
        # What is shown of a text, and of which version of it; the tests that failed, until it changes
        self.checked: dict[str, tuple[OpenText, Checked]] = {}
        self.failed: dict[str, Sequence[types.Diagnostic]] = {}
        self.folders: list[str] = []
        self.was_shut_down = False
        self.given = settings
        self.takes_project = takes_project
        self.background = Background(self, settings)

    # Workspace

    def look_through(self) -> None:
        """Take the folders that the workspace has now, what their project file says, and their rules."""
        folders = [folder.uri for folder in self.workspace.folders.values()]
        if not folders and self.workspace.root_uri:
            folders = [self.workspace.root_uri]
        self.folders = [file_of(uri) for uri in folders]
        self.read_project()
        self.background.look_through(self.folders)

    def read_project(self) -> None:
        """What the project file of the first folder says goes for all; a faulty one is told, and counts as none."""
        if not self.takes_project or not self.folders:
            return
        try:
            project = read_project(Path(self.folders[0]))
            self.background.settings = self.given.joined(project)
        except ProjectError as error:
            self.background.settings = self.given
            self.tell(f"sigmac: {error}", types.MessageType.Error)

    # Texts

    def take(self, uri: str) -> None:
        """Hold the text of a document as it is now, and check it soon."""
        document = self.workspace.get_text_document(uri)
        encoding = self.workspace.position_encoding or types.PositionEncodingKind.Utf16
        self.failed.pop(uri, None)
        self.texts[uri] = OpenText(uri, document.source, document.version, encoding)
        self.background.changed(uri)

    def drop(self, uri: str) -> None:
        """Forget a text: its file counts as it lies on the disk."""
        self.background.forget(uri)
        self.texts.pop(uri, None)
        self.checked.pop(uri, None)
        self.failed.pop(uri, None)
        empty = types.PublishDiagnosticsParams(uri, [])
        self.text_document_publish_diagnostics(empty)

    def text_of(self, uri: str) -> OpenText:
        """The text of a document: as it is open, else as it lies on the disk, empty where it cannot be read."""
        if uri in self.texts:
            return self.texts[uri]
        encoding = self.workspace.position_encoding or types.PositionEncodingKind.Utf16
        return OpenText(uri, _on_disk(file_of(uri)), None, encoding)

    def checked_of(self, text: OpenText) -> Checked:
        """What was found in this version of a text; nothing while it is not checked."""
        version, checked = self.checked.get(text.uri, (None, Checked()))
        return checked if version is text else Checked()

    async def run_tests(self, uri: str, number: int) -> None:
        """Run the tests of a document, and show what came of them."""
        text = self.text_of(uri)
        if text.text.removeprefix(_MARK) != _on_disk(text.file).removeprefix(_MARK):
            self.tell("sigmac: save the file first", types.MessageType.Warning)
            return
        folder = self.folders[0] if self.folders else str(Path(text.file).parent)
        settings = self.background.settings
        done = await case_lens.run(text, number, settings, folder, self.locate)
        kind = types.MessageType.Info if done.is_passed else types.MessageType.Error
        self.tell(f"sigmac: {done.said}", kind)
        if self.texts.get(uri) is text:
            self.failed[uri] = done.failures
            self.show_checked(text, self.checked_of(text))

    def locate(self, place: Place) -> types.Location:
        """A place of a diagnostic as editors have it."""
        uri = uri_of(place.file)
        open_one = next((each for each in self.texts.values() if each.file == place.file), None)
        text = open_one or self.text_of(uri)
        return types.Location(text.uri, text.positions.range_of(place))

    # What the work beside tells

    def show_checked(self, text: OpenText, checked: Checked) -> None:
        """Show what was found in a text, where it is still the one that is open."""
        if self.texts.get(text.uri) is not text:
            return
        self.checked[text.uri] = (text, checked)
        made = shown(checked.found, text, self.locate, self.folders)
        made += self.failed.get(text.uri, ())
        params = types.PublishDiagnosticsParams(text.uri, made, text.version)
        self.text_document_publish_diagnostics(params)

    def tell(self, message: str, kind: types.MessageType) -> None:
        """Say something to the user, or with the kind `Log` to the editor's log."""
        if kind is types.MessageType.Log:
            self.window_log_message(types.LogMessageParams(kind, message))
        else:
            self.window_show_message(types.ShowMessageParams(kind, message))

    async def begins_progress(self, token: str, title: str) -> bool:
        """Show a bar; whether the editor has one."""
        window = self.client_capabilities.window
        if window is None or not window.work_done_progress:
            return False
        await self.work_done_progress.create_async(token)
        begin = types.WorkDoneProgressBegin(title, cancellable=True, percentage=0)
        self.work_done_progress.begin(token, begin)
        return True

    def moves_progress(self, token: str, done: int, of: int) -> bool:
        """Move the bar; whether the user wants to go on."""
        report = types.WorkDoneProgressReport(
            message=f"{done:,} of {of:,} files", percentage=100 * done // of
        )
        self.work_done_progress.report(token, report)
        return not self.work_done_progress.tokens[token].cancelled()

    def ends_progress(self, token: str, message: str) -> None:
        self.work_done_progress.end(token, types.WorkDoneProgressEnd(message=message))
        self.work_done_progress.tokens.pop(token, None)


def _on_disk(file: str) -> str:
    """The text of a file, empty where it cannot be read."""
    try:
        with Path(file).open("rb") as opened:
            return opened.read(MAX_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""


def serve(settings: Settings, *, takes_project: bool = True) -> bool:
    """Answer an editor over standard input and output until it ends; whether it asked for that as it should."""
    logging.getLogger("pygls.protocol.json_rpc").addFilter(_is_news)
    # What anything else may print is no message to the editor.
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    server = _made(RuleServer(settings, takes_project=takes_project))
    server.start_io(stdout=output)
    return server.was_shut_down


def _is_news(record: logging.LogRecord) -> bool:
    """Whether a line of pygls belongs into the editor's log: the user is told of a refusal as it is."""
    error = record.exc_info[1] if record.exc_info else None
    return not (isinstance(error, JsonRpcException) and error.code == _REFUSED)


def _made(server: RuleServer) -> RuleServer:
    """The server with all that it answers to."""
    _follow_workspace(server)
    _follow_texts(server)
    _explain_and_complete(server)
    _find_and_rename(server)
    _mend_and_test(server)
    return server


def _follow_workspace(server: RuleServer) -> None:
    @server.feature(types.INITIALIZED)
    def initialized(ls: RuleServer, _: types.InitializedParams) -> None:
        watching = ls.client_capabilities.workspace
        files = watching.did_change_watched_files if watching is not None else None
        if files is not None and files.dynamic_registration:
            watchers = [types.FileSystemWatcher(pattern) for pattern in _WATCHED]
            options = types.DidChangeWatchedFilesRegistrationOptions(watchers)
            method = types.WORKSPACE_DID_CHANGE_WATCHED_FILES
            registration = types.Registration("rules", method, options)
            ls.client_register_capability(types.RegistrationParams([registration]))
        ls.look_through()
        # The tables are read when they are first asked: before the user asks, and not while somebody waits.
        asyncio.get_running_loop().run_in_executor(None, _read_tables)

    @server.feature(types.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS)
    def folders_changed(ls: RuleServer, _: types.DidChangeWorkspaceFoldersParams) -> None:
        ls.look_through()

    @server.feature(types.WORKSPACE_DID_CHANGE_WATCHED_FILES)
    async def files_changed(ls: RuleServer, params: types.DidChangeWatchedFilesParams) -> None:
        files = {file_of(change.uri) for change in params.changes}
        if any(Path(file).name in _PROJECTS for file in files):
            ls.read_project()
        await ls.background.files_changed(sorted(files))

    @server.feature(types.SHUTDOWN)
    async def shut_down(ls: RuleServer, _: None) -> None:
        ls.was_shut_down = True
        await ls.background.end()


def _read_tables() -> None:
    catalogue()
    attack_table.shipped()
    key_meanings.meanings()
    schema_of(LogSource())


def _follow_texts(server: RuleServer) -> None:
    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    def opened(ls: RuleServer, params: types.DidOpenTextDocumentParams) -> None:
        ls.take(params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    def changed(ls: RuleServer, params: types.DidChangeTextDocumentParams) -> None:
        ls.take(params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    async def closed(ls: RuleServer, params: types.DidCloseTextDocumentParams) -> None:
        ls.drop(params.text_document.uri)
        await ls.background.files_changed([file_of(params.text_document.uri)])


def _explain_and_complete(server: RuleServer) -> None:
    @server.feature(types.TEXT_DOCUMENT_HOVER)
    def hover(ls: RuleServer, params: types.HoverParams) -> types.Hover | None:
        text = ls.text_of(params.text_document.uri)
        return hovers.hover(text, text.offset(params.position), ls.background.index)

    options = types.CompletionOptions(trigger_characters=[*proposals.TRIGGERS])

    @server.feature(types.TEXT_DOCUMENT_COMPLETION, options)
    def complete(ls: RuleServer, params: types.CompletionParams) -> types.CompletionList:
        text = ls.text_of(params.text_document.uri)
        index, conventions = ls.background.index, ls.background.settings.conventions
        return proposals.propose(text, text.offset(params.position), index, conventions)


def _find_and_rename(server: RuleServer) -> None:
    @server.feature(types.TEXT_DOCUMENT_DEFINITION)
    def define(ls: RuleServer, params: types.DefinitionParams) -> list[types.Location]:
        text = ls.text_of(params.text_document.uri)
        index = ls.background.index
        return jumps.definitions(text, text.offset(params.position), index, ls.locate)

    @server.feature(types.TEXT_DOCUMENT_REFERENCES)
    def refer(ls: RuleServer, params: types.ReferenceParams) -> list[types.Location]:
        text = ls.text_of(params.text_document.uri)
        declared = params.context.include_declaration
        index, offset = ls.background.index, text.offset(params.position)
        return jumps.references(text, offset, index, ls.locate, declared=declared)

    @server.feature(types.TEXT_DOCUMENT_PREPARE_RENAME)
    def prepare(
        ls: RuleServer, params: types.PrepareRenameParams
    ) -> types.PrepareRenamePlaceholder | None:
        text = ls.text_of(params.text_document.uri)
        found = renaming.renamable(text, text.offset(params.position))
        return types.PrepareRenamePlaceholder(*found) if found is not None else None

    @server.feature(types.TEXT_DOCUMENT_RENAME)
    def rename(ls: RuleServer, params: types.RenameParams) -> types.WorkspaceEdit:
        text = ls.text_of(params.text_document.uri)
        try:
            edits = renaming.rename(text, text.offset(params.position), params.new_name)
        except renaming.RenameError as error:
            raise JsonRpcException(str(error), code=_REFUSED) from None
        return types.WorkspaceEdit({params.text_document.uri: edits})

    @server.feature(types.TEXT_DOCUMENT_DOCUMENT_SYMBOL)
    def outline(ls: RuleServer, params: types.DocumentSymbolParams) -> list[types.DocumentSymbol]:
        return symbols(ls.text_of(params.text_document.uri))


def _mend_and_test(server: RuleServer) -> None:
    options = types.CodeActionOptions([*quick_fixes.KINDS, _TESTING], resolve_provider=True)

    @server.feature(types.TEXT_DOCUMENT_CODE_ACTION, options)
    def act(ls: RuleServer, params: types.CodeActionParams) -> list[types.CodeAction]:
        text = ls.text_of(params.text_document.uri)
        checked = ls.checked_of(text)
        start, end = text.offset(params.range.start), text.offset(params.range.end)
        found = [*quick_fixes.actions(text, start, end, checked, params.context.diagnostics)]
        whole = quick_fixes.fix_all(text, checked.fixes)
        found += [whole] if whole is not None else []
        number = case_lens.document_number(text, start)
        if number is not None:
            command = case_lens.command(text, number)
            found.append(types.CodeAction(command.title, _TESTING, command=command))
        only = params.context.only
        return [each for each in found if only is None or _is_wanted(each.kind, only)]

    @server.feature(types.CODE_ACTION_RESOLVE)
    async def resolve(ls: RuleServer, action: types.CodeAction) -> types.CodeAction:
        uri = action.data.get("uri") if isinstance(action.data, dict) else None
        text = ls.texts.get(uri) if isinstance(uri, str) else None
        if text is not None:
            settings = ls.background.settings
            new = await ls.background.run(mended, text.file, text.text, settings)
            if new is not None and ls.texts.get(text.uri) is text:
                action.edit = quick_fixes.replaced(text, new)
        return action

    @server.feature(types.TEXT_DOCUMENT_CODE_LENS)
    def show_lenses(ls: RuleServer, params: types.CodeLensParams) -> list[types.CodeLens]:
        return case_lens.lenses(ls.text_of(params.text_document.uri))

    @server.command(case_lens.COMMAND)
    async def run_tests(ls: RuleServer, uri: str, number: int) -> None:
        await ls.run_tests(uri, number)


def _is_wanted(kind: str | None, only: Sequence[str]) -> bool:
    """Whether a kind of actions is one that is asked for, or under it: `source` has `source.fixAll`."""
    return any(kind == each or f"{kind}.".startswith(f"{each}.") for each in only)
