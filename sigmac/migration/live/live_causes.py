"""Why one program alone has a match: its event is fetched, and asked of the model of the Go engine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from sigmac.migration.difference_causes import RuleCauses
from sigmac.migration.go_configuration import GoConfiguration, read_go_configuration
from sigmac.migration.live.live_settings import LiveSettings
from sigmac.migration.live.pairing import Partition, Side, Single
from sigmac.runtime.errors import EventError
from sigmac.runtime.scalar.json_record import parse_record

_MOST = 20  # differences of a rule and side of which a run looks for causes

RecordAt = Callable[[Partition, int], bytes | None]


class LiveCauses:
    """Tells causes where the settings name rules. Raises as `RuleCauses` and `read_go_configuration` do."""

    def __init__(self, settings: LiveSettings):
        given = settings.go_config
        program = GoConfiguration() if given is None else read_go_configuration(given)
        self._rules = RuleCauses(settings.rules, program) if settings.rules else None
        self._looked: Counter[tuple[str, Side]] = Counter()

    def told(self, single: Single, record_at: RecordAt | None) -> Single:
        """The difference with its causes; as it is where they cannot be looked for, or were often enough."""
        found, kind = single.found, (single.found.rule, single.only)
        if self._rules is None or record_at is None or found.event or self._looked[kind] >= _MOST:
            return single
        self._looked[kind] += 1
        record = record_at((found.topic, found.partition), found.offset)
        if record is None:
            return single
        try:
            event = parse_record(record)
        except EventError:
            return single  # an envelope, or several events
        causes = self._rules.of(found.rule, event, go=single.only is Side.GO)
        return replace(single, causes=causes)
