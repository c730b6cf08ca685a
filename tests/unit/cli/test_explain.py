"""`sigmac explain` as its users see it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.conftest import Run, on_a_terminal

SYSTEM = {"User": "NT AUTHORITY\\SYSTEM", "Image": "C:\\Windows\\whoami.exe"}
WHOAMI = """\
yes  Whoami Run As SYSTEM (high)  RULES:2:1
  yes  condition all of selection_* and not 1 of filter_*
    yes  and
      yes  all of selection_*
        yes  selection_user
        yes  selection_image
      yes  not
        no   1 of filter_*
          no   filter_known
  yes  selection_user  line 12
    yes  User|contains: "NT AUTHORITY\\SYSTEM"
      yes  contains "AUTHORI"
      no   contains "AUTORI"
  yes  selection_image  line 14
    yes  any of
      yes  Image|endswith: "C:\\Windows\\whoami.exe"
        yes  ends with "\\whoami.exe"
      no   OriginalFileName: absent
        no   is "whoami.exe"
  no   filter_known  line 17
    no   ParentImage: absent
      no   is "C:\\tools\\agent.exe"
"""


def write_rule(folder: Path, detection: str, title: str = "A rule") -> Path:
    file = folder / "rule.yml"
    head = f"title: {title}\nlogsource: {{product: windows, category: process_creation}}\n"
    file.write_text(f"{head}detection:\n{detection}", encoding="utf-8")
    return file


def items(run: Run, file: Path, event: Any, *options: str) -> list[dict[str, Any]]:
    """The items of the first selection, from the JSON form."""
    done = run("explain", file, json.dumps(event), "--format", "json", *options)
    assert (done.returncode, done.stderr) == (0, "")
    (selection, *_) = json.loads(done.stdout)["rules"][0]["variants"][0]["selections"]
    found: list[dict[str, Any]] = selection["detection"]["all_of"]
    return found


def test_it_shows_every_part_of_a_rule_with_its_truth(sigmac: Run, rule_file: Path) -> None:
    done = sigmac("explain", f"{rule_file}#Whoami Run As SYSTEM", json.dumps(SYSTEM))
    assert done.stdout == WHOAMI.replace("RULES", str(rule_file))
    assert (done.returncode, done.stderr) == (0, "")


def test_it_explains_every_rule_of_a_file(sigmac: Run, rule_file: Path) -> None:
    done = sigmac("explain", rule_file, '{"message": ["su", "SUDO -s"], "uid": null}')
    assert done.returncode == 0
    assert "only detection rules are explained; 1 others are not" in done.stderr
    first, second = done.stdout.split("\n\n")
    assert first.startswith("no   Whoami")
    assert second.splitlines() == [
        f"yes  Admin # one (low)  {rule_file}:21:1",
        "  no   condition root",
        "  yes  condition words",
        "  no   root  line 27",
        "    no   uid: null",
        "      no   is the number 0",
        "  yes  words  line 28",
        "    yes  keywords: 2 values of the event",
        '      yes  contains "sudo", as "SUDO -s"',
        '      no   contains "doas"',
    ]


@pytest.mark.parametrize(
    "name",
    ["Admin # one", "admin_one", "3D3F1C0E-4a4f-4d0b-8b53-5d2a3c1a6f10"],
    ids=["title", "name", "id"],
)
def test_one_rule_is_chosen_behind_a_number_sign(sigmac: Run, rule_file: Path, name: str) -> None:
    done = sigmac("explain", f"{rule_file}#{name}", '{"uid": 0}')
    assert (done.returncode, done.stderr) == (0, "")
    assert [line for line in done.stdout.splitlines() if not line.startswith(" ")] == [
        f"yes  Admin # one (low)  {rule_file}:21:1"
    ]


def test_an_event_comes_from_a_file_or_standard_input_too(
    sigmac: Run, rule_file: Path, tmp_path: Path
) -> None:
    event = tmp_path / "event.json"
    event.write_text(json.dumps(SYSTEM, indent=2), encoding="utf-8-sig")
    rule = f"{rule_file}#Whoami Run As SYSTEM"
    of_file = sigmac("explain", rule, event)
    of_stdin = sigmac("explain", rule, "-", stdin=json.dumps(SYSTEM))
    assert of_file.stdout == of_stdin.stdout == WHOAMI.replace("RULES", str(rule_file))


def test_the_variants_of_pipelines_are_branches(sigmac: Run, rule_file: Path) -> None:
    event = {"Channel": "Security", "EventID": 4688, "NewProcessName": "C:\\x\\whoami.exe"}
    done = sigmac(
        *("explain", f"{rule_file}#Whoami Run As SYSTEM", "-"),
        *("-p", "windows", "-p", "windows-audit", "--format", "json"),
        stdin=json.dumps({**event, "SubjectUserName": "autorité"}),
    )
    (rule,) = json.loads(done.stdout)["rules"]
    sysmon, audit = rule["variants"]
    assert [rule["matched"], sysmon["matched"], audit["matched"]] == [True, False, True]
    assert [sysmon["name"], audit["name"]] == ["windows", "audit"]
    truths = {each["name"]: each["matched"] for each in audit["selections"]}
    assert truths == {
        "_cond_1": True,
        "selection_user": True,
        "selection_image": True,
        "filter_known": False,
    }
    (item,) = audit["selections"][1]["detection"]["all_of"]
    assert item["field"] == "SubjectUserName"


def test_the_json_form(sigmac: Run, rule_file: Path) -> None:
    done = sigmac("explain", f"{rule_file}#admin_one", '{"uid": "0"}', "--format", "json")
    assert done.stdout.isascii()
    assert json.loads(done.stdout) == {
        "version": 1,
        "rules": [
            {
                "rule": {
                    "id": "3d3f1c0e-4a4f-4d0b-8b53-5d2a3c1a6f10",
                    "title": "Admin # one",
                    "level": "low",
                },
                "source": {"file": str(rule_file), "line": 21},
                "matched": True,
                "variants": [
                    {
                        "name": None,
                        "matched": True,
                        "conditions": [
                            {
                                "condition": name,
                                "line": 29,
                                "matched": name == "root",
                                "term": {"term": name, "matched": name == "root"},
                            }
                            for name in ("root", "words")
                        ],
                        "selections": [
                            {
                                "name": "root",
                                "file": str(rule_file),
                                "line": 27,
                                "matched": True,
                                "detection": {
                                    "matched": True,
                                    "all_of": [
                                        {
                                            "matched": True,
                                            "field": "uid",
                                            "modifiers": [],
                                            "file": str(rule_file),
                                            "line": 27,
                                            "all": False,
                                            "negated": False,
                                            "event": {
                                                "present": True,
                                                "count": 1,
                                                "values": [{"type": "string", "text": "0"}],
                                            },
                                            "values": [
                                                {
                                                    "matched": True,
                                                    "test": "is the number 0",
                                                    "matched_by": {"type": "string", "text": "0"},
                                                }
                                            ],
                                        }
                                    ],
                                },
                            },
                            {
                                "name": "words",
                                "file": str(rule_file),
                                "line": 28,
                                "matched": False,
                                "detection": {
                                    "matched": False,
                                    "field": None,
                                    "modifiers": [],
                                    "file": str(rule_file),
                                    "line": 28,
                                    "all": False,
                                    "negated": False,
                                    "event": {"present": True, "count": 1, "values": []},
                                    "values": [
                                        {"matched": False, "test": 'contains "sudo"'},
                                        {"matched": False, "test": 'contains "doas"'},
                                    ],
                                },
                            },
                        ],
                        "filters": [],
                    }
                ],
            }
        ],
        "misses": [],
        "correlations": [],
    }


def test_each_kind_of_value_is_put_in_words(sigmac: Run, tmp_path: Path) -> None:
    file = write_rule(
        tmp_path,
        r"""
  s:
    A|startswith|cased: Ab
    B: 'a*b?'
    C|contains|windash: ' -x'
    D|base64offset|contains: foobar
    E|re|i: ^x+$
    F|cidr: 10.0.0.0/8
    G|gte: 3
    H|hour|lt: 6
    I|exists: false
    J: null
    K: ''
    L: '*'
    M: true
    N|fieldref|endswith: A
    O|neq: x
    P|all: [1, 2]
  condition: s
