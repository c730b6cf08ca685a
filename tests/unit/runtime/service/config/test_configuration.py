"""Configurations as users write them: right ones, wrong ones, hostile ones."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from pydantic import ValidationError

from sigmac.runtime.errors import ConfigurationError
from sigmac.runtime.service.config.configuration import Settings, load_settings
from sigmac.runtime.service.config.secrets import Secret
from sigmac.runtime.service.config.sections import DeadLetters, Delivery, HttpSettings

SMALLEST = """
packs: {windows: {path: packs/windows}}
source:
  kafka:
    properties: {bootstrap.servers: "broker:9092", group.id: sigmac}
    inputs:
      - topics: [events]
        pack: windows
matches: {kafka: {topic: matches}}
dead_letters: drop
"""
FILES = """
packs: {windows: {path: packs/windows}}
source: {files: {paths: [events.ndjson], pack: windows, logsource: {product: windows}}}
matches: {stdout: {}}
dead_letters: {file: {path: dead.ndjson}}
"""
HIDDEN = "correct-horse-battery"

Load = Callable[..., Settings]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Write a configuration and load it; the environment is what is given."""

    def load(
        text: str, environment: Mapping[str, str] | None = None, name: str = "c.yml"
    ) -> Settings:
        file = tmp_path / name
        file.write_text(text, encoding="utf-8")
        return load_settings(file, environment or {})

    return load


@pytest.fixture
def refused(load: Load, tmp_path: Path) -> Callable[..., list[str]]:
    """The lines with which a configuration is refused; the file's folder is left out."""

    def refused(
        text: str, environment: Mapping[str, str] | None = None, name: str = "c.yml"
    ) -> list[str]:
        with pytest.raises(ConfigurationError) as caught:
            load(text, environment, name)
        return str(caught.value).replace(f"{tmp_path}/", "").split("\n")

    return refused


Refused = Callable[..., list[str]]


# What is right


def test_the_smallest_configuration_says_the_rest_by_defaults(load: Load, tmp_path: Path) -> None:
    settings = load(SMALLEST)
    assert settings.name == "sigmac"
    assert settings.delivery is Delivery.AT_LEAST_ONCE
    assert settings.packs["windows"].path == str(tmp_path / "packs" / "windows")
    assert settings.state == tmp_path / "sigmac-state"
    assert settings.batch.max_records == 10000
    assert settings.http is settings.control is settings.tracing is None
    assert settings.worker_count >= 1
    assert settings.kafka_properties() == (
        {"bootstrap.servers": "broker:9092", "group.id": "sigmac"},
        {},
        {},
    )


def test_toml_says_the_same_as_yaml(load: Load) -> None:
    toml = """
        dead_letters = "drop"
        [packs.windows]
        path = "packs/windows"
        [source.kafka.properties]
        "bootstrap.servers" = "broker:9092"
        "group.id" = "sigmac"
        [[source.kafka.inputs]]
        topics = ["events"]
        pack = "windows"
        [matches.kafka]
        topic = "matches"
    """
    assert load(toml, name="c.toml") == load(SMALLEST)


def test_inputs_are_one_list_whatever_the_source(load: Load) -> None:
    (one,) = load(FILES).inputs
    assert (one.pack, one.logsource.product, one.payload, one.format) == (
        "windows",
        "windows",
        "",
        "event",
    )
    more = SMALLEST.replace(
        "matches:",
        "      - {topics: ['^app-.*'], pack: windows, payload: log.original, format: array}\nmatches:",
        1,
    )
    assert [(each.payload, each.format) for each in load(more).inputs] == [
        ("", "event"),
        ("log.original", "array"),
    ]


CLIENTS = """
packs: {windows: {path: packs/windows}}
source: {clients: {}}
control: {bind: "unix:run/control.sock"}
"""


