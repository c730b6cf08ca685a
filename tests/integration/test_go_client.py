"""The Go package in `clients/go/sigma` with real processes: its tests, its examples, the API that it stands in for."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "clients" / "go" / "sigma"
EXAMPLES = ROOT / "clients" / "go" / "examples"
ORIGINAL = "github.com/markuskont/go-sigma-rule-engine"
OURS = "sigmac/clients/go/sigma"
PINNED = f"require (\n\t{ORIGINAL} v0.3.0\n\tgithub.com/markuskont/datamodels v0.0.1\n)\n"
ENVIRONMENT = {
    **os.environ,
    "SIGMAC_COMMAND": f"{sys.executable} -m sigmac",
    "PYTHONPATH": str(ROOT),
    "SIGMAC_KERNELS": "off",
    "GOFLAGS": "-mod=mod -buildvcs=false",
    "GOWORK": "off",
}


def run(*command: str | Path, folder: Path, stdin: bytes = b"") -> bytes:
    """What a command prints; the test fails with what it says where it fails."""
    done = subprocess.run(command, cwd=folder, env=ENVIRONMENT, input=stdin, capture_output=True)
    if done.returncode:
        pytest.fail(f"{' '.join(map(str, command))}\n{(done.stdout + done.stderr).decode()}")
    return done.stdout


def copied(folder: Path, to: Path) -> Path:
    """A module that commands may change."""
    shutil.copytree(folder, to, ignore=shutil.ignore_patterns("*_test.go"))
    text = (to / "go.mod").read_text()
    (to / "go.mod").write_text(re.sub(r"=> \S+", f"=> {PACKAGE}", text))
    return to


@pytest.fixture(scope="session")
def modules() -> None:
    """Skips where there is no Go, or where modules cannot be had."""
    if shutil.which("go") is None:
        pytest.skip("there is no Go here, which the Go package needs")
    for folder in (PACKAGE, EXAMPLES / "before"):
        done = subprocess.run(
            ["go", "mod", "download"], cwd=folder, env=ENVIRONMENT, capture_output=True, text=True
        )
        if done.returncode:
            pytest.skip(f"modules of Go cannot be had: {done.stderr.strip()[-200:]}")


def test_it_is_formatted_and_without_faults(modules: None) -> None:
    assert run("gofmt", "-l", "clients/go", "bench/shipper", folder=ROOT) == b""
    for folder in (PACKAGE, EXAMPLES / "before", EXAMPLES / "after"):
        run("go", "vet", "./...", folder=folder)


def test_it_does_what_its_tests_say(modules: None) -> None:
    race = ["-race"] if shutil.which("gcc") else []
    run("go", "test", "-count=1", *race, "./...", folder=PACKAGE)


def test_its_stubs_are_what_the_proto_file_gives(modules: None, tmp_path: Path) -> None:
    if not (ROOT / ".cache" / "grpc-tools-1" / ".installed").exists():
        pytest.skip("what makes them is not installed: `make grpc-tools` does it")
    make = ["make", "--silent", f"PYTHON={sys.executable}", f"GO_STUBS={tmp_path}"]
    run(*make, "go-stubs", folder=ROOT)
    name = "internal/wire/control.pb.go"
    assert (tmp_path / name).read_text() == (PACKAGE / name).read_text(), "run `make go-stubs`"


def test_a_program_changes_its_import_path_and_goes_on(modules: None, tmp_path: Path) -> None:
    before, after = (EXAMPLES / name / "main.go" for name in ("before", "after"))
    assert before.read_text().replace(ORIGINAL, OURS) == after.read_text()
    lines = [
        {"Image": r"C:\Windows\whoami.exe", "User": "alice"},
        {"Image": r"C:\Windows\whoami.exe", "User": "SYSTEM"},
        {"Message": "segfault at 0, a kernel panic"},
        {"dst.port": 4444, "Initiated": "true"},
        {"CommandLine": "net  user\tx"},
    ]
    rules = shutil.copytree(PACKAGE / "testdata" / "rules", tmp_path / "rules")
    (rules / "net.yml").write_text(
        "title: Net\nlogsource: {product: windows}\n"
        "detection: {s: {CommandLine|contains: 'net user'}, condition: s}\n"
    )
    # The Go engine compares no booleans, and needs every field that a condition speaks of.
    (rules / "port.yml").unlink()
    stdin = b"".join(json.dumps(each).encode() + b"\n" for each in lines * 20)
    outputs = []
    for program in (before, after):
        target = tmp_path / program.parent.name
        folder = copied(program.parent, tmp_path / f"{program.parent.name}-module")
        run("go", "build", "-o", target, ".", folder=folder)
        outputs.append(run(target, "-rules", rules, "-workers", "8", folder=tmp_path, stdin=stdin))
    assert outputs[0] == outputs[1]
    matched = [json.loads(line).get("sigma") for line in outputs[1].splitlines()[: len(lines)]]
    assert [each and each[0]["Title"] for each in matched] == ["Whoami", None, "Words", None, "Net"]


# Names that a program brings along with a piece of the original's README
SURROUNDINGS = """
package programs

