from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class LogSource(_message.Message):
    __slots__ = ("product", "category", "service")
    PRODUCT_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    SERVICE_FIELD_NUMBER: _ClassVar[int]
    product: str
    category: str
    service: str
    def __init__(self, product: _Optional[str] = ..., category: _Optional[str] = ..., service: _Optional[str] = ...) -> None: ...

class MatchedRule(_message.Message):
    __slots__ = ("id", "title", "level", "tags", "pack", "version")
    ID_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    PACK_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    id: str
    title: str
    level: str
    tags: _containers.RepeatedScalarFieldContainer[str]
    pack: str
    version: str
    def __init__(self, id: _Optional[str] = ..., title: _Optional[str] = ..., level: _Optional[str] = ..., tags: _Optional[_Iterable[str]] = ..., pack: _Optional[str] = ..., version: _Optional[str] = ...) -> None: ...

class ProcessEventRequest(_message.Message):
    __slots__ = ("pack", "event", "logsource")
    PACK_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    LOGSOURCE_FIELD_NUMBER: _ClassVar[int]
    pack: str
    event: bytes
    logsource: LogSource
    def __init__(self, pack: _Optional[str] = ..., event: _Optional[bytes] = ..., logsource: _Optional[_Union[LogSource, _Mapping]] = ...) -> None: ...

class ProcessEventResponse(_message.Message):
    __slots__ = ("matches",)
    MATCHES_FIELD_NUMBER: _ClassVar[int]
    matches: _containers.RepeatedCompositeFieldContainer[MatchedRule]
    def __init__(self, matches: _Optional[_Iterable[_Union[MatchedRule, _Mapping]]] = ...) -> None: ...

class ProcessBatchRequest(_message.Message):
    __slots__ = ("start", "records")
    class Start(_message.Message):
        __slots__ = ("pack", "logsource")
        PACK_FIELD_NUMBER: _ClassVar[int]
        LOGSOURCE_FIELD_NUMBER: _ClassVar[int]
        pack: str
        logsource: LogSource
        def __init__(self, pack: _Optional[str] = ..., logsource: _Optional[_Union[LogSource, _Mapping]] = ...) -> None: ...
    START_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    start: ProcessBatchRequest.Start
    records: bytes
    def __init__(self, start: _Optional[_Union[ProcessBatchRequest.Start, _Mapping]] = ..., records: _Optional[bytes] = ...) -> None: ...

class ProcessBatchResponse(_message.Message):
    __slots__ = ("lines", "rules", "matches", "rejected", "rejected_count")
    class Match(_message.Message):
        __slots__ = ("line", "rule")
        LINE_FIELD_NUMBER: _ClassVar[int]
        RULE_FIELD_NUMBER: _ClassVar[int]
        line: int
        rule: int
        def __init__(self, line: _Optional[int] = ..., rule: _Optional[int] = ...) -> None: ...
    class Rejected(_message.Message):
        __slots__ = ("line", "reason")
        LINE_FIELD_NUMBER: _ClassVar[int]
        REASON_FIELD_NUMBER: _ClassVar[int]
        line: int
        reason: str
        def __init__(self, line: _Optional[int] = ..., reason: _Optional[str] = ...) -> None: ...
    LINES_FIELD_NUMBER: _ClassVar[int]
    RULES_FIELD_NUMBER: _ClassVar[int]
    MATCHES_FIELD_NUMBER: _ClassVar[int]
    REJECTED_FIELD_NUMBER: _ClassVar[int]
    REJECTED_COUNT_FIELD_NUMBER: _ClassVar[int]
    lines: int
    rules: _containers.RepeatedCompositeFieldContainer[MatchedRule]
    matches: _containers.RepeatedCompositeFieldContainer[ProcessBatchResponse.Match]
    rejected: _containers.RepeatedCompositeFieldContainer[ProcessBatchResponse.Rejected]
    rejected_count: int
    def __init__(self, lines: _Optional[int] = ..., rules: _Optional[_Iterable[_Union[MatchedRule, _Mapping]]] = ..., matches: _Optional[_Iterable[_Union[ProcessBatchResponse.Match, _Mapping]]] = ..., rejected: _Optional[_Iterable[_Union[ProcessBatchResponse.Rejected, _Mapping]]] = ..., rejected_count: _Optional[int] = ...) -> None: ...

