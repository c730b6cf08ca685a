"""The files of deploy/ agree with the program, with each other, and with the formats that they are written in."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from click import Context

from sigmac.cli import app
from sigmac.runtime.service.config.configuration import Settings, load_settings
from sigmac.runtime.service.observe.metrics import CATALOG

ROOT = Path(__file__).resolve().parents[3]
DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
SPARE = 5  # seconds that the service takes after `shutdown.timeout`, to end what has not ended
USER = 65532  # distroless' nonroot
SCRIPT = "/opt/sigmac/bin/sigmac"


def text_of(name: str) -> str:
    return (DEPLOY / name).read_text(encoding="utf-8")


@cache
def documents(name: str) -> list[Any]:
    return [*yaml.safe_load_all(text_of(name))]


def document(name: str) -> Any:
    (one,) = documents(name)
    return one


@pytest.fixture
def settings_of(tmp_path: Path) -> Any:
    """A configuration of deploy/, loaded with secrets that lie elsewhere."""

    def load(name: str) -> Settings:
        text = text_of(name)
        for number, path in enumerate(secret_files(text)):
            secret = tmp_path / f"secret-{number}"
            secret.write_text("sesame", encoding="utf-8")
            text = text.replace(path, str(secret))
        file = tmp_path / "sigmac.yml"
        file.write_text(text, encoding="utf-8")
        return load_settings(file, dict.fromkeys(re.findall(r"\{env: (\w+)\}", text), "sesame"))

    return load


def secret_files(text: str) -> list[str]:
    return re.findall(r"\{file: ([^}]+)\}", text)


def port_of(address: str) -> int:
    return int(address.rpartition(":")[2])


YAML_FILES = sorted(
    str(path.relative_to(DEPLOY)) for path in DEPLOY.rglob("*") if path.suffix in (".yml", ".yaml")
)


@pytest.mark.parametrize("name", YAML_FILES)
def test_yaml_parses(name: str) -> None:
    assert all(each is not None for each in documents(name))


# Kubernetes


def deployment() -> Any:
    return document("kubernetes/deployment.yaml")


def pod() -> Any:
    return deployment()["spec"]["template"]["spec"]


def container() -> Any:
    (one,) = pod()["containers"]
    return one


MANIFESTS = [each for each in YAML_FILES if each.endswith(".yaml") and "values" not in each]
ELSEWHERE = ("keda.sh", "kustomize.config.k8s.io", "monitoring.coreos.com")  # their schemas are


@pytest.mark.parametrize("name", MANIFESTS)
def test_manifests_fit_the_schemas_of_kubernetes(name: str, tool: Callable[..., str]) -> None:
    if documents(name)[0]["apiVersion"].partition("/")[0] in ELSEWHERE:
        return
    assert tool("kubernetes-validate", "--strict", "--quiet", str(DEPLOY / name)) == ""


def test_kustomization_names_files_that_are_there() -> None:
    found = document("kubernetes/kustomization.yaml")
    generated = [name for each in found["configMapGenerator"] for name in each["files"]]
    assert all((KUBERNETES / name).is_file() for name in (*found["resources"], *generated))
    assert [each["name"] for each in found["images"]] == [container()["image"]]
    names = [each["name"] for each in found["configMapGenerator"]]
    volumes = [each["configMap"]["name"] for each in pod()["volumes"] if "configMap" in each]
    assert volumes == names


def test_a_pod_has_what_its_configuration_names(settings_of: Any) -> None:
    settings = settings_of("kubernetes/sigmac.yml")
    text = text_of("kubernetes/sigmac.yml")
    mounts = {each["mountPath"]: each["name"] for each in container()["volumeMounts"]}
    command, configuration = container()["args"]
    assert command in commands()
    assert configuration in mounts
    assert mounts[str(settings.state)] == "state"
    secrets = document("kubernetes/secret.example.yaml")
    (folder,) = {os.path.dirname(path) for path in secret_files(text)}
    assert mounts[folder] == "secrets"
    assert set(re.findall(rf"{folder}/([\w.-]+)", text)) == secrets["stringData"].keys()
    volumes = {each["name"]: each for each in pod()["volumes"]}
    assert volumes["secrets"]["secret"]["secretName"] == secrets["metadata"]["name"]


def test_a_pod_has_time_to_stop_and_a_core_for_each_worker(settings_of: Any) -> None:
    settings = settings_of("kubernetes/sigmac.yml")
    assert pod()["terminationGracePeriodSeconds"] > settings.shutdown.timeout + SPARE
    assert settings.workers is not None
    assert int(container()["resources"]["requests"]["cpu"]) == settings.workers


def test_probes_ask_what_needs_no_token(settings_of: Any) -> None:
    settings = settings_of("kubernetes/sigmac.yml")
    ports = {each["name"]: each["containerPort"] for each in container()["ports"]}
    assert settings.http is not None
    assert settings.http.address[1] == ports["http"]
    asked = {
        name: container()[f"{name}Probe"]["httpGet"]
        for name in ("startup", "liveness", "readiness")
    }
    assert {each["port"] for each in asked.values()} == {"http"}
    paths = {name: each["path"] for name, each in asked.items()}
    assert paths == {"startup": "/live", "liveness": "/live", "readiness": "/ready"}


def test_a_pod_can_do_no_more_than_it_must() -> None:
    assert pod()["securityContext"]["runAsNonRoot"] is True
    assert pod()["securityContext"]["runAsUser"] == USER
    assert pod()["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod()["automountServiceAccountToken"] is False
    assert container()["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_a_service_of_the_same_name_sets_no_variables() -> None:
    # SIGMAC_PORT and the like would be refused as overrides of configuration.
    assert pod()["enableServiceLinks"] is False


def test_selectors_select_the_pods() -> None:
    labels = deployment()["spec"]["template"]["metadata"]["labels"]
    selectors = [
        deployment()["spec"]["selector"]["matchLabels"],
        document("kubernetes/service.yaml")["spec"]["selector"],
        document("kubernetes/poddisruptionbudget.yaml")["spec"]["selector"]["matchLabels"],
        document("kubernetes/networkpolicy.yaml")["spec"]["podSelector"]["matchLabels"],
        pod()["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"],
    ]
    assert all(selector == labels for selector in selectors)


def test_autoscaling_follows_a_metric_that_there_is(settings_of: Any) -> None:
    settings = settings_of("kubernetes/sigmac.yml")
    (metric,) = document("kubernetes/hpa.yaml")["spec"]["metrics"]
    name = metric["external"]["metric"]["name"]
    ((labels),) = [each[2] for each in CATALOG if each[0] == name]
    (rule,) = document("kubernetes/prometheus-adapter.values.yaml")["rules"]["external"]
    assert rule["name"]["as"] == name
    assert rule["seriesQuery"].startswith(name)
    assert f"by ({', '.join(labels)})" in rule["metricsQuery"]
    scaled, _ = documents("kubernetes/keda.yaml")
    (trigger,) = scaled["spec"]["triggers"]
    common = settings.source.kafka.properties
    assert trigger["metadata"]["consumerGroup"] == common["group.id"].reveal()
    assert trigger["metadata"]["bootstrapServers"] == common["bootstrap.servers"].reveal()
    assert (trigger["metadata"]["topic"],) == settings.source.kafka.inputs[0].topics


def test_the_network_policy_lets_through_what_is_needed(settings_of: Any) -> None:
    settings = settings_of("kubernetes/sigmac.yml")
    policy = document("kubernetes/networkpolicy.yaml")["spec"]
    assert [each["port"] for each in policy["ingress"][0]["ports"]] == ["http"]
    broker = port_of(settings.source.kafka.properties["bootstrap.servers"].reveal())
    assert [each["port"] for each in policy["egress"][-1]["ports"]] == [broker]


def test_prometheus_finds_the_token() -> None:
    (endpoint,) = document("kubernetes/servicemonitor.yaml")["spec"]["endpoints"]
    named = endpoint["authorization"]["credentials"]
    secret = document("kubernetes/secret.example.yaml")
    assert named["name"] == secret["metadata"]["name"]
    assert named["key"] in secret["stringData"]


# Compose


def services() -> Any:
    return document("compose.yml")["services"]


def mounts_of(service: str) -> dict[str, str]:
    """Target → source."""
    pairs = [each.removesuffix(":ro").rpartition(":") for each in services()[service]["volumes"]]
    return {target: source for source, _, target in pairs}


def test_compose_mounts_what_is_there() -> None:
    for name in services():
        for source in mounts_of(name).values() if "volumes" in services()[name] else ():
            if source.startswith("./"):
                assert (DEPLOY / source).exists(), source
            elif not source.startswith("$"):
                assert source in document("compose.yml")["volumes"], source


def test_compose_runs_what_its_configuration_names(settings_of: Any) -> None:
    settings = settings_of("compose/sigmac.yml")
    mounts = mounts_of("sigmac")
    assert {pack.path for pack in settings.packs.values()} <= mounts.keys()
    assert str(settings.state) in mounts
    folders = {os.path.dirname(path) for path in secret_files(text_of("compose/sigmac.yml"))}
    assert folders <= mounts.keys()
    used = {topic for each in settings.source.kafka.inputs for topic in each.topics}
    used |= {settings.matches.kafka.topic, settings.dead_letters.kafka.topic}
    assert set(services()["topics"]["command"]) == used
    grace = int(services()["sigmac"]["stop_grace_period"].removesuffix("s"))
    assert grace > settings.shutdown.timeout + SPARE
    assert f":{settings.http.address[1]}/ready" in services()["sigmac"]["healthcheck"]["test"][-1]


def test_compose_is_open_to_this_machine_only_and_holds_no_secret() -> None:
    ports = [port for each in services().values() for port in each.get("ports", ())]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)
    for each in services().values():
        for name in each.get("environment", {}):
            assert "PASSWORD" not in name or name.endswith("__FILE"), name


def test_prometheus_asks_the_service_with_its_token(settings_of: Any) -> None:
    settings = settings_of("compose/sigmac.yml")
    jobs = {each["job_name"]: each for each in document("compose/prometheus.yml")["scrape_configs"]}
    job = jobs["sigmac"]
    assert job["static_configs"] == [{"targets": [f"sigmac:{settings.http.address[1]}"]}]
    assert job["authorization"]["credentials_file"] in secret_files(text_of("compose/sigmac.yml"))
    assert os.path.dirname(job["authorization"]["credentials_file"]) in mounts_of("prometheus")
    (usual,) = document("prometheus/prometheus.yml")["scrape_configs"]
    assert usual["job_name"] == job["job_name"]


def test_grafana_finds_the_dashboard_and_prometheus() -> None:
    folder = DEPLOY / "grafana" / "provisioning"
    (provider,) = yaml.safe_load((folder / "dashboards" / "sigmac.yml").read_text())["providers"]
    mounted = mounts_of("grafana")
    assert mounted[provider["options"]["path"]] == "./grafana"
    home = services()["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (DEPLOY / "grafana" / os.path.relpath(home, provider["options"]["path"])).is_file()
    sources = yaml.safe_load((folder / "datasources" / "prometheus.yml").read_text())["datasources"]
    assert [each["url"] for each in sources] == ["http://prometheus:9090"]


# systemd


def unit() -> Any:
    """The sections of the unit; a key that is given several times has its values joined by line ends."""
    found: dict[str, dict[str, str]] = {}
    section = ""
    for line in text_of("systemd/sigmac.service").splitlines():
        if line.startswith("["):
            section = line.strip("[]")
            found[section] = {}
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            before = found[section].get(key)
            found[section][key] = value if before is None else f"{before}\n{value}"
    return found


def test_the_unit_waits_longer_than_the_service(settings_of: Any) -> None:
    settings = settings_of("sigmac.example.yml")
    assert int(unit()["Service"]["TimeoutStopSec"]) > settings.shutdown.timeout + SPARE
    assert str(settings.state) == f"/var/lib/{unit()['Service']['StateDirectory']}"


def test_the_unit_is_one_that_systemd_understands(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("there is no systemd-analyze")
    # It looks for the programs, too.
    copy = tmp_path / "sigmac.service"
    copy.write_text(text_of("systemd/sigmac.service").replace(SCRIPT, "/bin/true"))
    done = subprocess.run(
        [analyze, "verify", str(copy)], capture_output=True, text=True, check=False
    )
    if "Failed to initialize manager" in done.stderr or "Permission denied" in done.stderr:
        pytest.skip(f"systemd-analyze does not run here: {done.stderr.strip()}")
    assert (done.returncode, done.stderr) == (0, "")


# The image


def last_stage() -> list[str]:
    """The instructions of the image itself, one a line; the base comes first."""
    return text_of("Dockerfile").replace("\\\n", " ").rpartition("\nFROM ")[2].splitlines()


def test_the_image_has_neither_shell_nor_root() -> None:
    stage = last_stage()
    assert stage[0].endswith(":nonroot")
    assert f"USER {USER}:{USER}" in stage
    # Without a shell nothing can run while it is made, and commands are lists.
    assert not [line for line in stage if line.startswith("RUN")]
    listed = [line for line in stage if re.match(r"\s*(ENTRYPOINT|CMD|HEALTHCHECK.*CMD) ", line)]
    assert len(listed) == 3
    assert all(re.search(r"(ENTRYPOINT|CMD) \[", line) for line in listed)


def test_the_image_serves_where_the_configurations_say(settings_of: Any) -> None:
    text = "\n".join(last_stage())
    (command,) = re.findall(r'^CMD \["(\w+)", "/etc/sigmac/sigmac.yml"\]$', text, re.MULTILINE)
    assert command in commands()
    (exposed,) = re.findall(r"^EXPOSE (.*)$", text, re.MULTILINE)
    for name in ("compose/sigmac.yml", "kubernetes/sigmac.yml"):
        settings = settings_of(name)
        ports = [settings.http.address[1], settings.control.address[1]]
        assert ports == [*map(int, exposed.split())]
        assert f"http://127.0.0.1:{ports[0]}/live" in text
        assert f"/state {settings.state}" in text


def test_the_image_is_made_of_files_that_the_context_holds() -> None:
    allowed = [
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"
    ]
    assert all((ROOT / name).exists() for name in allowed)
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", text_of("Dockerfile"), re.MULTILINE)
    for name in " ".join(copied).split():
        assert name == "." or any(each.startswith(name) for each in allowed), name


def test_the_image_holds_the_pins_and_only_what_runs_packs() -> None:
    def pins(text: str) -> dict[str, str]:
        return dict(re.findall(r"^([\w-]+)==([^\s;]+)", text, re.MULTILINE))

    pinned = pins(text_of("requirements.txt"))
    assert pinned.items() <= pins((ROOT / "requirements/dev.txt").read_text()).items()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"]]
    for extra in ("kafka", "service", "signing", "tracing"):
        wanted += extras[extra]
    names = {re.split(r"[<>=~!\[;]", each)[0].lower().replace(".", "-") for each in wanted}
    assert names <= pinned.keys()
    compiler = {re.split(r"[<>=]", each)[0] for each in (*extras["compiler"], *extras["jit"])}
    assert not (compiler - names) & pinned.keys()


def test_hadolint_is_content(tool: Callable[..., str]) -> None:
    assert tool("hadolint", str(DEPLOY / "Dockerfile")) == ""


@pytest.mark.slow
def test_the_service_is_installed_as_in_the_image() -> None:
    if Path(sys.prefix) != ROOT / ".venv":
        pytest.skip("`make image-check` makes .venv, which these tests do not run in")
    # What make tells its own children is not for this one.
    environment = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL")}
    done = subprocess.run(
        ["make", "image-check"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    size = re.search(r"^\S+: (\d+) MB, Python", done.stdout, re.MULTILINE)
    assert size is not None
    assert int(size[1]) < 200


# All of them


@cache
def commands() -> set[str]:
    return set(app.list_commands(Context(app)))


def texts() -> Iterator[tuple[str, str]]:
    for path in [*DEPLOY.rglob("*"), ROOT / "docs" / "operations.md"]:
        if path.is_file() and path.suffix not in (".json", ".py"):
            yield path.name, path.read_text(encoding="utf-8")


def test_commands_are_those_of_the_program() -> None:
    used = [
        (name, command)
        for name, text in texts()
        for command in re.findall(
            r"(?:^[ #]*(?:\S+=\S+ )?|bin/|sudo |`|exec sigmac )sigmac (?!--)([a-z]+)",
            text,
            re.MULTILINE,
        )
    ]
    assert used
    assert [each for each in used if each[1] not in commands()] == []


def test_pages_lead_to_files_that_are_there() -> None:
    page = text_of("README.md")
    links = re.findall(r"\]\(([^)#:]+)(?:#[\w-]+)?\)", page)
    assert links
    assert [link for link in links if not (DEPLOY / link).exists()] == []
    (table,) = re.findall(r"^\| file .*?(?=\n\n)", page, re.MULTILINE | re.DOTALL)
    named = [
        name
        for row in table.splitlines()[2:]
        for name in re.findall(r"`([\w./]+)`", row.split("|")[1])
    ]
    assert [name for name in named if not (DEPLOY / name).exists()] == []
