"""The methods of control.proto over a `Service`; what each does stands there."""

from __future__ import annotations

import re
import shutil
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import grpc
import orjson
import structlog

from sigmac.runtime.errors import ConfigurationError, EventError, PackError
from sigmac.runtime.pack.asked_fields import asked_by
from sigmac.runtime.pack.pack import Pack
from sigmac.runtime.scalar.json_record import parse_record
from sigmac.runtime.service.config.configuration import Settings
from sigmac.runtime.service.config.key_files import read_key
from sigmac.runtime.service.config.sections import ControlSettings
from sigmac.runtime.service.control import control_pb2 as wire
from sigmac.runtime.service.control import control_pb2_grpc
from sigmac.runtime.service.control.evaluate_stream import answers_to, whole_lines
from sigmac.runtime.service.control.messages import (
    BatchAnswer,
    matched_rule,
    rule_message,
    status_message,
)
from sigmac.runtime.service.control.pack_transfer import (
    NotTrusted,
    Receiver,
    TooLarge,
    kept_messages,
)
from sigmac.runtime.service.control.refusals import (
    Refusal,
    exhausted,
    invalid,
    not_ready,
    unknown_pack,
)
from sigmac.runtime.service.observe.status import Outcome, Service

log = structlog.get_logger("sigmac.service.control")

_WINDOW = 64 << 10  # bytes of a batch that are evaluated at once
_PAGE, _MAX_PAGE = 500, 1000  # rules
_MAX_TEXT = 256  # characters of a logsource's part
_AGAIN = 5.0  # seconds until another push may be over


def max_bytes(control: ControlSettings) -> int:
    """Of a message, and of a batch."""
    return int(control.max_message_mib * (1 << 20))


