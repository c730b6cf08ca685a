"""Which properties librdkafka does not take, asked of librdkafka itself before anything is connected."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Mapping

from confluent_kafka import KafkaException, Producer

# librdkafka has no list of its properties to ask for; of these a wrong name is mostly a misspelling.
_USUAL = """
    allow.auto.create.topics auto.offset.reset batch.num.messages batch.size bootstrap.servers broker.address.family
    check.crcs client.id client.rack compression.codec compression.level compression.type connections.max.idle.ms debug
    delivery.timeout.ms enable.ssl.certificate.verification fetch.error.backoff.ms fetch.max.bytes
    fetch.message.max.bytes fetch.min.bytes fetch.wait.max.ms group.id group.instance.id group.protocol
    heartbeat.interval.ms isolation.level linger.ms log_level max.in.flight.requests.per.connection
    max.partition.fetch.bytes max.poll.interval.ms message.max.bytes message.timeout.ms metadata.max.age.ms
    partition.assignment.strategy partitioner queue.buffering.max.kbytes queue.buffering.max.messages
    queued.max.messages.kbytes queued.min.messages receive.message.max.bytes reconnect.backoff.max.ms
    reconnect.backoff.ms request.required.acks request.timeout.ms retries retry.backoff.max.ms retry.backoff.ms
    sasl.kerberos.keytab sasl.kerberos.principal sasl.kerberos.service.name sasl.mechanism sasl.mechanisms
    sasl.oauthbearer.client.id sasl.oauthbearer.client.secret sasl.oauthbearer.config sasl.oauthbearer.extensions
    sasl.oauthbearer.method sasl.oauthbearer.scope sasl.oauthbearer.token.endpoint.url sasl.password sasl.username
    security.protocol session.timeout.ms socket.connection.setup.timeout.ms socket.keepalive.enable
    socket.nagle.disable socket.receive.buffer.bytes socket.send.buffer.bytes socket.timeout.ms ssl.ca.location
    ssl.ca.pem ssl.certificate.location ssl.certificate.pem ssl.cipher.suites ssl.crl.location ssl.curves.list
    ssl.endpoint.identification.algorithm ssl.key.location ssl.key.password ssl.key.pem ssl.keystore.location
    ssl.keystore.password ssl.sigalgs.list statistics.interval.ms sticky.partitioning.linger.ms
    topic.metadata.refresh.interval.ms transaction.timeout.ms
"""
# librdkafka would warn on standard error that there is no broker.
_SILENT = logging.Logger("librdkafka", logging.CRITICAL + 1)
_SILENT.addHandler(logging.NullHandler())


def wrong_properties(properties: Mapping[str, str]) -> dict[str, str]:
    """What is wrong with each property that librdkafka refuses by itself, without the value.

    Each is tried alone with a client that has no broker. What does not fit together shows when the clients are made.
    """
    found = {}
    for name, value in properties.items():
        try:
            Producer({name: value}, logger=_SILENT)
        except (KafkaException, TypeError, ValueError) as error:
            said = error.args[0].str() if isinstance(error, KafkaException) else str(error)
            if "No such configuration property" in said or "not settable" in said:
                close = difflib.get_close_matches(name, _USUAL.split(), 1)
                hint = f"; did you mean `{close[0]}`?" if close else ""
                found[name] = f"librdkafka has no such property{hint}"
            elif "Invalid value" in said:
                found[name] = "librdkafka does not take this value"
            elif "outside allowed range" in said:
                found[name] = f"should be within {said.rpartition(' ')[2].strip()}"
            elif not isinstance(error, KafkaException):
                found[name] = "this property is not text, it cannot be set here"
    return found
