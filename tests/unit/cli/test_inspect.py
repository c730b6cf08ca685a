"""`sigmac inspect` as its users see it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sigmac import __version__
from sigmac.runtime.pack.seal import render_manifest, render_signature, sha256
from tests.unit.cli.conftest import Run

WHOAMI = "80167ada-7a12-41ed-b8e9-aa47195c66a1"


def report(run: Run, *arguments: str | Path) -> dict[str, Any]:
    done = run("inspect", *arguments, "--format", "json")
    found: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (0 if found["verified"] else 1)
    return found


def test_the_overview_of_a_pack(sigmac: Run, built: Path) -> None:
    done = sigmac("inspect", built)
    assert (done.returncode, done.stderr) == (0, "")
    head, levels, logsources, fields, correlations = done.stdout.split("\n\n")
    assert re.sub(r"\d+ texts", "… texts", head).splitlines()[:-1] == [
        f"{built}: admins 1.2.3",
        "  verified   yes, every file is as it was built",
        "  signed     no",
        f"  made       by sigmac {__version__} in format 1 from 1 file of rules",
        "  pipelines  windows, windows-audit",
        "  holds      2 rules, 2 logsources, … texts, 1 correlation",
    ]
    assert levels.split() == ["rules", "by", "level", "1", "high", "1", "low"]
    assert logsources.splitlines()[1:] == [
        "        1  linux/auth",
        "        1  windows/process_creation",
    ]
    assert "        1  (keywords)\n        1  Channel\n" in fields
    assert correlations == "correlations\n  Many Admins: event_count of Admin_one\n"


def test_the_json_form(sigmac: Run, built: Path) -> None:
    found = report(sigmac, built)
    (correlation,) = found.pop("correlations")
    assert (correlation["title"], correlation["type"]) == ("Many Admins", "event_count")
    assert [each["field"] for each in found["fields"]] == [
        *("", "Channel", "EventID", "Image", "NewProcessName", "OriginalFileName"),
        *("ParentImage", "ParentProcessName", "SubjectUserName", "User", "uid"),
    ]
    assert {each["rules"] for each in found.pop("fields")} == {1}
    assert found.pop("bytes") > 1000
    assert found["counts"].pop("literals") > 5
    assert found == {
        "version": 1,
        "path": str(built),
        "name": "admins",
        "pack_version": "1.2.3",
        "format": 1,
        "sigmac": __version__,
        "verified": True,
        "problem": None,
        "signature": None,
        "options": {
            "pipelines": ["windows", "windows-audit"],
            "logsources": [],
            "optimize": True,
            "strict_logsource": False,
        },
        "counts": {"correlations": 1, "logsources": 2, "rules": 2},
        "sources": 1,
        "files": 7,
        "logsources": [
            {"product": "linux", "category": None, "service": "auth", "rules": 1},
            {"product": "windows", "category": "process_creation", "service": None, "rules": 1},
        ],
        "levels": {"high": 1, "low": 1},
        "filters": [],
    }


def test_the_list_of_rules(sigmac: Run, built: Path) -> None:
    done = sigmac("inspect", built, "--rules")
    assert [re.split(r"  +", line) for line in done.stdout.splitlines()] == [
        [WHOAMI, "high", "Whoami Run As SYSTEM", "windows/process_creation", "admins.yml:2"],
        [
            "3d3f1c0e-4a4f-4d0b-8b53-5d2a3c1a6f10",
            "low",
            "Admin # one",
            "linux/auth",
            "admins.yml:21",
        ],
    ]
    assert report(sigmac, built, "--rules")["rules"][1] == {
        "id": "3d3f1c0e-4a4f-4d0b-8b53-5d2a3c1a6f10",
        "level": "low",
        "title": "Admin # one",
        "logsource": {"product": "linux", "service": "auth"},
        "source": "admins.yml:21",
        "filters": [],
    }


@pytest.mark.parametrize("name", [WHOAMI.upper(), "Whoami Run As SYSTEM"], ids=["id", "title"])
def test_one_rule_with_its_code(sigmac: Run, built: Path, name: str) -> None:
    done = sigmac("inspect", built, "--rule", name)
    assert done.returncode == 0
    assert done.stdout.startswith("Whoami Run As SYSTEM\n")
    assert "  description     Somebody asks who they are,\n" in done.stdout
    assert "  tags            attack.t1033\n                  attack.discovery\n" in done.stdout
    # The code stands where it is said to stand.
    *_, (path, line) = re.findall(rf"^({re.escape(str(built))}\S+):(\d+)$", done.stdout, re.M)
    shown = done.stdout.split(f"{path}:{line}\n")[1].splitlines()
    assert shown[:2] == ["def admins(event: Event) -> bool:", '    """Whoami Run As SYSTEM (high)']
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    assert lines[int(line) - 1 :][: len(shown)] == shown


