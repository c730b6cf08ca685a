"""Rules whose size is the attack: each is made here, and refused or compiled in little time and memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable

# The text of a file, and the code of an error or "" for a pack.
Bomb = tuple[Callable[[], str], str]

_HEAD = "title: t\nlogsource: {product: p}\n"
_BODY = "detection: {s: {A: x}, condition: s}\n"


def _custom(text: str) -> str:
    return f"{_HEAD}custom: {text}\n{_BODY}"


def _values(key: str, values: Iterable[object], condition: str = "s") -> str:
    lines = "".join(f"      - '{value}'\n" for value in values)
    return f"{_HEAD}detection:\n  s:\n    '{key}':\n{lines}  condition: {condition}\n"


def _numbers(key: str, values: Iterable[object]) -> str:
    return _values(key, values).replace("- '", "- ").replace("'\n", "\n")


def _condition(condition: str, selections: str = "  s: {A: x}\n") -> str:
    return f"{_HEAD}detection:\n{selections}  condition: {condition}\n"


def _selections(names: Iterable[str]) -> str:
    return "".join(f"  {name}: x{number}\n" for number, name in enumerate(names))


def _nested(depth: int, opening: str, closing: str, core: str = "x") -> str:
    return opening * depth + core + closing * depth


def _laughs() -> str:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    for before, name in zip("abcdefgh", "bcdefghi", strict=True):
        lines.append(f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]")
    return "\n".join(lines) + f"\n{_HEAD}{_BODY}"


def _merges() -> str:
    lines = ["m0: &m0 {k: v}"]
    lines += [f"m{i}: &m{i} {{<<: [*m{i - 1}, *m{i - 1}, *m{i - 1}]}}" for i in range(1, 30)]
    return "\n".join(lines) + f"\n{_HEAD}{_BODY}"


def _wide_merges() -> str:
    wide = ", ".join(f"k{i}: v" for i in range(4000))
    lines = [f"m: &m {{{wide}}}", *(f"n{i}: {{<<: *m}}" for i in range(1000))]
    return "\n".join(lines) + f"\n{_HEAD}{_BODY}"


def _big_alias(count: int) -> str:
    return f"{_HEAD}a: &a {'y' * 1_000_000}\nb: [{', '.join(['*a'] * count)}]\n{_BODY}"


def _action(action: str, count: int) -> str:
    big = f"{_HEAD}custom: {'z' * 1_000_000}\n{_BODY}"
    more = f"action: {action}\ntitle: t" if action == "repeat" else "title: t"
    first = f"action: global\n{big}" if action == "global" else big
    return "---\n".join([first, *(f"{more}{i}\n" for i in range(count))])


def _deep_condition(depth: int) -> str:
    """Alternating operators, and names of their own, so that nothing can be made flat."""
    names = [f"{side}{i}" for side in "st" for i in range(depth)]
    condition = "".join(f"s{i} and (t{i} or " for i in range(depth)) + "s0" + ")" * depth
    return _condition(condition, _selections(names))


BOMBS: dict[str, Bomb] = {
    "title of 10 kB": (lambda: f"title: {'t' * 10_000}\nlogsource: {{product: p}}\n{_BODY}", ""),
    "title of 1 MB": (lambda: f"title: {'t' * 1_000_000}\nlogsource: {{product: p}}\n{_BODY}", ""),
    "title of a megabyte of quotes": (
        lambda: f"title: '{chr(34) * 1_000_000}'\nlogsource: {{product: p}}\n{_BODY}",
        "",
    ),
    "value of 10 kB": (lambda: _values("A", ["x" * 10_000]), ""),
    "value of 1 MB": (lambda: _values("A|contains", ["x" * 1_000_000]), ""),
    "value of a megabyte of backslashes": (lambda: _values("A", ["\\" * 1_000_000]), ""),
    "value of 100,000 escaped stars": (lambda: _values("A", ["\\*" * 100_000]), ""),
    "logsource of 1 MB": (
        lambda: f"title: t\nlogsource: {{product: {'p' * 1_000_000}}}\n{_BODY}",
        "",
    ),
    "id of 1 MB": (lambda: f"id: {'1' * 1000}{'i' * 1_000_000}\n{_HEAD}{_BODY}", ""),
    "comment of 5 MB": (lambda: f"{_HEAD}#{'x' * 5_000_000}\n{_BODY}", ""),
    "file of 20 MB": (lambda: f"{_HEAD}#{'x' * 20_000_000}\n{_BODY}", "E_YAML"),
    "selection of 1 MB": (
        lambda: f"{_HEAD}detection:\n  ? {'s' * 1_000_000}\n  : x\n  condition: s\n",
        "E_IDENT",
    ),
    "field of 1 MB": (
        lambda: f"{_HEAD}detection:\n  s:\n    ? {'A' * 1_000_000}\n    : x\n  condition: s\n",
        "E_IDENT",
    ),
    "field of 500 dots": (lambda: _values("a." * 499 + "a", ["x"]), ""),
    "name of 900 pipes": (lambda: _values("A" + "|contains" * 100, ["x"]), "E_MODIFIER"),
    "billion laughs": (_laughs, "E_YAML"),
    "merges of merges": (_merges, "E_YAML"),
    "wide merges": (_wide_merges, "E_YAML"),
    "alias of a megabyte, 9,000 times": (lambda: _big_alias(9_000), "E_YAML"),
    "alias of a megabyte, 10 times": (lambda: _big_alias(10), ""),
    "template of a megabyte for 400 rules": (lambda: _action("global", 400), "E_YAML"),
    "rule of a megabyte repeated 400 times": (lambda: _action("repeat", 400), "E_YAML"),
    "10,000 lists in lists": (lambda: _custom(_nested(10_000, "[", "]")), "E_YAML"),
    "10,000 maps in maps": (lambda: _custom(_nested(10_000, "{a: ", "}")), "E_YAML"),
    "10,000 lists in a block": (lambda: _custom("\n" + "- " * 10_000 + "x"), "E_YAML"),
    "10,000 keys in keys": (lambda: "? " * 10_000 + "x\n", "E_YAML"),
    "1,400 maps in a block": (
        lambda: _custom("\n" + "".join(f"{' ' * i}b:\n" for i in range(1, 1400))),
        "E_YAML",
    ),
    "1,400 lists in a block": (
        lambda: _custom("\n" + "".join(f"{' ' * i}-\n" for i in range(1, 1400))),
        "E_YAML",
    ),
    "a million open brackets": (lambda: _custom("[" * 1_000_000), "E_YAML"),
    "98 lists in lists": (lambda: _custom(_nested(98, "[", "]")), ""),
    "98 maps in maps": (lambda: _custom(_nested(98, "{a: ", "}")), ""),
    "98 lists and maps with text": (
        lambda: _custom(_nested(49, "{a: [aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, ", "]}")),
        "",
    ),
    "detection of 95 lists": (
        lambda: (
            f"{_HEAD}detection: {{s: {_nested(95, '[{B: y, C: z}, ', ']', '{A: x}')}, condition: s}}\n"
        ),
        "",
    ),
    "9,000 anchors": (lambda: _custom(f"[{', '.join(f'&a{i} x' for i in range(9000))}]"), ""),
    "20,000 nodes": (lambda: _custom(f"[{', '.join('x' * 20_000)}]"), "E_YAML"),
    "a million documents": (lambda: "---\n" * 1_000_000, "E_YAML"),
    "9,000 faulty documents": (lambda: "a\n---\n" * 9_000, "E_DOC_TYPE"),
    "500 rules of one title": (lambda: "---\n".join([_HEAD + _BODY] * 500), ""),
    "number of 5,000 digits": (lambda: _numbers("A", ["9" * 5000]), "E_YAML"),
    "number of 900 digits": (lambda: _numbers("A", ["9" * 900]), ""),
    "hexadecimal number of 16,000 digits": (lambda: _custom("0x" + "f" * 16_000), "E_YAML"),
    "binary number of 16,000 digits": (lambda: _custom("0b" + "1" * 16_000), "E_YAML"),
    "sexagesimal number of 300,000 places": (lambda: _custom("1" + ":00" * 300_000), "E_YAML"),
    "sexagesimal float of 300,000 places": (
        lambda: _custom("1" + ":00" * 300_000 + ".5"),
        "E_YAML",
    ),
    "10,000 parentheses": (lambda: _condition(_nested(10_000, "(", ")", "s")), "E_CONDITION"),
    "199 parentheses": (lambda: _condition(_nested(199, "(", ")", "s")), ""),
    "10,000 times not": (lambda: _condition("not " * 10_000 + "s"), "E_CONDITION"),
    "199 times not": (lambda: _condition("not " * 199 + "s"), ""),
    "190 nested alternatives": (lambda: _deep_condition(190), ""),
    "condition of 200 kB": (lambda: _condition("s" * 200_000), "E_CONDITION"),
    "condition of one name 20,000 times": (lambda: _condition(" or ".join(["s"] * 20_000)), ""),
    "conditions of 600 kB": (
        lambda: _condition(
            "\n" + "".join(f"    - {' or '.join(['s'] * 6000)}\n" for _ in range(20))
        ),
        "E_CONDITION",
    ),
    "3,000 values used 10,000 times": (
        lambda: _values("A|contains", (f"v{i}" for i in range(3000)), " or ".join(["s"] * 10_000)),
        "",
    ),
    "condition of bars": (lambda: _condition("s " + "|" * 90_000), "E_CONDITION"),
    "aggregation of blanks": (
        lambda: _condition("s | count() by " + " " * 480 + "!"),
        "E_AGGREGATION",
    ),
    "aggregation of an open parenthesis": (
        lambda: _condition("s | count(" + " " * 480),
        "E_AGGREGATION",
    ),
    "pattern of 40,000 stars": (
        lambda: _condition(
            "1 of " + "*s" * 40_000, _selections(f"{'s' * 900}{i}" for i in range(1000))
        ),
        "E_SELECTOR_EMPTY",
    ),
    "5,000 selections": (
        lambda: _condition("1 of them", _selections(f"s{i}" for i in range(5000))),
        "E_YAML",
    ),
    "4,900 selections": (
        lambda: _condition("1 of them", _selections(f"s{i}" for i in range(4900))),
        "",
    ),
    "2,000 selections and a count": (
        lambda: _condition("1500 of s*", _selections(f"s{i}" for i in range(2000))),
        "",
    ),
    "4,900 selections and 5,000 patterns": (
        lambda: _condition(
            " or ".join(f"1 of s*{i:b}*" for i in range(5000)),
            _selections(f"s{i:b}" for i in range(4900)),
        ),
        "E_CONDITION",
    ),
    "4,900 selections and an unknown name": (
        lambda: _condition("z" * 99, _selections(f"{'z' * 90}{i}" for i in range(4900))),
        "E_CONDITION",
    ),
    "2,000 selections that nobody uses": (
        lambda: _condition("s0", _selections(f"s{i}" for i in range(2000))),
        "",
    ),
    "900 selections that collide": (
        lambda: _condition("1 of them", _selections(f"s{'-.'[i % 2] * i}b" for i in range(1, 900))),
        "",
    ),
    "conjunction of 1,000 alternatives": (
        lambda: _condition(
            " and ".join(f"(a{i} or b{i})" for i in range(1000)),
            _selections(f"{side}{i}" for side in "ab" for i in range(1000)),
        ),
        "",
    ),
    "all pairs of 90 selections": (
        lambda: _condition(
            " or ".join(f"(a{i} and a{j})" for i in range(90) for j in range(i)),
            _selections(f"a{i}" for i in range(90)),
        ),
        "",
    ),
    "3,000 values": (lambda: _values("A", (f"v{i}" for i in range(3000))), ""),
    "3,000 values that must all be there": (
        lambda: _values("A|contains|all", (f"v{i}" for i in range(3000))),
        "",
    ),
    "3,000 numbers": (lambda: _numbers("A", range(3000)), ""),
    "3,000 networks": (
        lambda: _numbers("A|cidr", (f"{i // 256}.{i % 256}.0.0/16" for i in range(3000))),
        "",
    ),
    "3,000 values with wildcards": (lambda: _values("A", (f"a*b{i}?c" for i in range(3000))), ""),
    "3,000 patterns": (lambda: _values("A|re", (f"a.*b{i}.c" for i in range(3000))), ""),
    "2,000 values, each within the next": (
        lambda: _values("A|startswith", (f"{'a' * i}b" for i in range(1, 2000))),
        "",
    ),
    "2,000 fields": (
        lambda: (
            f"{_HEAD}detection:\n  s:\n"
            + "".join(f"    F{i}: x\n" for i in range(2000))
            + "  condition: s\n"
        ),
        "",
    ),
    "1,000 numeric fields of one name": (
        lambda: (
            f"{_HEAD}detection:\n  s:\n"
            + "".join(f"    a{'-' * (i % 500)}{'.' * (i // 500)}|gt: {i}\n" for i in range(1000))
            + "  condition: s\n"
        ),
        "",
    ),
    "5,000 times star and letter": (lambda: _values("A", ["*a" * 5000]), "E_VALUE_TYPE"),
    "500 times star and letter": (lambda: _values("A", ["*a" * 500]), ""),
    "100,000 times star and letter": (lambda: _values("A", ["*a" * 100_000]), "E_VALUE_TYPE"),
    "10,000 question marks": (lambda: _values("A", ["?" * 10_000]), "E_VALUE_TYPE"),
    "1,000 question marks": (lambda: _values("A", ["?" * 1000]), ""),
    "a wildcard in a megabyte": (
        lambda: _values("A", ["a" * 500_000 + "*" + "b" * 500_000]),
        "E_VALUE_TYPE",
    ),
    "a cased wildcard in a megabyte": (
        lambda: _values("A|cased", ["a" * 500_000 + "?"]),
        "E_VALUE_TYPE",
    ),
    "windash with 50 dashes": (lambda: _values("A|windash|contains", [" -a" * 50]), ""),
    "windash with 5,000 dashes": (
        lambda: _values("A|windash|contains", [" -a" * 5000]),
        "E_VALUE_TYPE",
    ),
    "3,000 values of three dashes": (
        lambda: _values("A|windash|contains", (f" -a -b -c{i}" for i in range(3000))),
        "",
    ),
    "3,000 values of three dashes, encoded": (
        lambda: _values("A|windash|base64offset|contains", (f" -a -b -c{i}" for i in range(3000))),
        "E_ENCODING",
    ),
    "a megabyte with dashes, encoded": (
        lambda: _values("A|windash|base64offset|contains", [" -a -b -c" + "x" * 1_000_000]),
        "E_ENCODING",
    ),
    "a megabyte in base64": (lambda: _values("A|wide|base64", ["x" * 1_000_000]), ""),
    "a megabyte in base64 at each offset": (
        lambda: _values("A|base64offset|contains", ["x" * 1_000_000]),
        "E_ENCODING",
    ),
    "1,000 placeholders": (lambda: _values("A|expand", ["%a%" * 1000]), "E_PLACEHOLDER"),
    "a pattern of 100 kB": (lambda: _values("A|re", ["a|b" * 33_333]), ""),
    "a pattern of 200 kB": (lambda: _values("A|re", ["a" * 200_000]), "E_REGEX_UNSUPPORTED"),
    "900 groups in groups": (lambda: _values("A|re", [_nested(900, "(", ")")]), ""),
    "5,000 groups in groups": (
        lambda: _values("A|re", [_nested(5000, "(", ")")]),
        "",
    ),
    "5,000 groups in a row": (lambda: _values("A|re", ["(a|b)" * 5000]), ""),
    "5,000 optional groups": (lambda: _values("A|re", ["(a|b)?" * 5000]), ""),
    "repeats of repeats": (lambda: _values("A|re", ["(a{1000}){1000}"]), "E_REGEX_UNSUPPORTED"),
    "stars of stars": (lambda: _values("A|re", ["(((((((a*)*)*)*)*)*)*)*b"]), ""),
    "alternatives of alternatives": (
        lambda: _values("A|re", ["((((ab|c){4}|d){4}|e){4}|f){4}"]),
        "",
    ),
    "a class of 10,000 characters": (
        lambda: _values("A|re", [f"[{''.join(chr(0x4E00 + 2 * i) for i in range(10_000))}]"]),
        "",
    ),
    "a large class 1,000 times": (lambda: _values("A|re", [r"\pL{1000}"]), "E_REGEX_UNSUPPORTED"),
    "a large class 250 times": (lambda: _values("A|re", [r"\pL{250}"]), "E_REGEX_UNSUPPORTED"),
    "300 large patterns": (
        lambda: _values("A|re", (rf"\pL{{50}}{i}" for i in range(300))),
        "E_REGEX_UNSUPPORTED",
    ),
    "30,000 bad groups": (lambda: _values("A|re", ["(?a" * 30_000]), "E_REGEX"),
    "100 kB of backslashes": (lambda: _values("A|re", ["\\" * 99_999]), "E_REGEX"),
    "letters with odd cases": (lambda: _values("A|re|i", ["k" * 1000]), ""),
}
