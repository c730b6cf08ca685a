"""References over a whole rule set: what they find, and what a faulty one leads to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigmac.compiler.diagnostics.diagnostic import Diagnostics
from sigmac.compiler.syntax.documents import read_file
from sigmac.compiler.syntax.links import acting_in, check_references

ID = "5638f7c0-ac70-491d-8465-2a65075e0d86"
OTHER_ID = "0e95725d-7320-415d-80f7-004da920fc11"


def rule(title: str, more: str = "", product: str = "windows") -> str:
    return (
        f"title: {title}\n{more}\nlogsource: {{product: {product}}}\n"
        "detection: {s: {A: b}, condition: s}\n"
    )


def temporal(title: str, rules: str, more: str = "") -> str:
    """A correlation under its title as name too."""
    return (
        f"title: {title}\nname: {title}\n"
        f"correlation: {{type: temporal, rules: [{rules}], timespan: 5m{more}}}\n"
    )


def filter_(rules: str) -> str:
    return (
        "title: F\nlogsource: {product: windows}\n"
        f"filter: {{rules: {rules}, s: {{A: b}}, condition: not s}}\n"
    )


def check(*documents: str) -> tuple[list[str], list[str]]:
    """Titles of the correlations and filters that are kept; what was said: code, message, hint."""
    contents = read_file("---\n".join(documents).encode(), "rules.yml")
    diagnostics = Diagnostics()
    correlations = check_references(
        contents.rules,
        contents.correlations,
        contents.filters,
        diagnostics,
        contents.refused_names,
    )
    filters = acting_in([contents], diagnostics).filters
    kept = [each.meta.title for each in [*correlations, *filters]]
    return kept, [f"{d.code} {d.message}. {d.hint}" for d in diagnostics]


A = rule("Rule A", f"name: a\nid: {ID}")
B = rule("Rule B", "name: b")
REFUSED = (
    "title: R\nname: r\nid: r-17\nlogsource: {product: x}\ndetection: {s: {A: b}, condition: t}\n"
)


@pytest.mark.parametrize("reference", ["a", ID, ID.upper()])
def test_a_rule_is_found_by_name_and_by_id_in_any_letter_case(reference: str) -> None:
    assert check(A, B, temporal("C", f"{reference}, b")) == (["C"], [])
    assert check(A, B, filter_(f"[{reference}, b]")) == (["F"], [])


def test_the_order_of_documents_does_not_matter() -> None:
    assert check(temporal("D", "C, b"), temporal("C", "a, b"), A, B) == (["D", "C"], [])


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("fialed", "no rule has the id or name `fialed`. did you mean `failed`?"),
        ("A", "no rule has the id or name `A`. "),
        (
            "Rule A",
            f"no rule has the id or name `Rule A`. a title is no reference: refer to it as `{ID}`",
        ),
        (
            "Rule B",
            "no rule has the id or name `Rule B`. a title is no reference: refer to it as `b`",
        ),
        (
            "Failed",
            "no rule has the id or name `Failed`. a title is no reference: refer to it as `failed`",
        ),
        ("r", "`r` is refused. mend its errors first"),
        ("R-17", "`R-17` is refused. mend its errors first"),
    ],
)
def test_a_reference_that_finds_nothing(reference: str, said: str) -> None:
    rules = (A, B, rule("Failed", "name: failed"), REFUSED)
    assert check(*rules, temporal("C", f"b, {reference}")) == ([], [f"E_REFERENCE {said}"])
    assert check(*rules, filter_(reference)) == (["F"], [f"W_FILTER_UNUSED {said}"])


def test_a_name_given_twice_is_an_error_of_whoever_refers_to_it() -> None:
    again = rule("Rule A again", "name: a")
    assert check(A, again, B, temporal("C", "b, b")) == (["C"], [])
    said = [
        "E_REFERENCE 2 rules have the name `a`: rules.yml:1:1, rules.yml:7:1. "
        "refer to one by its id"
    ]
    assert check(A, again, B, temporal("C", "a, b")) == ([], said)
    assert check(A, again, B, filter_("[a, b]")) == ([], said)
    assert check(A, again, B, temporal("C", f"{ID}, b")) == (["C"], [])


def test_of_an_id_given_twice_the_last_one_counts() -> None:
    linux = rule("Rule L", f"id: {ID.upper()}", "linux")
    kept, said = check(A, linux, filter_(ID))
    assert kept == ["F"]
    assert said == [
        f"W_META the id `{ID.upper()}` stands at rules.yml:3:5 too. "
        "give each rule its own id: references use the last one",
        f"W_FILTER_UNUSED the filter does not act on `{ID}`, which has the logsource linux, "
        "the filter windows. ",
    ]
    kept, said = check(linux, A, filter_(ID))
    assert [each.split()[0] for each in said] == ["W_META"]


def test_an_error_reaches_every_correlation_above() -> None:
    kept, said = check(
        A,
        B,
        temporal("Top", "Middle, b"),
        temporal("Middle", "Bottom, a"),
        temporal("Bottom", "a, missing"),
        temporal("Apart", "a, b"),
    )
    assert kept == ["Apart"]
    assert said == [
        "E_REFERENCE no rule has the id or name `missing`. ",
        "E_REFERENCE `Bottom` is refused. mend its errors first",
        "E_REFERENCE `Middle` is refused. mend its errors first",
    ]


def test_a_correlation_refused_before_is_an_error_of_those_above() -> None:
    kept, said = check(A, temporal("C", "a, b", ", generate: 7"), temporal("D", "C, a"))
    assert kept == []
    assert said == ["E_REFERENCE `C` is refused. mend its errors first"]


def test_cycles() -> None:
    kept, said = check(
        A,
        temporal("Self", "Self, a"),
        temporal("One", "Two, a"),
        temporal("Two", "a, Three"),
        temporal("Three", "One, a"),
        temporal("Above", "One, a"),
        temporal("Apart", "a, a"),
    )
    assert kept == ["Apart"]
    assert sorted(said) == [
        *["E_CYCLE the correlation refers to itself: `One` → `Two` → `Three` → `One`. "
          "remove one of these references"] * 3,
        "E_CYCLE the correlation refers to itself: `Self` → `Self`. remove one of these references",
        "E_REFERENCE `One` is refused. mend its errors first",
    ]  # fmt: skip


@given(st.lists(st.sets(st.integers(0, 5), max_size=3), min_size=1, max_size=6))
def test_exactly_what_leads_to_a_cycle_is_refused(graph: list[set[int]]) -> None:
    names = [f"c{i}" for i in range(len(graph))]
    below = {i: {j for j in each if j < len(graph)} for i, each in enumerate(graph)}
    kept, said = check(
        A,
        *(
            temporal(names[i], ", ".join(["a", *(names[j] for j in sorted(below[i]))]))
            for i in below
        ),
    )
    sound: set[int] = set()
    for _ in below:
        sound |= {i for i in below if below[i] <= sound}
    assert kept == [names[i] for i in below if i in sound]
    assert any(each.startswith("E_CYCLE") for each in said) is (len(sound) < len(below))


def test_metrics_look_at_detection_rules_only() -> None:
    metric = (
        "title: M\ncorrelation: {type: value_sum, rules: [a, C], timespan: 5m, "
        "condition: {field: Bytes, gte: 5}}\n"
    )
    kept, said = check(A, B, temporal("C", "a, b"), metric)
    assert kept == ["C"]
    assert said == [
        "E_CORRELATION value_sum looks at events, and `C` is a correlation. "
        "refer to detection rules only"
    ]


def test_a_rule_referred_to_in_two_ways_is_told() -> None:
    kept, said = check(A, temporal("C", f"a, {ID}"))
    assert kept == ["C"]
    assert said == [f"W_META `{ID}` and `a` are the same rule. refer to it in one way"]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("group-by: [ip, User], aliases: {ip: {a: SourceIp, b: DestinationIp}}", []),
        (f"group-by: ip, aliases: {{ip: {{{ID}: SourceIp, b: DestinationIp}}}}", []),
        (
            "group-by: ip, aliases: {ip: {a: SourceIp}}",
            ["E_CORRELATION the alias `ip` has no field for `b`. add `b: <field>`"],
        ),
        (
            "aliases: {ip: {a: SourceIp}}",
            [
                "W_META nothing uses the alias `ip`. "
                "add it to `group-by` or to the condition's `field`, or remove it"
            ],
        ),
        (
            "group-by: ip, aliases: {ip: {a: SourceIp, b: x, c: y}}",
            [
                "W_META `c` is not among the rules of the correlation. "
                "add it to `rules` or remove it"
            ],
        ),
        (
            "group-by: ip, aliases: {ip: {a: SourceIp, b: x, missing: y}}",
            ["E_REFERENCE no rule has the id or name `missing`. "],
        ),
    ],
)
def test_aliases(more: str, said: list[str]) -> None:
    kept, found = check(A, B, rule("Rule C", "name: c"), temporal("T", "a, b", f", {more}"))
    assert found == said
    assert kept == ([] if any(each.startswith("E_") for each in said) else ["T"])


def test_an_alias_need_not_cover_correlations() -> None:
    aliases = ", group-by: ip, aliases: {ip: {b: SourceIp}}"
    kept, said = check(A, B, temporal("C", "a, b"), temporal("T", "C, b", aliases))
    assert (kept, said) == (["C", "T"], [])


def test_filters_act_on_detection_rules_of_their_logsource() -> None:
    linux = rule("Rule L", "name: linux", "linux")
    kept, said = check(A, B, linux, temporal("C", "a, b"), filter_("[a, linux]"))
    assert kept == ["C", "F"]
    assert said == [
        "W_FILTER_UNUSED the filter does not act on `linux`, which has the logsource linux, "
        "the filter windows. ",
    ]


def test_a_filter_that_lists_a_correlation_is_refused() -> None:
    kept, said = check(A, B, temporal("C", "a, b"), filter_("[a, C]"))
    assert kept == ["C"]
    assert said == [
        "E_FILTER `C` is a correlation, and filters act on detection rules. "
        "list the rules that it refers to"
    ]


def acting(*documents: str) -> list[tuple[str, list[str]]]:
    """The title of each rule with those of the filters that act on it."""
    contents = read_file("---\n".join(documents).encode(), "rules.yml")
    found = acting_in([contents], Diagnostics()).on
    return [
        (rule.meta.title, [each.meta.title for each in on_it])
        for rule, on_it in zip(contents.rules, found, strict=True)
    ]


def titled(title: str, rules: str, logsource: str = "product: windows") -> str:
    text = filter_(rules).replace("title: F", f"title: {title}")
    return text.replace("product: windows", logsource)


def test_which_filters_act_on_a_rule() -> None:
    service = rule("Rule S", "name: s").replace("windows", "windows, service: security")
    linux = rule("Rule L", "name: linux", "Linux")
    found = acting(
        titled("listed", f"[{ID}, a]"),
        A,
        titled("any", "any"),
        service,
        titled("narrow", "ANY", "product: WINDOWS, service: security"),
        titled("name", "[any]"),
        linux,
        titled("linux", "[]", "product: linux"),
        titled("of a correlation", "[a, C]"),
        temporal("C", "a, s"),
    )
    assert found == [
        ("Rule A", ["listed", "any"]),
        ("Rule S", ["any", "narrow"]),
        ("Rule L", ["linux"]),
    ]


def test_any_in_a_list_is_a_name() -> None:
    found = acting(A, rule("Rule X", "name: any"), titled("one", "[any]"), titled("all", "any"))
    assert found == [("Rule A", ["all"]), ("Rule X", ["one", "all"])]


def test_a_filter_for_any_rule_needs_one_of_its_logsource() -> None:
    assert check(A, filter_("any")) == (["F"], [])
    kept, said = check(rule("Rule L", "", "linux"), filter_("any"))
    assert kept == ["F"]
    assert said == ["W_FILTER_UNUSED no rule has the logsource windows of the filter. "]


def test_a_filter_reports_its_own_id_too() -> None:
    kept, said = check(A, filter_("any").replace("title: F", f"title: F\nid: {ID}"))
    assert kept == ["F"]
    assert [each.split(":")[0] for each in said] == [f"W_META the id `{ID}` stands at rules.yml"]


@pytest.mark.parametrize("closed", [False, True])
def test_long_chains_are_followed_to_their_end(closed: bool) -> None:
    count = 2000
    chain = [temporal(f"c{i}", f"a, c{i + 1}") for i in range(count)]
    documents = [A, *chain, temporal(f"c{count}", "a, c0" if closed else "a, a")]
    kept, said = check(*documents)
    assert len(kept) == (0 if closed else count + 1)
    assert len(said) == (count + 1 if closed else 0)
    assert all(len(each) < 200 for each in said)


def test_many_faulty_references_are_all_reported() -> None:
    names = [f"rule_{i}" for i in range(300)]
    missing = ", ".join(f"roule_{i}" for i in range(300))
    kept, said = check(*(rule(name, f"name: {name}") for name in names), temporal("C", missing))
    assert kept == []
    assert len(said) == 300
    assert sum("did you mean" in each for each in said) == 100