def test_the_condition_of_a_logsource_is_shown_with_its_rule(sigmac: Run, tmp_path: Path) -> None:
    rule = tmp_path / "rule.yml"
    logsource = "logsource: {product: windows, category: dns_query}"
    rule.write_text(f"title: T\n{logsource}\ndetection: {{s: {{Q: x}}, condition: s}}\n")
    pack = tmp_path / "pack"
    assert sigmac("build", rule, "-o", pack, "-p", "windows", "--no-cache").returncode == 0
    (found,) = report(sigmac, pack, "--rule", "T")["rules"]
    assert found["fields"] == ["Channel", "EventID", "Q"]
    assert found["metadata"]["logsource"] == {"product": "windows", "category": "dns_query"}
    assert "22" in found["logsource_function"]["source"]
    assert found["function"]["line"] > found["logsource_function"]["line"]


def test_the_filters_of_a_rule(sigmac: Run, tmp_path: Path) -> None:
    rules = tmp_path / "rules.yml"
    rules.write_text(
        "title: T\nlogsource: {product: windows}\ndetection: {s: {Q: x}, condition: s}\n---\n"
        "title: Known Agents\nlogsource: {product: windows}\n"
        "filter: {rules: any, agents: {User: agent}, condition: not agents}\n"
    )
    pack = tmp_path / "pack"
    assert sigmac("build", rules, "-o", pack, "--no-cache").returncode == 0
    shown = sigmac("inspect", pack, "--rule", "T").stdout
    assert "  filters         Known Agents\n" in shown
    assert '    filter_known_agents_agents = event.equals("User", "agent")\n' in shown
    (detail,) = report(sigmac, pack, "--rule", "T")["rules"]
    assert detail["metadata"]["filters"] == ["Known Agents"]
    (listed,) = report(sigmac, pack, "--rules")["rules"]
    assert listed["filters"] == ["Known Agents"]
    assert re.search(r"  holds      1 rule, .*, 1 filter\n", sigmac("inspect", pack).stdout)


def test_a_rule_that_is_not_there(sigmac: Run, built: Path) -> None:
    done = sigmac("inspect", built, "--rule", "nothing")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "no rule has the id or title `nothing`; --rules lists them" in done.stderr


def test_rules_and_rule_exclude_each_other(sigmac: Run, built: Path) -> None:
    assert sigmac("inspect", built, "--rules", "--rule", "x").returncode == 2


def test_a_changed_pack_is_described_and_none_of_it_runs(sigmac: Run, pack: Path) -> None:
    trace = pack.parent / "ran"
    for file in pack.glob("*.py"):
        with file.open("a", encoding="utf-8") as changed:
            changed.write(f"\nopen({str(trace)!r}, 'w')\n")
    done = sigmac("inspect", pack)
    assert done.returncode == 1
    assert done.stderr == (
        f"sigmac: NOT VERIFIED: {pack}: __init__.py was changed after the build; "
        "build the pack again\n"
    )
    assert done.stdout.splitlines()[:2] == [
        f"{pack}: admins 1.2.3",
        f"  verified   {done.stderr.removeprefix('sigmac: ').strip()}",
    ]
    assert "        1  windows/process_creation\n" in done.stdout
    assert "rules by level" not in done.stdout
    assert report(sigmac, pack, "--rule", WHOAMI)["rules"] == []
    assert not trace.exists()