def test_a_service_for_clients_alone(load: Load, tmp_path: Path) -> None:
    settings = load(CLIENTS)
    assert settings.control is not None
    assert settings.control.bind == f"unix:{tmp_path}/run/control.sock"
    assert (settings.process_count, settings.inputs, settings.uses_kafka) == (0, (), False)
    assert load(CLIENTS.replace("unix:run/control.sock", "127.0.0.1:9090")).process_count == 0
    http = load(f"{CLIENTS}http: {{bind: '127.0.0.1:9090'}}").http
    assert http is not None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            CLIENTS.replace("control:", "#"),
            "c.yml: control: clients need it: set `control.bind`",
        ),
        (
            CLIENTS + "dead_letters: drop",
            "c.yml:5: dead_letters: with `source.clients` nothing but answers goes out: leave it out",
        ),
        (
            CLIENTS.replace('sock"', 'sock", tls: {certificate: a.pem, key: b.pem}'),
            "c.yml:4: control.tls: a socket of this machine needs none: leave it out",
        ),
        (
            CLIENTS.replace("run/control.sock", ""),
            "c.yml:4: control.bind: should be `unix:` and the path of a socket, as `unix:run/control.sock`",
        ),
        (
            CLIENTS.replace("run/", "r" * 120 + "/"),
            "c.yml:4: control.bind: the path of a socket has at most 103 bytes",
        ),
    ],
)
def test_mistakes_in_a_service_for_clients(text: str, said: str, refused: Refused) -> None:
    assert refused(text) == [said]


def test_files_are_read_by_one_worker(load: Load, refused: Refused) -> None:
    assert load(FILES).worker_count == 1
    assert refused(FILES + "workers: 2") == [
        "c.yml:6: workers: files and standard input are read by one worker"
    ]


@pytest.mark.parametrize("target", ["events.ndjson", "dead.ndjson"])
@pytest.mark.parametrize("way", ["link", "hard link", "folder", "dangling"])
def test_a_file_is_read_or_written_by_whatever_name(
    way: str, target: str, tmp_path: Path, refused: Refused
) -> None:
    if way != "dangling":
        (tmp_path / target).touch()
    if way == "folder":
        (tmp_path / "there").symlink_to(tmp_path)
    elif way == "hard link":
        (tmp_path / "out.ndjson").hardlink_to(tmp_path / target)
    else:
        (tmp_path / "out.ndjson").symlink_to(tmp_path / target)
    path = f"there/{target}" if way == "folder" else "out.ndjson"
    (said,) = refused(FILES.replace("stdout: {}", f"file: {{path: {path}}}"))
    assert said.endswith(("it would go round in circles", "matches go to this file already"))


def test_text_stays_as_it_was_written(load: Load) -> None:
    properties = (
        "sasl.password: 0123, sasl.username: no, linger.ms: 5, check.crcs: true, client.id: 1e3"
    )
    settings = load(SMALLEST.replace("group.id: sigmac", f"group.id: sigmac, {properties}"))
    common, _, _ = settings.kafka_properties()
    assert [common[each.split(": ")[0]] for each in properties.split(", ")] == [
        "0123",
        "no",
        "5",
        "true",
        "1e3",
    ]


def test_an_empty_section_is_as_if_it_were_not_there(load: Load) -> None:
    assert load(SMALLEST + "logs:\nhttp:\nbatch:\n") == load(SMALLEST)


def test_a_pack_is_a_folder_or_the_name_of_an_installed_one(load: Load, tmp_path: Path) -> None:
    def path(given: str) -> str:
        return load(SMALLEST.replace("packs/windows", given)).packs["windows"].path

    assert path("my-pack") == "my-pack"
    assert path("./my-pack") == str(tmp_path / "my-pack")
    assert path("/packs/windows") == "/packs/windows"
    (tmp_path / "my-pack").mkdir()
    assert path("my-pack") == str(tmp_path / "my-pack")


def test_settings_do_not_change(load: Load) -> None:
    with pytest.raises(ValidationError):
        load(SMALLEST).batch.max_records = 1  # type: ignore[misc]


# The environment