import (
	"fmt"
	"net"
	"time"

	sigma "%s"
)

var viper interface{ GetStringSlice(string) []string }
var logrus interface{ Debugf(string, ...interface{}) }
var ruleset *sigma.Ruleset
var e sigma.Event

var _ = fmt.Sprint
var _ net.IP
var _ time.Time

type DynamicMap map[string]interface{}
type Syslog struct {
	Message
	Program, Host string
}
type UnstructuredEvent struct{}
type Message string

%s
"""


def pieces(readme: str) -> list[str]:
    """The Go code of a README, each as a file that stands alone."""
    made = []
    for code in re.findall(r"^```go\n(.*?)^```", readme, re.MULTILINE | re.DOTALL):
        if code.startswith(("import", "Benchmark")):
            continue
        for name in re.findall(r"^type (\w+)", code, re.MULTILINE):
            code = re.sub(rf"^type {name}\b", f"type {name}_", code, flags=re.MULTILINE)
        body = code if re.search(r"^(func|type) ", code, re.MULTILINE) else in_function(code)
        made.append(body)
    return made


def in_function(code: str) -> str:
    return f"func piece() error {{\n{code}\nreturn nil\n}}\n"


def test_what_compiles_with_the_original_compiles_with_ours(modules: None, tmp_path: Path) -> None:
    found = run("go", "list", "-m", "-f", "{{.Dir}}", ORIGINAL, folder=EXAMPLES / "before")
    original = Path(found.decode().strip())
    programs = [path.read_text() for path in sorted(original.glob("examples/*/main.go"))]
    readme = (original / "README.md").read_text(encoding="utf-8")
    programs += [SURROUNDINGS % (ORIGINAL, piece) for piece in pieces(readme)]
    assert len(programs) > 10
    compiled = {ORIGINAL: set[int](), OURS: set[int]()}
    for path, those in compiled.items():
        folder = tmp_path / path.replace("/", "-")
        folder.mkdir()
        ours = f"require {OURS} v0.0.0\nreplace {OURS} => {PACKAGE}\n"
        (folder / "go.mod").write_text(f"module programs\n\ngo 1.24\n\n{PINNED}{ours}")
        for number, program in enumerate(programs):
            (folder / str(number)).mkdir()
            text = program.replace(f'"{ORIGINAL}"', f'sigma "{path}"').replace(
                "sigma sigma", "sigma"
            )
            (folder / str(number) / "main.go").write_text(text)
        run("go", "mod", "tidy", folder=folder)
        for number in range(len(programs)):
            done = subprocess.run(
                ["go", "vet", f"./{number}"], cwd=folder, env=ENVIRONMENT, capture_output=True
            )
            if done.returncode == 0:
                those.add(number)
            elif number < 2:
                pytest.fail(done.stderr.decode())
    assert compiled[ORIGINAL] - compiled[OURS] == set()
    assert len(compiled[OURS]) > 5