""",
    )
    event = {"A": "Abc", "G": "7", "J": [None], "M": "TRUE", "N": "xabc", "P": [1, 2], "I": {}}
    found = items(sigmac, file, event)
    assert [(item["field"], item["matched"], item["values"][0]["test"]) for item in found] == [
        ("A", True, 'starts with "Ab" (letter case counts)'),
        ("B", False, 'is like "a*b?"'),
        ("C", False, 'is like "* [-]x*"'),
        ("D", False, "one of 3"),
        ("E", False, 'matches "(?i)^x+$"'),
        ("F", False, "is an address in 10.0.0.0/8"),
        ("G", True, "is at least 3"),
        ("H", False, "its hour is less than 6"),
        ("I", False, "is absent"),
        ("J", True, "is absent, null or an empty list"),
        ("K", False, 'is ""'),
        ("L", False, "is any text"),
        ("M", True, "is true"),
        ("N", True, "ends with the field A"),
        ("O", True, 'is "x"'),
        ("P", True, "is the number 1"),
    ]
    assert [each["test"] for each in found[3]["values"][0]["alternatives"]] == [
        'contains "Zm9vYmFy"',
        'contains "Zvb2Jhc"',
        'contains "mb29iYX"',
    ]
    assert found[13]["values"][0]["other"]["values"] == [{"type": "string", "text": "Abc"}]
    assert (found[14]["negated"], found[15]["all"]) == (True, True)
    assert [each["matched_by"]["text"] for each in found[15]["values"]] == ["1", "2"]
    assert found[8]["event"] == {
        "present": True,
        "count": 1,
        "values": [{"type": "object", "text": None}],
    }


AGENTS = """
title: Known Agents
logsource: {product: windows}
filter:
  rules: [80167ada-7a12-41ed-b8e9-aa47195c66a1]
  selection_user: {User|endswith: agent}
  condition: not selection_user