def test_variables_override_keys(load: Load) -> None:
    settings = load(
        SMALLEST,
        {
            "SIGMAC_DELIVERY": "exactly-once",
            "SIGMAC_BATCH__MAX_WAIT": "1",
            "SIGMAC_PACKS__WINDOWS__PATH": "/elsewhere",
            "SIGMAC_SOURCE__KAFKA__PROPERTIES__BOOTSTRAP_SERVERS": "other:9092",
            "SIGMAC_SOURCE__KAFKA__PROPERTIES__SESSION_TIMEOUT_MS": "9000",
            "SIGMAC_SOURCE__KAFKA__INPUTS__0__TOPICS": "[a, b]",
            "SIGMAC_SOURCE__KAFKA__INPUTS__1__TOPICS": "[c]",
            "SIGMAC_SOURCE__KAFKA__INPUTS__1__PACK": "windows",
            "SIGMAC_DEAD_LETTERS__KAFKA__TOPIC": "dead",
            "SIGMAC_HTTP__BIND": "127.0.0.1:1",
            "SIGMAC_HTTP__TOKEN__ENV": "T",
            "T": HIDDEN,
            "SIGMAC_STATE": "",  # as if it were not set
        },
    )
    assert settings.delivery is Delivery.EXACTLY_ONCE
    assert settings.batch.max_wait == 1
    assert settings.packs["windows"].path == "/elsewhere"
    assert settings.kafka_properties()[0]["bootstrap.servers"] == "other:9092"
    assert settings.kafka_properties()[0]["session.timeout.ms"] == "9000"
    assert settings.source.kafka
    assert [each.topics for each in settings.source.kafka.inputs] == [("a", "b"), ("c",)]
    assert isinstance(settings.dead_letters, DeadLetters)
    assert settings.http
    assert settings.http.token == Secret(HIDDEN)


def test_a_configuration_can_be_variables_alone() -> None:
    settings = load_settings(
        None,
        {
            "SIGMAC_PACKS__WINDOWS__PATH": "/packs/windows",
            "SIGMAC_SOURCE": "{stdin: {pack: windows}}",
            "SIGMAC_MATCHES": "{stdout: {}}",
            "SIGMAC_DEAD_LETTERS": "drop",
        },
    )
    assert settings.inputs[0].pack == "windows"


def test_variables_that_containers_set_for_a_service_of_our_name_are_no_keys(load: Load) -> None:
    others = {
        "SIGMAC_SERVICE_HOST": "10.0.0.1",
        "SIGMAC_SERVICE_PORT_HTTP": "8080",
        "SIGMAC_PORT": "tcp://10.0.0.1:8080",
        "SIGMAC_PORT_8080_TCP_ADDR": "10.0.0.1",
        "SIGMAC_HTTP_SERVICE_HOST": "10.0.0.1",
        "SIGMAC_KERNELS": "off",
    }
    assert load(SMALLEST, others) == load(SMALLEST)


def test_a_wrong_variable_is_named(refused: Refused) -> None:
    assert refused(
        SMALLEST,
        {
            "SIGMAC_BATCH__MAX_WATE": "1",
            "SIGMAC_LOGS__": "x",
            "SIGMAC_RELOAD": "{watch: 1",
            "SIGMAC_SOURCE__KAFKA__INPUTS__FIRST__PACK": "x",
            "SIGMAC_TOPICS": "x",
        },
    ) == [
        "SIGMAC_LOGS__: a part of the name is empty",
        "SIGMAC_RELOAD: expected ',' or '}', but got '<stream end>'",
        "SIGMAC_SOURCE__KAFKA__INPUTS__FIRST__PACK: `source.kafka.inputs` is a list of 1: "
        "name an item by its number from 0",
        "SIGMAC_BATCH__MAX_WATE: batch.max_wate: there is no such key; did you mean `max_wait`?",
        "SIGMAC_TOPICS: topics: there is no such key; did you mean `source.kafka.inputs.N.topics`?",
    ]


# What is wrong