class EvaluateRequest(_message.Message):
    __slots__ = ("start", "batch")
    class Start(_message.Message):
        __slots__ = ("pack", "logsource")
        PACK_FIELD_NUMBER: _ClassVar[int]
        LOGSOURCE_FIELD_NUMBER: _ClassVar[int]
        pack: str
        logsource: LogSource
        def __init__(self, pack: _Optional[str] = ..., logsource: _Optional[_Union[LogSource, _Mapping]] = ...) -> None: ...
    class Batch(_message.Message):
        __slots__ = ("number", "generation", "records")
        NUMBER_FIELD_NUMBER: _ClassVar[int]
        GENERATION_FIELD_NUMBER: _ClassVar[int]
        RECORDS_FIELD_NUMBER: _ClassVar[int]
        number: int
        generation: int
        records: bytes
        def __init__(self, number: _Optional[int] = ..., generation: _Optional[int] = ..., records: _Optional[bytes] = ...) -> None: ...
    START_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    start: EvaluateRequest.Start
    batch: EvaluateRequest.Batch
    def __init__(self, start: _Optional[_Union[EvaluateRequest.Start, _Mapping]] = ..., batch: _Optional[_Union[EvaluateRequest.Batch, _Mapping]] = ...) -> None: ...

class EvaluateResponse(_message.Message):
    __slots__ = ("running", "answer")
    class Running(_message.Message):
        __slots__ = ("generation", "pack", "version", "digest", "rules", "fields", "keywords")
        GENERATION_FIELD_NUMBER: _ClassVar[int]
        PACK_FIELD_NUMBER: _ClassVar[int]
        VERSION_FIELD_NUMBER: _ClassVar[int]
        DIGEST_FIELD_NUMBER: _ClassVar[int]
        RULES_FIELD_NUMBER: _ClassVar[int]
        FIELDS_FIELD_NUMBER: _ClassVar[int]
        KEYWORDS_FIELD_NUMBER: _ClassVar[int]
        generation: int
        pack: str
        version: str
        digest: str
        rules: int
        fields: _containers.RepeatedScalarFieldContainer[str]
        keywords: bool
        def __init__(self, generation: _Optional[int] = ..., pack: _Optional[str] = ..., version: _Optional[str] = ..., digest: _Optional[str] = ..., rules: _Optional[int] = ..., fields: _Optional[_Iterable[str]] = ..., keywords: bool = ...) -> None: ...
    class Answer(_message.Message):
        __slots__ = ("number", "lines", "rules", "rejected", "last", "outdated")
        NUMBER_FIELD_NUMBER: _ClassVar[int]
        LINES_FIELD_NUMBER: _ClassVar[int]
        RULES_FIELD_NUMBER: _ClassVar[int]
        REJECTED_FIELD_NUMBER: _ClassVar[int]
        LAST_FIELD_NUMBER: _ClassVar[int]
        OUTDATED_FIELD_NUMBER: _ClassVar[int]
        number: int
        lines: _containers.RepeatedScalarFieldContainer[int]
        rules: _containers.RepeatedScalarFieldContainer[int]
        rejected: _containers.RepeatedCompositeFieldContainer[ProcessBatchResponse.Rejected]
        last: bool
        outdated: bool
        def __init__(self, number: _Optional[int] = ..., lines: _Optional[_Iterable[int]] = ..., rules: _Optional[_Iterable[int]] = ..., rejected: _Optional[_Iterable[_Union[ProcessBatchResponse.Rejected, _Mapping]]] = ..., last: bool = ..., outdated: bool = ...) -> None: ...
    RUNNING_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    running: EvaluateResponse.Running
    answer: EvaluateResponse.Answer
    def __init__(self, running: _Optional[_Union[EvaluateResponse.Running, _Mapping]] = ..., answer: _Optional[_Union[EvaluateResponse.Answer, _Mapping]] = ...) -> None: ...