class ControlMethods(control_pb2_grpc.ControlServicer):
    """The service behind them; its state folder is where pushed packs come in."""

    def __init__(self, service: Service, settings: Settings):
        control = settings.control
        assert control is not None
        self._service = service
        self._packs = settings.packs
        self._keys = {
            name: [read_key(path) for path in pack.trusted_keys or ()]
            for name, pack in settings.packs.items()
        }
        self._allow_unsigned = control.allow_unsigned_packs
        self._max_batch = max_bytes(control)
        self._state = settings.state.absolute()
        self._pushing = threading.Lock()
        self._incoming = self._state / "incoming"
        try:
            # What a push that died has left
            shutil.rmtree(self._incoming, ignore_errors=True)
            self._incoming.mkdir(mode=0o700, parents=True)
        except OSError as error:
            raise ConfigurationError(f"state: {self._incoming}: {error.strerror}") from None

    def _known(self, pack: str) -> str:
        if pack not in self._packs:
            raise unknown_pack(pack, self._packs)
        return pack

    def _running(self, pack: str) -> Pack:
        try:
            return self._service.running(pack)
        except KeyError:
            raise not_ready() from None

    # Evaluate

    def ProcessEvent(
        self, request: wire.ProcessEventRequest, context: grpc.ServicerContext
    ) -> wire.ProcessEventResponse:
        pack = self._known(request.pack)
        self._running(pack)
        source = _logsource(request.logsource, "logsource")
        try:
            parse_record(request.event)
        except EventError as error:
            raise invalid("event", str(error)) from None
        # In JSON the end of a line is a space: in a text it would be escaped.
        line = request.event.replace(b"\n", b" ")
        matches, rejected = self._service.evaluate(pack, line, source)
        if rejected:
            raise invalid("event", rejected[0].reason)
        return wire.ProcessEventResponse(matches=[matched_rule(match) for _, match in matches])

    def ProcessBatch(
        self, requests: Iterator[wire.ProcessBatchRequest], context: grpc.ServicerContext
    ) -> wire.ProcessBatchResponse:
        first = next(requests, None)
        if first is None or first.WhichOneof("part") != "start":
            raise invalid("start", "the first message says which pack")
        pack = self._known(first.start.pack)
        self._running(pack)
        source = _logsource(first.start.logsource, "start.logsource")
        answer = BatchAnswer()
        for window in whole_lines(self._bounded(requests), _WINDOW):
            if not context.is_active():
                break  # past its deadline, or its client is gone: nobody reads the answer
            matches, rejected = self._service.evaluate(pack, window, source)
            answer.add(window, matches, rejected)
        return answer.made

    def _bounded(self, requests: Iterable[wire.ProcessBatchRequest]) -> Iterator[bytes]:
        left = self._max_batch
        for request in requests:
            if request.WhichOneof("part") != "records":
                raise invalid("records", "every message but the first holds records")
            left -= len(request.records)
            if left < 0:
                sentence = f"a batch has at most {self._max_batch:,} bytes: send several"
                raise exhausted("max_message_mib", sentence)
            yield request.records

    def Evaluate(
        self, requests: Iterator[wire.EvaluateRequest], context: grpc.ServicerContext
    ) -> Iterator[wire.EvaluateResponse]:
        first = next(requests, None)
        if first is None or first.WhichOneof("part") != "start":
            raise invalid("start", "the first message says which pack")
        pack = self._known(first.start.pack)
        source = _logsource(first.start.logsource, "start.logsource")
        yield from answers_to(requests, lambda: self._running(pack), source)

    # Look

    def ListRules(
        self, request: wire.ListRulesRequest, context: grpc.ServicerContext
    ) -> wire.ListRulesResponse:
        pack = self._known(request.pack)
        if request.page_size > _MAX_PAGE:
            raise invalid("page_size", f"at most {_MAX_PAGE:,}")
        running = self._running(pack)
        digest, rules = running.digest, running.rules
        begin = 0
        if request.page_token:
            token = re.fullmatch(r"(\d{1,9})-(\w+)", request.page_token)
            if token is None:
                raise invalid("page_token", "not a token that this service gave")
            if token[2] != digest:
                raise Refusal(
                    grpc.StatusCode.ABORTED,
                    "PACK_REPLACED",
                    "another pack runs since the first page: begin again",
                    pack=pack,
                )
            begin = int(token[1])
        refused = () if begin else self._service.left_out(digest)
        end = min(begin + (request.page_size or _PAGE), len(rules))
        return wire.ListRulesResponse(
            rules=[
                rule_message(rules[index], asked_by(running, index)) for index in range(begin, end)
            ],
            next_page_token=f"{end}-{digest}" if end < len(rules) else "",
            total_size=len(rules),
            digest=digest,
            refused=[
                wire.RefusedRule(source=each.source, code=each.code, message=each.message)
                for each in refused
            ],
        )

    def GetStatus(
        self, request: wire.GetStatusRequest, context: grpc.ServicerContext
    ) -> wire.GetStatusResponse:
        return status_message(self._service.status())

    def FetchPack(
        self, request: wire.FetchPackRequest, context: grpc.ServicerContext
    ) -> Iterator[wire.PushPackRequest]:
        pack = self._known(request.pack)
        try:
            yield from kept_messages(self._service.folder(pack), pack)
        except PackError:
            raise Refusal(
                grpc.StatusCode.ABORTED, "PACK_REPLACED", "another pack runs now: begin again"
            ) from None

    def WatchMatches(
        self, request: wire.WatchMatchesRequest, context: grpc.ServicerContext
    ) -> Iterator[wire.WatchMatchesResponse]:
        with self._service.matches() as lines:
            # Whoever has read it knows that from now on nothing is overlooked.
            context.send_initial_metadata(())
            for line in lines:
                if not context.is_active():
                    return
                if line.startswith(b'{"missed"'):
                    yield wire.WatchMatchesResponse(missed=orjson.loads(line)["missed"])
                elif line:
                    yield wire.WatchMatchesResponse(match=line)

    # Steer

    def Pause(
        self, request: wire.PauseRequest, context: grpc.ServicerContext
    ) -> wire.PauseResponse:
        self._service.pause()
        log.info("paused over control", client=context.peer())
        return wire.PauseResponse()

    def Resume(
        self, request: wire.ResumeRequest, context: grpc.ServicerContext
    ) -> wire.ResumeResponse:
        self._service.resume()
        log.info("resumed over control", client=context.peer())
        return wire.ResumeResponse()

    def PushPack(
        self, requests: Iterator[wire.PushPackRequest], context: grpc.ServicerContext
    ) -> wire.PushPackResponse:
        first = next(requests, None)
        if first is None or first.WhichOneof("part") != "start":
            raise invalid("start", "the first message says which pack, and has its manifest")
        pack = self._known(first.start.pack)
        if not self._pushing.acquire(blocking=False):
            sentence = "another pack is being pushed"
            raise Refusal(grpc.StatusCode.ABORTED, "PUSH_IN_WORK", sentence, retry_after=_AGAIN)
        try:
            with tempfile.TemporaryDirectory(dir=self._incoming) as folder:
                self._receive(Path(folder), first.start, requests)
                if not context.is_active():
                    raise Refusal(
                        grpc.StatusCode.CANCELLED, "CLIENT_GONE", "the client did not wait"
                    )
                outcome = self._service.push(pack, Path(folder))
        finally:
            self._pushing.release()
        self._decide("push", pack, outcome, context)
        return wire.PushPackResponse(version=outcome.version, detail=outcome.reason)

    def _receive(
        self,
        folder: Path,
        start: wire.PushPackRequest.Start,
        requests: Iterator[wire.PushPackRequest],
    ) -> None:
        keys = self._keys[start.pack]
        try:
            receiver = Receiver(folder, start, keys, allow_unsigned=self._allow_unsigned)
            try:
                for request in requests:
                    receiver.take(request)
                receiver.finish()
            finally:
                receiver.close()
        except TooLarge as error:
            raise exhausted("pack", str(error)) from None
        except NotTrusted as error:
            sentence = self._without_paths(str(error))
            code = grpc.StatusCode.PERMISSION_DENIED
            raise Refusal(code, "PACK_NOT_TRUSTED", sentence, pack=start.pack) from None
        except PackError as error:
            sentence = self._without_paths(str(error))
            code = grpc.StatusCode.INVALID_ARGUMENT
            raise Refusal(code, "PACK_DAMAGED", sentence, pack=start.pack) from None

    def Rollback(
        self, request: wire.RollbackRequest, context: grpc.ServicerContext
    ) -> wire.RollbackResponse:
        pack = self._known(request.pack)
        outcome = self._service.rollback(pack)
        self._decide("rollback", pack, outcome, context)
        return wire.RollbackResponse(version=outcome.version, detail=outcome.reason)

    def _decide(
        self, what: str, pack: str, outcome: Outcome, context: grpc.ServicerContext
    ) -> None:
        said = {"pack": pack, "version": outcome.version, "client": context.peer()}
        if outcome.accepted:
            log.info(f"{what} over control", **said)
            return
        sentence = self._without_paths(outcome.reason)
        log.warning(f"{what} over control was refused", reason=sentence, **said)
        raise Refusal(
            grpc.StatusCode.FAILED_PRECONDITION,
            "PACK_REFUSED",
            f"{sentence}; version {outcome.version} runs on",
            pack=pack,
            version=outcome.version,
        )

    def _without_paths(self, sentence: str) -> str:
        """A sentence about a pack without the place where this service happens to keep it."""
        return re.sub(rf"{re.escape(str(self._state))}[^\s:]*(: )?", "", sentence)


def _logsource(given: wire.LogSource, field: str) -> Mapping[str, str] | None:
    parts = {"product": given.product, "category": given.category, "service": given.service}
    for name, text in parts.items():
        if len(text) > _MAX_TEXT:
            raise invalid(f"{field}.{name}", f"longer than {_MAX_TEXT} characters")
    return {name: text for name, text in parts.items() if text} or None