def test_no_code_runs_even_where_somebody_sealed_it_anew(sigmac: Run, pack: Path) -> None:
    trace = pack.parent / "ran"
    file = pack / "rules.py"
    file.write_text(
        file.read_text(encoding="utf-8").replace(
            "from __future__ import annotations\n", f"open({str(trace)!r}, 'w')\n"
        ),
        encoding="utf-8",
    )
    manifest = json.loads((pack / "manifest.json").read_bytes())
    manifest["files"]["rules.py"] = sha256(file.read_bytes())
    (pack / "manifest.json").write_bytes(render_manifest(manifest))
    done = sigmac("inspect", pack, "--rule", WHOAMI)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Whoami Run As SYSTEM" in done.stdout
    assert not trace.exists()


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"format": 2}, "the pack has format 2, this sigmac reads up to 1; upgrade sigmac"),
        ({"name": "\x1b[2J"}, "the manifest was changed after the build"),
        ({"name": [], "counts": 7, "logsources": {}, "options": []}, "the manifest was changed"),
        ({"files": None}, "the manifest is damaged"),
    ],
    ids=["newer", "escape", "types", "no files"],
)
def test_a_faulty_manifest_is_described_as_far_as_it_goes(
    sigmac: Run, pack: Path, change: dict[str, Any], problem: str
) -> None:
    manifest = json.loads((pack / "manifest.json").read_bytes())
    (pack / "manifest.json").write_text(json.dumps({**manifest, **change}), encoding="utf-8")
    done = sigmac("inspect", pack)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "NOT VERIFIED" in done.stdout
    assert problem in done.stderr
    assert "1.2.3" in done.stdout
    assert "\x1b" not in done.stdout


def test_a_manifest_that_is_no_json(sigmac: Run, pack: Path) -> None:
    (pack / "manifest.json").write_text("{")
    found = report(sigmac, pack)
    assert found["problem"] == f"{pack}: the manifest is damaged; build the pack again"
    assert (found["name"], found["counts"], found["logsources"]) == (None, {}, [])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere", "there is no folder and no installed pack `nowhere`"),
        ("./nowhere", "does not exist"),
        (".", "is no rule pack: it has no manifest.json"),
    ],
)
def test_what_is_no_pack_is_one_line(sigmac: Run, tmp_path: Path, name: str, message: str) -> None:
    done = sigmac("inspect", name, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert message in done.stderr


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two key pairs: `ours` and `theirs` are public keys, with `.key` the private ones."""
    folder = tmp_path_factory.mktemp("keys")
    found = {}
    for name in ("ours", "theirs"):
        key = Ed25519PrivateKey.generate()
        pem = serialization.Encoding.PEM
        private = key.private_bytes(
            pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        public = key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
        for suffix, data in (("", public), (".key", private)):
            found[name + suffix] = folder / (name + suffix)
            found[name + suffix].write_bytes(data)
    return found


@pytest.fixture
def signed(pack: Path, keys: dict[str, Path]) -> Path:
    manifest = (pack / "manifest.json").read_bytes()
    (pack / "manifest.sig").write_bytes(render_signature(manifest, keys["ours.key"].read_bytes()))
    return pack


def test_who_signed_a_pack(sigmac: Run, signed: Path, keys: dict[str, Path]) -> None:
    alone = report(sigmac, signed)["signature"]
    assert (alone["valid"], alone["trusted"]) == (True, False)
    both = ("--trusted-key", keys["theirs"], "--trusted-key", keys["ours"])
    assert report(sigmac, signed, *both)["signature"] == {**alone, "trusted": True}
    shown = sigmac("inspect", signed, "--trusted-key", keys["ours"]).stdout
    assert f"  signed     by {alone['key']}, which is trusted\n" in shown


def test_a_key_that_is_not_trusted(sigmac: Run, signed: Path, keys: dict[str, Path]) -> None:
    found = report(sigmac, signed, "--trusted-key", keys["theirs"])
    assert found["problem"] == f"{signed}: the pack is signed by a key that is not trusted here"
    assert found["signature"]["trusted"] is False


def test_an_unsigned_pack_is_not_trusted(sigmac: Run, built: Path, keys: dict[str, Path]) -> None:
    found = report(sigmac, built, "--trusted-key", keys["ours"])
    assert "the pack is not signed" in found["problem"]


def test_a_signature_of_another_manifest(sigmac: Run, signed: Path) -> None:
    manifest = json.loads((signed / "manifest.json").read_bytes())
    manifest["name"] = "other"
    (signed / "manifest.json").write_bytes(render_manifest(manifest))
    found = report(sigmac, signed)
    assert found["problem"] == f"{signed}: the signature does not belong to this pack"
    assert found["signature"]["valid"] is False
