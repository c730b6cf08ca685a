"""A program around the Go engine: reads a topic in a group, writes the results of each event, and commits then.

`python go_shipper.py SERVERS EVENTS MATCHES GROUP RULES`
"""

from __future__ import annotations

import json
import sys

from confluent_kafka import Consumer, Producer

from sigmac.compat.go.go_engine import GoEngine, build_engine

_MOST = 10  # records between two commits, so that there are many


def main(servers: str, events: str, matches: str, group: str, rules: str) -> None:
    """Until it is killed."""
    reading = {
        "group.id": group,
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
        "session.timeout.ms": 6000,
        "heartbeat.interval.ms": 1000,
    }
    consumer = Consumer({"bootstrap.servers": servers, **reading})
    producer = Producer({"bootstrap.servers": servers, "linger.ms": 0})
    consumer.subscribe([events])
    with GoEngine(build_engine()) as engine:
        taken = [each for each in engine.load([rules]) if each["outcome"] == "ok"]
        while True:
            for message in consumer.consume(_MOST, 0.1):
                if message.error() is not None:
                    continue
                found = engine.evaluate(json.loads(message.value()))["matched"]
                results = [
                    {"Tags": None, "ID": taken[each].get("id", ""), "Title": taken[each]["title"]}
                    for each in found
                ]
                source = {
                    "topic": message.topic(),
                    "partition": message.partition(),
                    "offset": message.offset(),
                }
                if results:
                    producer.produce(matches, json.dumps({"source": source, "results": results}))
            assert producer.flush(30) == 0
            if consumer.assignment():
                _commit(consumer)


def _commit(consumer: Consumer) -> None:
    positions = [each for each in consumer.position(consumer.assignment()) if each.offset >= 0]
    if positions:
        consumer.commit(offsets=positions, asynchronous=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
