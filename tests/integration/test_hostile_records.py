"""One record that is made to do harm stops nothing: what comes behind it is delivered."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from sigmac.runtime.stream.dead_letters import from_message
from tests.integration.brokers import Broker
from tests.integration.ledger import Service, Topics, running
from tests.integration.messages import received
from tests.integration.raw_messages import RawProducer

pytestmark = [pytest.mark.slow, pytest.mark.java]

WANTED, BROKEN = b'{"n": 0, "Kind": "wanted"}', b'{"n": 0, broken'


@pytest.mark.parametrize("delivery", ["at-least-once", "exactly-once"])
def test_headers_whose_names_are_no_text(
    delivery: str, start_broker: Callable[[str], Broker], pack_folder: Path, tmp_path: Path
) -> None:
    kafka = start_broker("kafka")
    topics = Topics(kafka, 2)
    producer = RawProducer(kafka.address)
    bad = [(b"traceparent", b"00-a-b-01"), (b"\xff\xfekey", b"v")]
    producer.produce(topics.events, WANTED, key=b"k", headers=bad)
    producer.produce(topics.events, BROKEN, key=b"k", headers=bad)
    producer.produce(topics.events, WANTED, headers=[(b"traceparent", b"00-a-b-01")])
    producer.produce(topics.events, WANTED, partition=1)
    producer.flush()
    producer.close()
    with running(Service(topics, pack_folder, tmp_path, delivery=delivery)) as service:
        matches = received(kafka, topics.matches, 3)
        letters = received(kafka, topics.dead, 1)
        assert service.metric("sigmac_worker_restarts_total") == [0, 0]
        assert service.stop() == 0
    headers = {}
    for each in matches:
        source = orjson.loads(each.value() or b"")["source"]
        headers[source["partition"], source["offset"]] = dict(each.headers() or ())
    assert headers.keys() == {(0, 0), (0, 2), (1, 0)}
    assert "traceparent" not in headers[0, 0]
    assert headers[0, 2]["traceparent"] == b"00-a-b-01"
    (letter,) = [from_message(each.value(), each.key(), each.headers() or ()) for each in letters]
    assert (letter.value, letter.origin.key, letter.origin.offset) == (BROKEN, b"k", 1)
    assert (letter.origin.headers, letter.origin.headers_lost) == ((), True)
