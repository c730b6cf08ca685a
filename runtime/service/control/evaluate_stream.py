"""The method Evaluate: batches of events in, answers out in the same order, by whichever pack runs.

One batch is in work at a time. What a client sends meanwhile waits in its connection, and what it does not read makes
the next batch wait: gRPC's flow control bounds both, whatever the client does. A client that sends only what rules ask
says for which pack it chose; where another runs by then, the batch comes back unanswered with the fields that are
asked now, and nothing is decided on less than an event has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from sigmac.runtime.match import BatchResult
from sigmac.runtime.pack.asked_fields import asked
from sigmac.runtime.pack.pack import Pack
from sigmac.runtime.service.control import control_pb2 as wire
from sigmac.runtime.service.control.messages import MAX_MATCHES
from sigmac.runtime.service.control.refusals import invalid

_WINDOW = 1 << 20  # bytes of a batch that are evaluated at once

Answer = wire.EvaluateResponse.Answer


def answers_to(
    requests: Iterable[wire.EvaluateRequest],
    running: Callable[[], Pack],
    logsource: Mapping[str, str] | None,
) -> Iterator[wire.EvaluateResponse]:
    """Answer the batches of a stream, behind its first message. `running` gives the pack that runs now.

    Raises `Refusal` for a message that is no batch.
    """
    pack, generation = running(), 1
    yield _described(pack, generation)
    for request in requests:
        if request.WhichOneof("part") != "batch":
            raise invalid("batch", "every message but the first holds a batch")
        now = running()
        if now is not pack:
            pack, generation = now, generation + 1
            yield _described(pack, generation)
        batch = request.batch
        if batch.generation in (0, generation):
            for answer in _answers(pack, batch, logsource):
                yield wire.EvaluateResponse(answer=answer)
        else:
            outdated = Answer(number=batch.number, outdated=True, last=True)
            yield wire.EvaluateResponse(answer=outdated)


def _described(pack: Pack, generation: int) -> wire.EvaluateResponse:
    fields = asked(pack)
    return wire.EvaluateResponse(
        running=wire.EvaluateResponse.Running(
            generation=generation,
            pack=pack.name,
            version=pack.version,
            digest=pack.digest,
            rules=len(pack.rules),
            fields=sorted({*fields} - {""}),
            keywords="" in fields,
        )
    )


def _answers(
    pack: Pack, batch: wire.EvaluateRequest.Batch, logsource: Mapping[str, str] | None
) -> Iterator[Answer]:
    """The parts of the answer to a batch; the last one says so."""
    before = 0  # lines
    held = Answer(number=batch.number)
    empty = True
    records = batch.records
    for window in whole_lines((records,), _WINDOW) if len(records) > _WINDOW else (records,):
        for part in _parts(pack.match_batch(window, logsource=logsource), batch.number, before):
            if not empty:
                yield held
            held, empty = part, False
        before += window.count(b"\n")
    held.last = True
    yield held


def _parts(result: BatchResult, number: int, before: int) -> Iterator[Answer]:
    lines, rules = (result.record + before).tolist(), result.rule.tolist()
    for begin in range(0, len(rules) or 1, MAX_MATCHES):
        part = slice(begin, begin + MAX_MATCHES)
        answer = Answer(number=number, lines=lines[part], rules=rules[part])
        if not begin:
            answer.rejected.extend(
                wire.ProcessBatchResponse.Rejected(line=before + each.record, reason=each.reason)
                for each in result.rejected
            )
        yield answer


def whole_lines(pieces: Iterable[bytes], size: int) -> Iterator[bytes]:
    """NDJSON in pieces, as runs of whole lines of about `size` bytes; all but the last end in a line feed."""
    pending: list[bytes] = []  # of a line whose end has not come
    for piece in pieces:
        begin = 0
        while (cut := piece.rfind(b"\n", begin, begin + size) + 1) or (
            cut := piece.find(b"\n", begin) + 1
        ):
            yield b"".join([*pending, piece[begin:cut]])
            pending.clear()
            begin = cut
        if begin < len(piece):
            pending.append(piece[begin:])
    if pending:
        yield b"".join(pending)
