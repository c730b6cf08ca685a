"""The service at a broker that asks who is there: what it needs is enough, and what is missing is said in one line."""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import ResourceType

from tests.integration.brokers import Unavailable
from tests.integration.ledger import Ledger, Service, Topics, read_account, running
from tests.integration.secured import CERTIFIED, PASSWORDS, SecuredKafka

pytestmark = [pytest.mark.slow, pytest.mark.java]

TOPIC, GROUP = ResourceType.TOPIC, ResourceType.GROUP
TRANSACTION = ResourceType.TRANSACTIONAL_ID


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredKafka]:
    try:
        broker = SecuredKafka(tmp_path_factory.mktemp("secured"))
    except Unavailable as error:
        pytest.skip(str(error))
    broker.start()
    yield broker
    broker.kill()


@pytest.fixture
def topics(secured: SecuredKafka) -> Topics:
    return Topics(secured, 2)


@pytest.fixture
def service(topics: Topics, pack_folder: Path, tmp_path: Path) -> Callable[..., Service]:
    """The service with properties of its connection."""

    def make(properties: dict[str, Any], **changes: Any) -> Service:
        made = Service(topics, pack_folder, tmp_path, **{"workers": 1, **changes})
        made.configuration["source"]["kafka"]["properties"] |= properties
        return made

    return make


Make = Callable[..., Service]


def what_it_needs(topics: Topics) -> list[tuple[ResourceType, str, str]]:
    """As docs/operations.md says."""
    return [
        (TOPIC, topics.events, "read describe"),
        (GROUP, topics.group, "read"),
        (TOPIC, topics.matches, "write describe"),
        (TOPIC, topics.dead, "write describe"),
        (TRANSACTION, f"{topics.group}.service-{topics.suffix}.*", "write describe"),
    ]


@pytest.mark.parametrize("delivery", ["at-least-once", "exactly-once"])
def test_a_user_needs_no_more_than_the_page_says(
    delivery: str, secured: SecuredKafka, topics: Topics, service: Make, tmp_path: Path
) -> None:
    password = tmp_path / "password"
    password.write_text(PASSWORDS["reader"])
    secured.allow("reader", what_it_needs(topics))
    ledger = Ledger(topics)
    ledger.produce(300)
    properties = secured.as_user("reader") | {"sasl.password": {"file": str(password)}}
    with running(service(properties, delivery=delivery, logs={"level": "debug"})) as serving:
        account = read_account(ledger, timeout=60)
        with urllib.request.urlopen(f"http://127.0.0.1:{serving.port}/metrics") as answer:
            metrics = answer.read().decode()
        assert serving.stop() == 0
    assert (account.lost, account.doubled, account.wrong) == (set(), 0, set())
    assert PASSWORDS["reader"] not in serving.log.read_text()
    assert PASSWORDS["reader"] not in metrics


def test_a_client_may_show_a_certificate(
    secured: SecuredKafka, topics: Topics, service: Make
) -> None:
    secured.allow(CERTIFIED, what_it_needs(topics))
    ledger = Ledger(topics)
    ledger.produce(300)
    with running(service(secured.with_certificate("certified"))) as serving:
        account = read_account(ledger, timeout=60)
        assert serving.stop() == 0
    assert (account.lost, account.doubled, account.wrong) == (set(), 0, set())


def last_line(service: Service) -> str:
    """What the service says at its end; it ended by itself with exit status 1, and no secret is in its log."""
    with running(service) as serving:
        assert serving.process is not None
        assert serving.process.wait(60) == 1
    text = service.log.read_text()
    assert not any(secret in text for secret in PASSWORDS.values())
    assert "Traceback" not in text
    return text.splitlines()[-1]


def test_a_wrong_password(secured: SecuredKafka, service: Make) -> None:
    line = last_line(service(secured.as_user("reader", password="wr0ng-pass-word")))
    assert re.match("sigmac: kafka: the broker: the broker refuses the credentials", line)
    assert "wr0ng-pass-word" not in line


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ("events", r"there is no topic {events}, or no permission to see it"),
        ("read events", r"{events}: no permission for the topic"),
        ("group", r".*no permission for the consumer group"),
        ("matches", r"there is no topic {matches}, or no permission to see it"),
        ("write matches", r"{matches}: no permission for the topic"),
        ("write dead", r"{dead}: no permission for the topic"),
    ],
)
def test_a_missing_permission(
    missing: str, said: str, secured: SecuredKafka, topics: Topics, service: Make
) -> None:
    operation, _, name = missing.rpartition(" ")
    grants = []
    for kind, resource, operations in what_it_needs(topics):
        if resource == getattr(topics, name):
            operations = operations.replace(operation, "") if operation else ""
        grants.append((kind, resource, operations))
    secured.allow("stranger", grants)
    Ledger(topics).produce(100)
    names = {each: re.escape(getattr(topics, each)) for each in ("events", "matches", "dead")}
    line = last_line(service(secured.as_user("stranger")))
    assert re.match(f"sigmac: kafka: {said.format(**names)}", line), line


def test_a_missing_permission_for_transactions(
    secured: SecuredKafka, topics: Topics, service: Make
) -> None:
    secured.allow("stranger", what_it_needs(topics)[:-1])
    line = last_line(service(secured.as_user("stranger"), delivery="exactly-once"))
    assert re.match(r"sigmac: kafka: .*no permission for the transactional id", line), line


def test_certificates_that_are_not_valid(
    secured: SecuredKafka, service: Make, tmp_path: Path
) -> None:
    expired = secured.with_certificate("expired", days=-1)
    assert re.match("sigmac: kafka: the broker: TLS fails", last_line(service(expired)))


def test_a_broker_whose_certificate_is_not_valid(secured: SecuredKafka, service: Make) -> None:
    address = {"bootstrap.servers": f"127.0.0.1:{secured.expired_port}"}
    expired = secured.with_certificate("certified") | address
    assert re.match("sigmac: kafka: the broker: TLS fails", last_line(service(expired)))
