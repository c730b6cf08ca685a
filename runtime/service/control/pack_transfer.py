"""A pack on its way: the messages that carry it, and the folder that a receiver makes of them.

What is sent is a manifest, then files by name and bytes. There is nothing else to say, no links, modes, owners or
times, so there is nothing else to guard against. The manifest and its signature are checked before a file is taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from sigmac.runtime.errors import PackError
from sigmac.runtime.pack import seal
from sigmac.runtime.service.control.control_pb2 import PushPackRequest

MAX_BYTES = 256 << 20  # of all files of a pack
MAX_FILES = 10_000
_PIECE = 256 << 10  # bytes in one message
_MAX_NAME = 255  # bytes
_NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*){0,3}")


class NotTrusted(PackError):
    """A pack that is not signed by a key that is trusted here."""


class TooLarge(PackError):
    """A pack that is larger than a pushed pack may be."""


def messages(folder: Path, pack: str) -> Iterator[PushPackRequest]:
    """The messages that carry the pack in a folder, always the same for the same pack.

    The pack is verified first: raises `PackError` before the first message.
    """
    manifest, data = seal.read_manifest(folder)
    files = seal.read_files(folder, manifest)
    signature = seal.read_signature(folder) or b""
    start = PushPackRequest.Start(pack=pack, manifest=data, signature=signature)
    return _messages(start, files)


def _messages(start: PushPackRequest.Start, files: dict[str, bytes]) -> Iterator[PushPackRequest]:
    yield PushPackRequest(start=start)
    for name in sorted(files):
        yield PushPackRequest(file=name)
        content = files[name]
        for begin in range(0, len(content), _PIECE):
            yield PushPackRequest(data=content[begin : begin + _PIECE])


def kept_messages(folder: Path, pack: str) -> Iterator[PushPackRequest]:
    """The same of a pack that was verified when it came, one piece after the other: who receives it verifies it again.

    Raises `PackError` where the folder is gone.
    """
    manifest, data = seal.read_manifest(folder)
    signature = seal.read_signature(folder) or b""
    yield PushPackRequest(
        start=PushPackRequest.Start(pack=pack, manifest=data, signature=signature)
    )
    for name in sorted(manifest["files"]):
        yield PushPackRequest(file=name)
        try:
            with (folder / name).open("rb") as file:
                while piece := file.read(_PIECE):
                    yield PushPackRequest(data=piece)
        except OSError as error:
            raise PackError(f"{name}: {error.strerror or error}") from None


class Receiver:
    """Writes a pack that arrives to an empty folder of its own.

    Every method raises `PackError` where what arrives is no sound pack.
    """

    def __init__(
        self,
        folder: Path,
        start: PushPackRequest.Start,
        trusted_keys: Sequence[bytes],
        *,
        allow_unsigned: bool,
        max_bytes: int = MAX_BYTES,
    ):
        self._folder = folder
        self._left = max_bytes - len(start.manifest) - len(start.signature)
        self._file: BinaryIO | None = None
        if self._left < 0:
            raise TooLarge(f"a pushed pack may have {max_bytes:,} bytes")
        (folder / seal.MANIFEST).write_bytes(start.manifest)
        if start.signature:
            (folder / seal.SIGNATURE).write_bytes(start.signature)
        self._manifest, data = seal.read_manifest(folder)
        self._check_trust(data, trusted_keys, allow_unsigned)
        self._expected: set[str] = {*self._manifest["files"]}
        _check_names(self._expected)

    def _check_trust(self, data: bytes, keys: Sequence[bytes], allow_unsigned: bool) -> None:
        if not keys and not allow_unsigned:
            raise NotTrusted(
                "a pack is code: configure trusted_keys for it, or control.allow_unsigned_packs"
            )
        try:
            seal.check_signature(self._folder, data, keys or None)
        except PackError as error:
            raise NotTrusted(str(error)) from None

    def take(self, message: PushPackRequest) -> None:
        """Take the next file's name, or the next bytes of the file."""
        match message.WhichOneof("part"):
            case "file":
                self._begin(message.file)
            case "data" if self._file is not None:
                self._left -= len(message.data)
                if self._left < 0:
                    raise TooLarge("the pack is larger than a pushed pack may be")
                self._file.write(message.data)
            case _:
                raise PackError("bytes came before the name of their file")

    def _begin(self, name: str) -> None:
        if name not in self._expected:
            raise PackError(f"{name[:_MAX_NAME]!r} is not in the manifest, or came twice")
        self._expected.remove(name)
        self.close()
        path = self._folder / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = path.open("xb")

    def finish(self) -> None:
        """All has come: verify every file against the manifest."""
        self.close()
        seal.read_files(self._folder, self._manifest)

    def close(self) -> None:
        """Close the file that is being written."""
        if self._file is not None:
            self._file.close()
            self._file = None


def receive(
    messages: Iterable[PushPackRequest], folder: Path, trusted_keys: Sequence[bytes] = ()
) -> None:
    """Write a pack that arrives to an empty folder, and verify it; without keys it may be signed by anybody or nobody.

    Raises `PackError` where what arrives is no sound pack.
    """
    arriving = iter(messages)
    first = next(arriving, None)
    if first is None or first.WhichOneof("part") != "start":
        raise PackError("the first message has no manifest")
    receiver = Receiver(folder, first.start, trusted_keys, allow_unsigned=True)
    try:
        for message in arriving:
            receiver.take(message)
        receiver.finish()
    finally:
        receiver.close()


def _check_names(names: set[str]) -> None:
    if len(names) > MAX_FILES:
        raise TooLarge(f"a pushed pack may have {MAX_FILES:,} files")
    # What is a folder of one file cannot be another file.
    taken = {name[: each.start()] for name in names for each in re.finditer("/", name)}
    taken |= {seal.MANIFEST, seal.SIGNATURE}
    for name in sorted(names):
        root = name.partition("/")[0]
        sound = len(name.encode()) <= _MAX_NAME and _NAME.fullmatch(name) is not None
        if not sound or name in taken or root in (seal.MANIFEST, seal.SIGNATURE):
            raise PackError(f"the manifest has a file of the impossible name {name[:_MAX_NAME]!r}")