def test_what_is_trusted_is_said_plainly(refused: Refused) -> None:
    text = """\
packs:
  windows: {path: a, trusted_keys: [], least_version: newest}
source: {stdin: {pack: windows}}
matches: {stdout: {}}
"""
    assert refused(text)[:2] == [
        "c.yml:2: packs.windows.trusted_keys: "
        "an empty list trusts nobody: name a key, or leave the list out",
        "c.yml:2: packs.windows.least_version: 'newest' is no version: write it as 1.2.3 (PEP 440)",
    ]


def test_every_wrong_key_is_named_at_once_with_its_line(refused: Refused) -> None:
    text = """\
nam: x
packs:
  windows: {pth: a, trusted_keys: b.pub}
  "two words": {path: x}
source:
  kafka:
    properties: {bootstrap.servers: "b:1", sasl_password: x, acks: all}
    inputs:
      - topics: [a, "^("]
        logsourc: {}
        pack: windows
        format: jsn
matches:
  webhook: {url: "https://u:p@x", headers: {Host: x}, batch: many}
dead_letters: {kafkaa: {}}
batch: {max_wait: nan, max_records: 0}
http: {bind: ":80"}
control: 5
"""
    assert refused(text) == [
        "c.yml:3: packs.windows.path: this key is missing: "
        "Folder of the pack, or the name of an installed one. Watched for changes.",
        "c.yml:3: packs.windows.trusted_keys: should be a list",
        "c.yml:3: packs.windows.pth: there is no such key; did you mean `path`?",
        "c.yml:4: packs.two words: a name is up to 64 letters, digits, `_`, `.` and `-`",
        "c.yml:7: source.kafka.properties.sasl_password: "
        "properties of librdkafka are lower case with dots, as `sasl.password`",
        "c.yml:7: source.kafka.properties.acks: `acks` cannot be set: "
        "a message is delivered when all replicas in sync have it",
        "c.yml:9: source.kafka.inputs.0.topics.1: "
        "not a regular expression: missing ), unterminated subpattern at position 1",
        "c.yml:12: source.kafka.inputs.0.format: should be "
        "'event', 'array', 'ndjson', 'auto', 'json', 'windows-xml', 'auditd', 'cef', 'leef', 'access-log' or 'syslog'",
        "c.yml:10: source.kafka.inputs.0.logsourc: there is no such key; did you mean `logsource`?",
        "c.yml:14: matches.webhook.url: leave user and password out of the address: logs show it",
        "c.yml:14: matches.webhook.headers.Host: `Host` cannot be set here: it is in `url`",
        "c.yml:14: matches.webhook.batch: should be a valid integer",
        "c.yml:15: dead_letters.kafkaa: there is no such key; did you mean `kafka`?",
        "c.yml:16: batch.max_records: should be greater than or equal to 1",
        "c.yml:16: batch.max_wait: should be less than or equal to 60",
        "c.yml:17: http.bind: `:80` is not HOST:PORT",
        "c.yml:18: control: should be a section with keys",
        "c.yml:1: nam: there is no such key; did you mean `name`?",
    ]


def test_toml_tells_the_key_without_a_line(refused: Refused) -> None:
    assert "c.toml: packs: this key is missing: Rule packs by the name that inputs use." in refused(
        "name = 'x'", name="c.toml"
    )