class Rule(_message.Message):
    __slots__ = ("id", "title", "level", "status", "tags", "logsource", "description", "author", "source", "references", "falsepositives", "fields", "asks", "keywords")
    ID_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    LOGSOURCE_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    REFERENCES_FIELD_NUMBER: _ClassVar[int]
    FALSEPOSITIVES_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    ASKS_FIELD_NUMBER: _ClassVar[int]
    KEYWORDS_FIELD_NUMBER: _ClassVar[int]
    id: str
    title: str
    level: str
    status: str
    tags: _containers.RepeatedScalarFieldContainer[str]
    logsource: LogSource
    description: str
    author: str
    source: str
    references: _containers.RepeatedScalarFieldContainer[str]
    falsepositives: _containers.RepeatedScalarFieldContainer[str]
    fields: _containers.RepeatedScalarFieldContainer[str]
    asks: _containers.RepeatedScalarFieldContainer[str]
    keywords: bool
    def __init__(self, id: _Optional[str] = ..., title: _Optional[str] = ..., level: _Optional[str] = ..., status: _Optional[str] = ..., tags: _Optional[_Iterable[str]] = ..., logsource: _Optional[_Union[LogSource, _Mapping]] = ..., description: _Optional[str] = ..., author: _Optional[str] = ..., source: _Optional[str] = ..., references: _Optional[_Iterable[str]] = ..., falsepositives: _Optional[_Iterable[str]] = ..., fields: _Optional[_Iterable[str]] = ..., asks: _Optional[_Iterable[str]] = ..., keywords: bool = ...) -> None: ...