"""


def test_a_filter_is_a_branch_of_its_own(sigmac: Run, rule_file: Path, tmp_path: Path) -> None:
    (tmp_path / "filters").mkdir()
    file = tmp_path / "filters" / "agents.yml"
    file.write_text(AGENTS)
    (tmp_path / "filters" / "faulty.yml").write_text("title: Faulty")
    given = ("explain", f"{rule_file}#Whoami Run As SYSTEM", json.dumps(SYSTEM))
    done = sigmac(*given, "--with", file, "--with", rule_file)
    branch = f"""\
  yes  filter Known Agents  {file}:2:1
    yes  condition not selection_user
      yes  not
        no   selection_user
    no   selection_user  line 6
      no   User|endswith: "NT AUTHORITY\\SYSTEM"
        no   ends with "agent"
"""
    assert done.stdout == WHOAMI.replace("RULES", str(rule_file)) + branch
    assert (done.returncode, done.stderr) == (0, "")
    event = json.dumps(SYSTEM | {"User": "AUTORI\\agent"})
    done = sigmac(*given[:-1], event, "--with", tmp_path / "filters", "--format", "json")
    assert done.stderr.startswith("sigmac: --with: 1 document is left out")
    (found,) = json.loads(done.stdout)["rules"]
    (variant,) = found["variants"]
    (filter_,) = variant["filters"]
    assert [found["matched"], variant["matched"], filter_["matched"]] == [False, False, False]
    assert [each["matched"] for each in variant["conditions"]] == [True]
    assert [filter_["title"], filter_["file"], filter_["line"]] == ["Known Agents", str(file), 2]
    assert [each["name"] for each in filter_["selections"]] == ["selection_user"]


def test_a_filter_of_the_same_file_acts_and_a_refused_one_is_told(
    sigmac: Run, rule_file: Path, tmp_path: Path
) -> None:
    text, file = rule_file.read_text(), tmp_path / "rules.yml"
    file.write_text(f"{text}---{AGENTS}")
    name = f"{file}#Whoami Run As SYSTEM"
    event = json.dumps(SYSTEM | {"User": "AUTHORI\\agent"})
    assert sigmac("explain", name, event).stdout.startswith("no ")
    many = AGENTS.replace("rules: [", "rules: [Many Admins, ")
    file.write_text(f"{text}name: Many Admins\n---{many}")
    done = sigmac("explain", name, event)
    assert done.stdout.startswith("yes ")
    assert "[E_FILTER]" in done.stderr
    assert done.returncode == 1


def test_an_evtx_record_is_made_flat(sigmac: Run, tmp_path: Path) -> None:
    file = write_rule(tmp_path, "  s: {EventID: 1, Image: x}\n  condition: s\n")
    event = {"Event": {"System": {"EventID": 1}, "EventData": {"Image": "X"}}}
    assert [item["matched"] for item in items(sigmac, file, event, "--evtx")] == [True, True]
    assert [item["matched"] for item in items(sigmac, file, event)] == [True, True]
    plain = {"Event": {"System": 1}}
    assert [item["matched"] for item in items(sigmac, file, plain)] == [False, False]


def test_placeholders_need_values(sigmac: Run, tmp_path: Path) -> None:
    file = write_rule(tmp_path, "  s: {User|expand: '%admins%'}\n  condition: s\n")
    refused = sigmac("explain", file, '{"User": "root"}')
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "the placeholder `%admins%` has no value [E_PLACEHOLDER]" in refused.stderr
    (item,) = items(sigmac, file, {"User": "root"}, "--placeholder", "admins=adm,root")
    assert [each["test"] for each in item["values"][0]["alternatives"]] == ['is "adm"', 'is "root"']


def test_a_faulty_rule_is_reported_and_the_others_are_explained(
    sigmac: Run, rule_file: Path, tmp_path: Path
) -> None:
    file = tmp_path / "rules.yml"
    faulty = "---\ntitle: Bad\nlogsource: {product: x}\ndetection:\n  s: {A|containss: x}\n"
    good = rule_file.read_text(encoding="utf-8")
    file.write_text(f"{good}{faulty}  condition: s\n", encoding="utf-8")
    done = sigmac("explain", file, "{}")
    assert done.returncode == 1
    assert "error: there is no modifier `containss` [E_MODIFIER]" in done.stderr
    assert "did you mean `contains`?" in done.stderr
    assert done.stdout.count("\nno   ") + done.stdout.startswith("no   ") == 2
    # Whoever asks for another rule is not told.
    chosen = sigmac("explain", f"{file}#admin_one", "{}")
    assert (chosen.returncode, chosen.stderr) == (0, "")


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ("", "there is no event"),
        ("[1]", "there is no event"),
        ("nul", "no known format of logs"),
        ('{"a": NaN}', "not JSON: "),
        ('{"a": "\\ud800"}', "not JSON: "),
        ('{"a": ' + "[" * 500 + "]" * 500 + "}", "the event is nested deeper than 400 levels"),
        ('{"a": "' + "x" * (4 << 20) + '"}', "longer than 4,194,304 bytes"),
    ],
    ids=["empty", "array", "no JSON", "NaN", "surrogate", "deep", "long"],
)
def test_a_bad_event_is_one_line(sigmac: Run, rule_file: Path, event: str, message: str) -> None:
    done = sigmac("explain", f"{rule_file}#admin_one", "-", stdin=event)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith("sigmac: ")
    assert message in done.stderr


@pytest.mark.parametrize(
    ("event", "message"), [("", "there is no event"), ("[]", "not a JSON object but an array")]
)
def test_an_event_on_the_command_line_is_no_file(
    sigmac: Run, rule_file: Path, event: str, message: str
) -> None:
    done = sigmac("explain", rule_file, event)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"sigmac: EVENT: {message}\n")


@pytest.mark.parametrize(
    ("rule", "event", "message"),
    [
        ("missing.yml", "{}", "missing.yml: No such file or directory"),
        ("RULES", "missing.json", "missing.json: No such file or directory"),
        ("RULES#Admin", "{}", "no rule has the id or title `Admin`; did you mean `Admin # one`?"),
        ("RULES#zzz", "{}", "there are `Whoami Run As SYSTEM`, `Admin # one`"),
        ("FOLDER", "{}", "is a folder; name one rule file"),
    ],
)
def test_what_is_not_there_is_one_line(
    sigmac: Run, rule_file: Path, rule: str, event: str, message: str
) -> None:
    given = rule.replace("RULES", str(rule_file)).replace("FOLDER", str(rule_file.parent))
    done = sigmac("explain", given, event, cwd=rule_file.parent)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert message in done.stderr


def test_an_unknown_pipeline_is_reported(sigmac: Run, rule_file: Path) -> None:
    done = sigmac("explain", rule_file, "{}", "--pipeline", "wndows")
    assert (done.returncode, done.stdout) == (1, "")
    assert "there is no pipeline `wndows` [E_PIPELINE]" in done.stderr


def test_hostile_text_is_shown_and_not_obeyed(sigmac: Run, tmp_path: Path) -> None:
    file = write_rule(
        tmp_path,
        '  "s":\n    "A|contains": "\\e[2J[red]"\n  condition: s\n',
        title='"\\e]0;owned\\a {{ 7 * 7 }} \\u202e"',
    )
    event = {"A": ["x\u001b[2J[red]\u202e\r\n" + "y" * 5000, "\u0000"]}
    done = sigmac("explain", file, json.dumps(event))
    assert done.returncode == 0
    assert [line for line in done.stdout.splitlines() if not line.isprintable()] == []
    assert "\\x1b]0;owned\\x07 {{ 7 * 7 }} \\u202e" in done.stdout
    assert '"x\\x1b[2J[red]\\u202e\\r\\n' in done.stdout
    assert 'yyy…" (5,013 characters)' in done.stdout


def test_a_terminal_that_knows_few_characters(sigmac: Run, rule_file: Path) -> None:
    rule = f"{rule_file}#admin_one"
    done = sigmac("explain", rule, '{"uid": "ü✓"}', PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert 'uid: "\\xfc\\u2713"' in done.stdout


def test_long_and_deep_input_ends_well(sigmac: Run, tmp_path: Path) -> None:
    condition = "a"
    for _ in range(199):
        condition = f"a or b and ({condition})"
    names = "".join(f"  {name}: {{N: 1, A: {{}}}}\n" for name in "ab").replace(", A: {}", "")
    file = write_rule(tmp_path, f"{names}  condition: {condition}\n")
    for form in ("text", "json"):
        event = {"N": "9" * 5000, "deep": json.loads("[" * 390 + "]" * 390)}
        done = sigmac("explain", file, json.dumps(event), "--format", form)
        assert (done.returncode, done.stderr) == (0, "")


def test_a_terminal_shows_a_tree_in_colour(rule_file: Path) -> None:
    arguments = ("explain", f"{rule_file}#admin_one", '{"uid": 0}')
    colored = on_a_terminal(*arguments)
    assert "\x1b[1;32m✓ \x1b[0m" in colored
    plain = on_a_terminal(*arguments, NO_COLOR="1")
    assert plain.splitlines()[:4] == [
        f"✓ Admin # one (low)  {rule_file}:21:1",
        "├── ✓ condition root",
        "├── ✗ condition words",
        "├── ✓ root  line 27",
    ]
    assert "\x1b" not in plain


def test_beside_what_is_absent_stands_what_was_probably_meant(sigmac: Run, tmp_path: Path) -> None:
    file = write_rule(tmp_path, "  s: {Imgae: x, command.line: y, Gone: z}\n  condition: s\n")
    event = {"Image": "x", "process": {"command_line": "y\x1b"}}
    done = sigmac("explain", file, json.dumps(event))
    said = [line.strip() for line in done.stdout.splitlines() if ": absent" in line]
    assert said == [
        "no   Imgae: absent; did you mean Image?",
        "no   command.line: absent; did you mean process.command_line?",
        "no   Gone: absent",
    ]