def without(text: str, line: str) -> str:
    assert line in text
    return text.replace(line, "")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            without(SMALLEST, "dead_letters: drop\n"),
            "c.yml: dead_letters: this key is missing: Where records go that hold no event: "
            "a section, or `drop`, which counts them only.",
        ),
        (
            SMALLEST.replace("pack: windows", "pack: window"),
            "c.yml:8: source.kafka.inputs.0.pack: there is no pack `window` under `packs`; "
            "did you mean `windows`?",
        ),
        (
            SMALLEST.replace(", group.id: sigmac", ""),
            "c.yml:5: source.kafka.properties.group.id: this key is missing",
        ),
        (
            SMALLEST.replace("[events]", "[events, events]"),
            "c.yml:7: source.kafka.inputs.0.topics.1: input 0 reads `events` already",
        ),
        (
            SMALLEST.replace("topic: matches", "topic: events"),
            "c.yml:9: matches.kafka.topic: the source reads this topic: it would go round in circles",
        ),
        (
            SMALLEST.replace("[events]", "['^ev-[0-9]+$', '^in-a|in-b']"),
            "c.yml:7: source.kafka.inputs.0.topics.1: librdkafka reads this pattern otherwise, "
            "at character 6: `^` binds to the first choice only: write `^(one|other)`",
        ),
        (
            SMALLEST.replace(
                "group.id: sigmac",
                "group.id: sigmac, group.protocol: consumer, session.timeout.ms: 9000",
            ),
            "c.yml:5: source.kafka.properties.session.timeout.ms: "
            "with `group.protocol: consumer` the broker decides this: leave it out",
        ),
        (
            SMALLEST.replace("[events]", '["^sigma-.*"]').replace(
                "drop", "{kafka: {topic: sigma-d}}"
            ),
            "c.yml:10: dead_letters.kafka.topic: the source reads this topic: it would go round in circles",
        ),
        (
            SMALLEST.replace("drop", "{kafka: {topic: matches}}"),
            "c.yml:10: dead_letters.kafka.topic: matches go to this topic already",
        ),
        (
            SMALLEST.replace("topic: matches", "topic: matches, properties: {linger.ms: 1}"),
            "c.yml:9: matches.kafka.properties: the topic is on the cluster of the source: "
            "set them at `source.kafka`",
        ),
        (
            SMALLEST.replace("{kafka: {topic: matches}}", "{event: false}"),
            "c.yml:9: matches: give at least one of kafka, file, stdout (`stdout: {}`), webhook",
        ),
        (
            SMALLEST.replace("dead_letters: drop", "dead_letters: dropp"),
            "c.yml:10: dead_letters: should be 'drop'",
        ),
        (
            FILES.replace("stdout: {}", "file: {path: ./events.ndjson}"),
            "c.yml:4: matches.file.path: the source reads this file: it would go round in circles",
        ),
        (
            FILES.replace("stdout: {}", "file: {path: dead.ndjson}"),
            "c.yml:5: dead_letters.file.path: matches go to this file already",
        ),
        (
            FILES.replace("stdout: {}", "kafka: {topic: matches}"),
            "c.yml:4: matches.kafka.properties.bootstrap.servers: this key is missing",
        ),
        (
            FILES.replace("files: {paths", "stdin: {pack: windows}, files: {paths"),
            "c.yml:3: source: give exactly one of kafka, files, stdin, clients (`clients: {}`)",
        ),
        (
            SMALLEST + "http: {bind: '127.0.0.1:8080'}\ncontrol: {bind: '127.0.0.1:8080'}",
            "c.yml:12: control.bind: `http` is served at 127.0.0.1:8080 already",
        ),
        (
            SMALLEST + "tracing: {endpoint: 'http://collector/a b'}",
            "c.yml:11: tracing.endpoint: should be an address such as `https://collector:4317`",
        ),
        (
            SMALLEST + "tracing: {endpoint: 'http://collector/ä'}",
            "c.yml:11: tracing.endpoint: should be an address such as `https://collector:4317`",
        ),
        (
            SMALLEST + "tracing: {endpoint: 'collector:4317'}",
            "c.yml:11: tracing.endpoint: should be an address such as `https://collector:4317`",
        ),
        (
            SMALLEST.replace("group.id: sigmac", "group.id: sigmac, sasl.pasword: x"),
            "c.yml:5: source.kafka.properties.sasl.pasword: librdkafka has no such property; "
            "did you mean `sasl.password`?",
        ),
        (
            SMALLEST.replace("group.id: sigmac", "group.id: sigmac, security.protocol: tls"),
            "c.yml:5: source.kafka.properties.security.protocol: librdkafka does not take this value",
        ),
        (
            SMALLEST.replace("group.id: sigmac", "group.id: sigmac, queued.min.messages: 0"),
            "c.yml:5: source.kafka.properties.queued.min.messages: should be within 1..10000000",
        ),
    ],
)
def test_a_mistake_is_one_line_that_says_what_to_do(text: str, said: str, refused: Refused) -> None:
    assert refused(text) == [said]