class RefusedRule(_message.Message):
    __slots__ = ("source", "code", "message")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    source: str
    code: str
    message: str
    def __init__(self, source: _Optional[str] = ..., code: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class ListRulesRequest(_message.Message):
    __slots__ = ("pack", "page_size", "page_token")
    PACK_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    pack: str
    page_size: int
    page_token: str
    def __init__(self, pack: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListRulesResponse(_message.Message):
    __slots__ = ("rules", "next_page_token", "total_size", "refused", "digest")
    RULES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TOTAL_SIZE_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    rules: _containers.RepeatedCompositeFieldContainer[Rule]
    next_page_token: str
    total_size: int
    refused: _containers.RepeatedCompositeFieldContainer[RefusedRule]
    digest: str
    def __init__(self, rules: _Optional[_Iterable[_Union[Rule, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., total_size: _Optional[int] = ..., refused: _Optional[_Iterable[_Union[RefusedRule, _Mapping]]] = ..., digest: _Optional[str] = ...) -> None: ...

class GetStatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetStatusResponse(_message.Message):
    __slots__ = ("name", "version", "started", "ready", "reason", "paused", "delivery", "workers", "packs", "counts")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    STARTED_FIELD_NUMBER: _ClassVar[int]
    READY_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    PAUSED_FIELD_NUMBER: _ClassVar[int]
    DELIVERY_FIELD_NUMBER: _ClassVar[int]
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    PACKS_FIELD_NUMBER: _ClassVar[int]
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: str
    started: _timestamp_pb2.Timestamp
    ready: bool
    reason: str
    paused: bool
    delivery: str
    workers: _containers.RepeatedCompositeFieldContainer[WorkerStatus]
    packs: _containers.RepeatedCompositeFieldContainer[PackStatus]
    counts: Counts
    def __init__(self, name: _Optional[str] = ..., version: _Optional[str] = ..., started: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., ready: bool = ..., reason: _Optional[str] = ..., paused: bool = ..., delivery: _Optional[str] = ..., workers: _Optional[_Iterable[_Union[WorkerStatus, _Mapping]]] = ..., packs: _Optional[_Iterable[_Union[PackStatus, _Mapping]]] = ..., counts: _Optional[_Union[Counts, _Mapping]] = ...) -> None: ...

class WorkerStatus(_message.Message):
    __slots__ = ("index", "pid", "state", "detail", "assigned", "restarts", "connected")
    class Partition(_message.Message):
        __slots__ = ("topic", "partition", "lag")
        TOPIC_FIELD_NUMBER: _ClassVar[int]
        PARTITION_FIELD_NUMBER: _ClassVar[int]
        LAG_FIELD_NUMBER: _ClassVar[int]
        topic: str
        partition: int
        lag: int
        def __init__(self, topic: _Optional[str] = ..., partition: _Optional[int] = ..., lag: _Optional[int] = ...) -> None: ...
    INDEX_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    ASSIGNED_FIELD_NUMBER: _ClassVar[int]
    RESTARTS_FIELD_NUMBER: _ClassVar[int]
    CONNECTED_FIELD_NUMBER: _ClassVar[int]
    index: int
    pid: int
    state: str
    detail: str
    assigned: _containers.RepeatedCompositeFieldContainer[WorkerStatus.Partition]
    restarts: int
    connected: bool
    def __init__(self, index: _Optional[int] = ..., pid: _Optional[int] = ..., state: _Optional[str] = ..., detail: _Optional[str] = ..., assigned: _Optional[_Iterable[_Union[WorkerStatus.Partition, _Mapping]]] = ..., restarts: _Optional[int] = ..., connected: bool = ...) -> None: ...

class PackStatus(_message.Message):
    __slots__ = ("name", "pack", "version", "digest", "rules", "loaded", "path", "previous", "reloads", "refused", "last_refusal")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PACK_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    RULES_FIELD_NUMBER: _ClassVar[int]
    LOADED_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_FIELD_NUMBER: _ClassVar[int]
    RELOADS_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    LAST_REFUSAL_FIELD_NUMBER: _ClassVar[int]
    name: str
    pack: str
    version: str
    digest: str
    rules: int
    loaded: _timestamp_pb2.Timestamp
    path: str
    previous: str
    reloads: int
    refused: int
    last_refusal: str
    def __init__(self, name: _Optional[str] = ..., pack: _Optional[str] = ..., version: _Optional[str] = ..., digest: _Optional[str] = ..., rules: _Optional[int] = ..., loaded: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., path: _Optional[str] = ..., previous: _Optional[str] = ..., reloads: _Optional[int] = ..., refused: _Optional[int] = ..., last_refusal: _Optional[str] = ...) -> None: ...

class Counts(_message.Message):
    __slots__ = ("topics", "events", "rejected", "matches", "dead_letters", "delivered", "delivery_failures", "batches", "batch_bounds", "batch_buckets", "batch_seconds", "stalled_seconds", "rebalances")
    class Topic(_message.Message):
        __slots__ = ("topic", "records", "bytes")
        TOPIC_FIELD_NUMBER: _ClassVar[int]
        RECORDS_FIELD_NUMBER: _ClassVar[int]
        BYTES_FIELD_NUMBER: _ClassVar[int]
        topic: str
        records: int
        bytes: int
        def __init__(self, topic: _Optional[str] = ..., records: _Optional[int] = ..., bytes: _Optional[int] = ...) -> None: ...
    class RuleMatches(_message.Message):
        __slots__ = ("pack", "rule", "matches")
        PACK_FIELD_NUMBER: _ClassVar[int]
        RULE_FIELD_NUMBER: _ClassVar[int]
        MATCHES_FIELD_NUMBER: _ClassVar[int]
        pack: str
        rule: int
        matches: int
        def __init__(self, pack: _Optional[str] = ..., rule: _Optional[int] = ..., matches: _Optional[int] = ...) -> None: ...
    class DeadLettersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    class DeliveredEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    TOPICS_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    REJECTED_FIELD_NUMBER: _ClassVar[int]
    MATCHES_FIELD_NUMBER: _ClassVar[int]
    DEAD_LETTERS_FIELD_NUMBER: _ClassVar[int]
    DELIVERED_FIELD_NUMBER: _ClassVar[int]
    DELIVERY_FAILURES_FIELD_NUMBER: _ClassVar[int]
    BATCHES_FIELD_NUMBER: _ClassVar[int]
    BATCH_BOUNDS_FIELD_NUMBER: _ClassVar[int]
    BATCH_BUCKETS_FIELD_NUMBER: _ClassVar[int]
    BATCH_SECONDS_FIELD_NUMBER: _ClassVar[int]
    STALLED_SECONDS_FIELD_NUMBER: _ClassVar[int]
    REBALANCES_FIELD_NUMBER: _ClassVar[int]
    topics: _containers.RepeatedCompositeFieldContainer[Counts.Topic]
    events: int
    rejected: int
    matches: _containers.RepeatedCompositeFieldContainer[Counts.RuleMatches]
    dead_letters: _containers.ScalarMap[str, int]
    delivered: _containers.ScalarMap[str, int]
    delivery_failures: int
    batches: int
    batch_bounds: _containers.RepeatedScalarFieldContainer[float]
    batch_buckets: _containers.RepeatedScalarFieldContainer[int]
    batch_seconds: float
    stalled_seconds: float
    rebalances: int
    def __init__(self, topics: _Optional[_Iterable[_Union[Counts.Topic, _Mapping]]] = ..., events: _Optional[int] = ..., rejected: _Optional[int] = ..., matches: _Optional[_Iterable[_Union[Counts.RuleMatches, _Mapping]]] = ..., dead_letters: _Optional[_Mapping[str, int]] = ..., delivered: _Optional[_Mapping[str, int]] = ..., delivery_failures: _Optional[int] = ..., batches: _Optional[int] = ..., batch_bounds: _Optional[_Iterable[float]] = ..., batch_buckets: _Optional[_Iterable[int]] = ..., batch_seconds: _Optional[float] = ..., stalled_seconds: _Optional[float] = ..., rebalances: _Optional[int] = ...) -> None: ...

class PushPackRequest(_message.Message):
    __slots__ = ("start", "file", "data")
    class Start(_message.Message):
        __slots__ = ("pack", "manifest", "signature")
        PACK_FIELD_NUMBER: _ClassVar[int]
        MANIFEST_FIELD_NUMBER: _ClassVar[int]
        SIGNATURE_FIELD_NUMBER: _ClassVar[int]
        pack: str
        manifest: bytes
        signature: bytes
        def __init__(self, pack: _Optional[str] = ..., manifest: _Optional[bytes] = ..., signature: _Optional[bytes] = ...) -> None: ...
    START_FIELD_NUMBER: _ClassVar[int]
    FILE_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    start: PushPackRequest.Start
    file: str
    data: bytes
    def __init__(self, start: _Optional[_Union[PushPackRequest.Start, _Mapping]] = ..., file: _Optional[str] = ..., data: _Optional[bytes] = ...) -> None: ...

class PushPackResponse(_message.Message):
    __slots__ = ("version", "detail")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    version: str
    detail: str
    def __init__(self, version: _Optional[str] = ..., detail: _Optional[str] = ...) -> None: ...

class FetchPackRequest(_message.Message):
    __slots__ = ("pack",)
    PACK_FIELD_NUMBER: _ClassVar[int]
    pack: str
    def __init__(self, pack: _Optional[str] = ...) -> None: ...

class RollbackRequest(_message.Message):
    __slots__ = ("pack",)
    PACK_FIELD_NUMBER: _ClassVar[int]
    pack: str
    def __init__(self, pack: _Optional[str] = ...) -> None: ...

class RollbackResponse(_message.Message):
    __slots__ = ("version", "detail")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    version: str
    detail: str
    def __init__(self, version: _Optional[str] = ..., detail: _Optional[str] = ...) -> None: ...

class PauseRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class PauseResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ResumeRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ResumeResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class WatchMatchesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class WatchMatchesResponse(_message.Message):
    __slots__ = ("match", "missed")
    MATCH_FIELD_NUMBER: _ClassVar[int]
    MISSED_FIELD_NUMBER: _ClassVar[int]
    match: bytes
    missed: int
    def __init__(self, match: _Optional[bytes] = ..., missed: _Optional[int] = ...) -> None: ...
