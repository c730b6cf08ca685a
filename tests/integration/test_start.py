"""What a service does about a broker that is not there, or topics that are not: it waits, or says so in one line."""

from __future__ import annotations

import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.integration.brokers import ApacheKafka, Broker
from tests.integration.ledger import Ledger, Service, Topics, read_account, running
from tests.integration.proxy import Proxy

pytestmark = pytest.mark.slow


def readiness(service: Service) -> str:
    """What `/ready` says; empty where nobody answers yet."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{service.port}/ready", timeout=5) as answer:
            said: bytes = answer.read()
    except urllib.error.HTTPError as error:
        said = error.read()
    except urllib.error.URLError:
        said = b""
    return said.decode()


def until(service: Service, pattern: str, timeout: float = 60) -> str:
    """Wait for an answer of `/ready`."""
    end = time.monotonic() + timeout
    while not re.search(pattern, said := readiness(service)):
        assert time.monotonic() < end, said
        time.sleep(0.1)
    return said


@pytest.mark.parametrize("missing", ["events", "matches", "dead"])
def test_a_topic_that_does_not_exist_is_one_line(
    missing: str, broker: Broker, pack_folder: Path, tmp_path: Path
) -> None:
    topics = Topics(broker)
    service = Service(topics, pack_folder, tmp_path)
    configuration = service.configuration
    if missing == "events":
        configuration["source"]["kafka"]["inputs"][0]["topics"] = ["nowhere"]
    else:
        section = {"matches": "matches", "dead": "dead_letters"}[missing]
        configuration[section]["kafka"]["topic"] = "nowhere"
    with running(service):
        assert service.process is not None
        assert service.process.wait(60) == 1
    (line,) = [each["text"] for each in service.lines() if "text" in each]
    assert re.fullmatch(r"sigmac: kafka: there is no topic nowhere, or no permission .*", line)


@pytest.mark.java
def test_a_broker_that_is_not_there_is_waited_for(
    start_broker: Callable[[str], Broker], pack_folder: Path, tmp_path: Path
) -> None:
    kafka = start_broker("kafka")
    assert isinstance(kafka, ApacheKafka)
    topics = Topics(kafka)
    ledger = Ledger(topics)
    ledger.produce(300)
    service = Service(topics, pack_folder, tmp_path, workers=1)
    properties = service.configuration["source"]["kafka"]["properties"]
    properties["bootstrap.servers"] = f"127.0.0.1:{kafka.proxied_port}"
    properties["reconnect.backoff.max.ms"] = "500"
    with running(service):
        said = until(service, r"not ready: worker 0 is failing")
        assert re.search(r"Connection refused|brokers are down|transport failure", said)
        with closing(Proxy(kafka.proxied_port, kafka.behind_proxy)) as proxy:
            account = read_account(ledger, timeout=60)
            until(service, "^ready")
            proxy.cut()
            until(service, r"not ready: worker 0 is failing: .*")
            proxy.restore()
            until(service, "^ready")  # without a record that would show it
            proxy.cut()
            until(service, r"not ready: worker 0 is failing: .*")
            ledger.produce(300)
            proxy.restore()
            until(service, "^ready")
            account = read_account(ledger, timeout=60)
            assert service.stop() == 0
    assert (account.lost, account.wrong, account.unidentified) == (set(), set(), set())