@pytest.mark.parametrize(
    ("change", "other"),
    [
        ("stdout: {}", "`matches.stdout` is no part of a transaction"),
        ("webhook: {url: 'https://x'}", "`matches.webhook` is no part of a transaction"),
        ("file: {path: x}", "`matches.file` is no part of a transaction"),
    ],
)
def test_exactly_once_needs_kafka_on_all_sides(change: str, other: str, refused: Refused) -> None:
    text = SMALLEST.replace("topic: matches}", f"topic: matches}}, {change}")
    assert refused(text + "delivery: exactly-once") == [
        f"c.yml:11: delivery: exactly-once needs kafka on all sides: {other}"
    ]


def test_exactly_once_takes_kafka_or_drop_for_dead_letters(load: Load, refused: Refused) -> None:
    assert load(SMALLEST + "delivery: exactly-once").delivery is Delivery.EXACTLY_ONCE
    assert load(SMALLEST.replace("drop", "{kafka: {topic: dead}}") + "delivery: exactly-once")
    (said,) = refused(SMALLEST.replace("drop", "{file: {path: x}}") + "delivery: exactly-once")
    assert "`dead_letters.file` is no part of a transaction" in said
    (said,) = refused(
        FILES.replace("{file: {path: dead.ndjson}}", "drop") + "delivery: exactly-once"
    )
    assert "the source is not kafka" in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            SMALLEST + "correlations: {stages: [correlate]}",
            "c.yml:11: correlations.stages: without `topic` there is no second stage",
        ),
        (
            SMALLEST + "correlations: {topic: matches}",
            "c.yml:11: correlations.topic: matches go to this topic already",
        ),
        (
            SMALLEST.replace("kafka: {topic: matches}", "stdout: {}")
            + "correlations: {topic: hits}",
            "c.yml:11: correlations.topic: the second stage writes alerts to a topic: set `matches.kafka`",
        ),
        (
            SMALLEST + "correlations: {topic: hits, stages: [detect, detect]}",
            "c.yml:11: correlations.stages: name each stage once",
        ),
        (
            SMALLEST + "suppress: {for: 1h}",
            "c.yml:11: suppress: over Kafka the second stage holds back, as only it sees all that are alike: "
            "set `correlations.topic`",
        ),
        (
            SMALLEST.replace("topic: matches}", "topic: matches}, stdout: {}")
            + "correlations: {topic: hits}\nsuppress: {for: 1h}",
            "c.yml:12: suppress: over Kafka what may be held back goes to `matches.kafka` alone: "
            "remove `matches.stdout`",
        ),
    ],
)
def test_a_second_stage_needs_topics_of_its_own(text: str, said: str, refused: Refused) -> None:
    assert refused(text) == [said]


def test_the_processes_of_either_stage_are_counted(load: Load) -> None:
    text = SMALLEST + "workers: 3\ncorrelations: {topic: hits, workers: 2, stages: [%s]}"
    both, one, other = (load(text % each) for each in ("detect, correlate", "detect", "correlate"))
    assert (both.detector_count, both.process_count) == (3, 5)
    assert (one.detector_count, one.process_count) == (3, 3)
    assert (other.detector_count, other.process_count) == (0, 2)
    assert not load(SMALLEST).correlates


@pytest.mark.parametrize("section", ["http", "control"])
@pytest.mark.parametrize(
    ("bind", "guard", "taken"),
    [
        ("127.0.0.1:1", "", True),
        ("[::1]:1", "", True),
        ("localhost:1", "", True),
        ("0.0.0.0:1", "", False),
        ("[::]:1", "", False),
        ("example.org:1", "", False),
        ("0.0.0.0:1", "token: x", True),
        ("0.0.0.0:1", "tls: {certificate: a, key: b}", False),
        ("0.0.0.0:1", "tls: {certificate: a, key: b, client_ca: c}", True),
    ],
)
def test_what_other_machines_can_reach_is_guarded(
    section: str, bind: str, guard: str, taken: bool, load: Load, refused: Refused
) -> None:
    text = SMALLEST + f"{section}: {{bind: '{bind}', {guard}}}"
    if taken:
        load(text)
    else:
        (said,) = refused(text)
        assert said.startswith(
            f"c.yml:11: {section}.bind: {bind} can be reached from other machines"
        )


@pytest.mark.parametrize("bind", ["", "8080", "a:", ":1", "a:b", "a:65536", "a:٣", "[]:1"])
def test_an_address_is_host_and_port(bind: str) -> None:
    with pytest.raises(ValidationError, match="is not HOST:PORT"):
        HttpSettings(bind=bind)


# Secrets


def test_a_secret_is_text_or_a_variable_or_a_file(load: Load, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{HIDDEN}\r\n", encoding="utf-8")
    for given in (HIDDEN, "{env: TOKEN}", "{file: token}", f"{{file: {tmp_path}/token}}"):
        settings = load(
            SMALLEST + f"http: {{bind: '127.0.0.1:1', token: {given}}}", {"TOKEN": HIDDEN}
        )
        assert settings.http
        assert settings.http.token
        assert settings.http.token.reveal() == HIDDEN


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("{env: NONE}", "the environment variable NONE is not set"),
        ("{env: EMPTY}", "the environment variable EMPTY is not set"),
        ("{file: none}", "there is no file none"),
        ("{file: .}", "there is no file "),
        ("{file: empty}", "empty is empty"),
        ("{file: binary}", "binary holds no UTF-8 text"),
        ("{file: large}", "large is larger than 64 KiB: that is no secret"),
        ("{env: A, file: b}", "a secret is text, {env: NAME} or {file: PATH}"),
        ("{envv: A}", "a secret is text, {env: NAME} or {file: PATH}"),
        ("[a]", "a secret is text, {env: NAME} or {file: PATH}"),
        ("''", "a token is printable ASCII text without blanks, and not empty"),
        ('"a b"', "a token is printable ASCII text without blanks, and not empty"),
        ('"a\\nb"', "a token is printable ASCII text without blanks, and not empty"),
    ],
)
def test_a_secret_that_is_not_there_is_named(
    given: str, said: str, refused: Refused, tmp_path: Path
) -> None:
    (tmp_path / "empty").write_bytes(b"\n")
    (tmp_path / "binary").write_bytes(b"\xff")
    (tmp_path / "large").write_bytes(b"x" * 70_000)
    text = SMALLEST + f"http: {{bind: '127.0.0.1:1', token: {given}}}"
    (line,) = refused(text, {"EMPTY": ""})
    assert line.startswith(f"c.yml:11: http.token: {said}")


def test_no_secret_is_shown(load: Load) -> None:
    settings = load(
        SMALLEST.replace("group.id: sigmac", f"group.id: sigmac, sasl.password: {HIDDEN}")
        + f"http: {{bind: '127.0.0.1:1', token: {HIDDEN}}}"
    )
    shown = (
        repr(settings),
        str(settings),
        f"{settings.http}",
        settings.model_dump_json(),
        repr(settings.model_dump()),
        json.dumps(settings.model_dump(mode="json")),
    )
    assert [text for text in shown if HIDDEN in text] == []
    assert HIDDEN in json.dumps(settings.revealed())


@pytest.mark.parametrize(
    "text",
    [
        f"http: {{bind: 5, token: {HIDDEN}, timeout: {HIDDEN}}}",
        f"http: {{bind: '127.0.0.1:1', token: '{HIDDEN} {HIDDEN}'}}",
        f"http: {HIDDEN}",
        f"delivery: {HIDDEN}",
        f"http: {{token: *{HIDDEN}}}",
        f"http: {{token: !{HIDDEN} x}}",
        f"http: {{token: !a!{HIDDEN} x}}",
        f"http: {{token: &{HIDDEN} x, bind: &{HIDDEN} y}}",
        f"matches: {{webhook: {{url: 'https://x', headers: {{X: {{env: X, file: {HIDDEN}}}}}}}}}",
        f"source: {{kafka: {{properties: {{sasl.password: [{HIDDEN}]}}}}}}",
        f"source: {{kafka: {{properties: {{security.protocol: {HIDDEN}}}}}}}",
    ],
)
def test_no_mistake_quotes_a_value(text: str, refused: Refused) -> None:
    assert HIDDEN not in "\n".join(refused(SMALLEST.replace("dead_letters: drop", text)))
    assert HIDDEN not in "\n".join(refused(text))


def test_what_is_revealed_is_json_and_gives_the_same_settings(load: Load) -> None:
    text = SMALLEST.replace(
        "topics: [events]", "topics: [events]\n        logsource: {product: windows}"
    )
    settings = load(
        text
        + f"http: {{bind: '127.0.0.1:1', token: {HIDDEN}, tls: {{certificate: a, key: b}}}}\n"
        + "control: {bind: '127.0.0.1:2'}\nworkers: 3\ntracing: {endpoint: 'http://c:1'}"
    )
    assert Settings.from_revealed(json.loads(json.dumps(settings.revealed()))) == settings
    other = load(FILES)
    assert Settings.from_revealed(json.loads(json.dumps(other.revealed()))) == other


# Hostile files


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(
            f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10)
        ), "c.yml:1: more than 20,000 values; does an alias repeat them?"),
        ("a: &a [*a]", "c.yml:1: nested too deep"),
        ("a: " + "[" * 50_000, "c.yml: nested too deep"),
        ("a: " + "[" * 100 + "]" * 100, "c.yml:1: nested too deep"),
        ("#" * 200_000, "c.yml: larger than 128 KiB"),
        ("http:\n  bind: a\n  bind: b", "c.yml:3: the key `bind` is given twice"),
        ("a: !!python/object/apply:os.system [id]", "c.yml:1: a value that starts with `!` is a tag in YAML: quote it"),
        ("? [a]\n: 1", "c.yml:1: a key is not text"),
        ("a: 1\n---\nb: 1", "c.yml:2: a configuration is one document: leave out `---`"),
        ("- a", "c.yml: the configuration is not a mapping of keys"),
        ("a: [", "c.yml:1: expected the node content, but found '<stream end>'"),
        ("a: \0", "c.yml: unacceptable character #x0000: special characters are not allowed"),
    ],
    ids=lambda each: each[-40:] if isinstance(each, str) else None,
)  # fmt: skip
def test_hostile_yaml_is_refused_in_one_line(text: str, said: str, refused: Refused) -> None:
    assert refused(text) == [said]


def test_hostile_toml_is_refused_in_one_line(refused: Refused) -> None:
    assert refused("a = " + "[" * 5000, name="c.toml") == ["c.toml: nested too deep"]
    (said,) = refused("a = 1\nb\n", name="c.toml")
    assert said.startswith("c.toml: ")
    assert "line 2" in said


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, refused: Refused) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(f"{tmp_path}/none.yml: No such file")):
        load_settings(tmp_path / "none.yml", {})
    (tmp_path / "c.yml").write_bytes(b"name: \xff")
    with pytest.raises(ConfigurationError, match=r"c\.yml: byte 6 is no UTF-8 text"):
        load_settings(tmp_path / "c.yml", {})


def test_a_key_does_not_write_to_the_terminal(refused: Refused) -> None:
    said = refused(SMALLEST + '"a\\e[2Jb\\nc": 1')
    assert said == [r"c.yml:11: a\x1b[2Jb\nc: there is no such key"]


def test_the_mistakes_of_a_hostile_file_are_bounded(refused: Refused) -> None:
    said = refused("".join(f"key{number}: 1\n" for number in range(5000)))
    assert len(said) == 101
    assert re.fullmatch(r"and 4,9\d\d more", said[-1])
