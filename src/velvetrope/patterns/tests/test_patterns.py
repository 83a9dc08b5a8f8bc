"""Patterns of Java and of ECMA 262: what they mean, what is refused by name, and that none takes exponential time."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from velvetrope.patterns import Dialect, PatternRefused, TooMuchToMatch, compile_finder, compile_pattern

JAVA, ECMA = Dialect.JAVA, Dialect.ECMA
BOTH = (JAVA, ECMA)


def is_match(pattern: str, dialect: Dialect, text: str) -> bool:
    """Whether the whole of `text` matches."""
    return compile_pattern(pattern, dialect, whole=True).matches(text)


def _ids(value: object) -> str | None:
    return value.name if isinstance(value, Dialect) else None


# Source: Java SE API, java.util.regex.Pattern.
_OF_JAVA = [
    (".", "\u0085", False),
    (".", "\u2028", False),
    (".", "\v", True),
    ("(?s).", "\n", True),
    ("(?s:.).", "a\n", False),
    (r"\s", "\v", True),
    (r"\s", "\u00a0", False),
    (r"[\s]", "\v", True),
    (r"[^\s]", "\v", False),
    (r"\S", "\v", False),
    (r"\h", "\u00a0", True),
    (r"\v", "\u2028", True),
    (r"\V", "\u2028", False),
    (r"\p{Lower}", "é", False),
    (r"\p{L}", "é", True),
    (r"\pL", "é", True),
    (r"\P{L}", "é", False),
    (r"[\p{Lu}\d]+", "É1", True),
    (r"[^\p{Punct}]", "!", False),
    (r"\p{IsGreek}", "λ", True),
    (r"(?i)bearer", "BeArEr", True),
    (r"(?i)k", "\u212a", False),
    (r"(?i)[a-c]+", "ABC", True),
    (r"(?i)[^a]", "A", False),
    (r"(?i:a)b", "AB", False),
    (r"(?i)a(?-i)b", "AB", False),
    (r"((?i)a)b", "AB", False),
    (r"(?i)a|b", "B", True),
    (r"\Qa.b\E.", "a.bc", True),
    (r"\Qa.b", "axb", False),
    (r"\Aa\z", "a", True),
    (r"\x{1F600}", "\U0001f600", True),
    (r"[\w-.]+", "a-.", True),
    (r"\e\a", "\x1b\x07", True),
    (r"(?<name>a)+", "aa", True),
    (r"^(?!admin$)[\s\S]*$", "admin\n", False),
    (r"^(?!admin$)[\s\S]*$", "admin\r\n", False),
    (r"^(?!admin$)[\s\S]*$", "admin\n\n", True),
    (r"^(?!admin$)[\s\S]*$", "admins", True),
    (r"^(?!a$|b\Z)[\s\S]*$", "b\u2028", False),
    (r"^(?!b\z)[\s\S]*$", "b\n", True),
]
# Source: ECMA 262, "CharacterClassEscape", annex B.1.2.
_OF_ECMA = [
    (".", "\u0085", True),
    (".", "\r", False),
    (".", "\U0001f600", True),
    (r"\s", "\ufeff", True),
    (r"\S", "\u00a0", False),
    (r"[\S]", "\u00a0", False),
    (r"\v", "\v", True),
    (r"\v", "\u2028", False),
    ("[]", "a", False),
    ("[^]", "\n", True),
    ("[[&&]+", "[&", True),
    (r"[\b]", "\b", True),
    ("a{,2}", "a{,2}", True),
    ("a{", "a{", True),
    (r"\0", "\0", True),
    (r"\ud83d\ude00", "\U0001f600", True),
    (r"\/\-\.", "/-.", True),
    (r"^(?!admin$)[\s\S]*$", "admin\n", True),
]
_OF_BOTH = [
    (r"\d", "٣", False),
    (r"\w", "é", False),
    (r"\bé", "é", False),
    ("a|b|", "", True),
    ("^(?:a|b)$", "b", True),
    ("a$b", "ab", False),
    ("a^b", "ab", False),
    ("(a|^)b", "b", True),
    (r"\cA", "\x01", True),
    (r"\x41\u0042", "AB", True),
    ("a??b*?c+?", "abbcc", True),
    ("[a-c-]", "-", True),
    ("[-a]", "-", True),
    ("]}", "]}", True),
    ("a{2,3}", "aaa", True),
    ("a{2,3}", "aaaa", False),
    ("a{2,}", "a", False),
    ("a{0}b", "b", True),
    ("a{1,2000}", "a" * 2000, True),
    ("a{1,2000}", "a" * 2001, False),
    ("a{1001,}", "a" * 1000, False),
    ("a{1001,}", "a" * 1001, True),
    ("(?:a{100}){11}", "a" * 1100, True),
    ("(?:a{100}){11}", "a" * 1099, False),
    ("(?:a{50,100}){10,12}", "a" * 500, True),
    ("(?:a{50,100}){10,12}", "a" * 1201, False),
    (r"(?=.*\d)(?!.*\s).{3,}", "ab1", True),
    (r"(?=.*\d)(?!.*\s).{3,}", "a 1", False),
    (r"^(?!-)[a-z-]+(?<!-)$", "a-b", True),
    (r"^(?!-)[a-z-]+(?<!-)$", "a-b-", False),
    (r"^(?!-)[a-z-]+(?<!-)$", "-a", False),
    (r".*(?<=\.com)", "a.com", True),
    (r".*(?<=\.com)", "a.org", False),
    (r"(?=a)a|(?!a).", "b", True),
]


@pytest.mark.parametrize(
    ("dialect", "pattern", "text", "matches"),
    [
        *((JAVA, *row) for row in _OF_JAVA),
        *((ECMA, *row) for row in _OF_ECMA),
        *((dialect, *row) for row in _OF_BOTH for dialect in BOTH),
    ],
    ids=_ids,
)
def test_a_pattern_means_what_its_dialect_says(dialect: Dialect, pattern: str, text: str, matches: bool) -> None:
    assert is_match(pattern, dialect, text) is matches


@pytest.mark.parametrize(
    ("dialect", "pattern", "reason"),
    [
        *((dialect, r"(a)\1", r"the back reference \1 (at character 3)") for dialect in BOTH),
        *((dialect, "a(?=b)", "lookahead that is not at the beginning") for dialect in BOTH),
        *((dialect, "^((?!x).)*$", "lookahead that is not at the beginning") for dialect in BOTH),
        *((dialect, "(?<!a)b", "lookbehind anywhere but at the end") for dialect in BOTH),
        *((dialect, "a++", "a possessive repetition") for dialect in BOTH),
        *((dialect, "(?>a)", "an atomic group") for dialect in BOTH),
        *((dialect, "*a", "a * with nothing to repeat") for dialect in BOTH),
        *((dialect, "a**", "a repetition of what cannot be repeated") for dialect in BOTH),
        *((dialect, "^*a", "a repetition of what cannot be repeated") for dialect in BOTH),
        *((dialect, "(a", "a group that is not closed (at character 0)") for dialect in BOTH),
        *((dialect, "a)", "an unmatched )") for dialect in BOTH),
        *((dialect, "[a", "a class that is not closed (at character 0)") for dialect in BOTH),
        *((dialect, "[b-a]", "a range whose end is before its beginning") for dialect in BOTH),
        *((dialect, "\\", "a backslash at the end") for dialect in BOTH),
        *((dialect, r"\y", r"the escape \y") for dialect in BOTH),
        *((dialect, r"\xg0", "an escape that is no character") for dialect in BOTH),
        *((dialect, r"\u00", "an escape that is cut off") for dialect in BOTH),
        *((dialect, r"\ud83d", "half of a surrogate pair") for dialect in BOTH),
        *((dialect, "a{3,2}", "the repetition {3,2}") for dialect in BOTH),
        *((dialect, "(?:(?:a{1000}){1000}){1000}", "too large a pattern") for dialect in BOTH),
        *((dialect, "(" * 101 + ")" * 101, "groups more than 100 deep") for dialect in BOTH),
        *((dialect, "(?P<a>b)", "(?P" if dialect is ECMA else "the flag P") for dialect in BOTH),
        (JAVA, "(?m)a", "the flag m"),
        (JAVA, "(?x)a", "the flag x"),
        (JAVA, "[a[b]]", "a class inside a class"),
        (JAVA, "[a&&b]", "an intersection of classes"),
        (JAVA, "a{", "a { with nothing to repeat"),
        (JAVA, r"(?!a$\n)b", "a $ in the middle of a negative lookahead (at character 4)"),
        (JAVA, r"(?!(a$)\n)b", "a $ in the middle of a negative lookahead"),
        (JAVA, r"\p{Javanese}", "the property Javanese"),
        (JAVA, r"(?i)\p{Lu}", "the property Lu without regard to case"),
        (JAVA, r"\R", r"the escape \R"),
        (JAVA, r"\G", r"the escape \G"),
        (ECMA, r"\p{L}", r"the escape \p"),
        (ECMA, "(?i)a", "a group that begins with (?i"),
        (ECMA, r"\A", r"the escape \A"),
        (ECMA, r"\k<a>", r"the back reference \k"),
    ],
    ids=_ids,
)
def test_what_is_not_taken_is_refused_by_name(dialect: Dialect, pattern: str, reason: str) -> None:
    with pytest.raises(PatternRefused, match=re.escape(reason)):
        compile_pattern(pattern, dialect, whole=True)


def test_a_lookahead_needs_the_beginning_and_a_lookbehind_the_end_where_parts_of_a_text_are_sought() -> None:
    with pytest.raises(PatternRefused, match="lookahead without"):
        compile_pattern("(?=a)b", ECMA, whole=False)
    with pytest.raises(PatternRefused, match="lookbehind that no"):
        compile_pattern("b(?<=a)", ECMA, whole=False)

    assert compile_pattern("b(?<!ab)$", ECMA, whole=False).matches("xb")
    assert not compile_pattern("b(?<!ab)$", ECMA, whole=False).matches("ab")


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [("b", "abc", True), ("^b", "abc", False), ("c$", "abc", True), ("^abc$", "abc", True), ("b$", "abc", False)],
)
def test_a_part_of_a_text_is_enough_where_parts_are_sought(pattern: str, text: str, matches: bool) -> None:
    assert compile_pattern(pattern, ECMA, whole=False).matches(text) is matches
    assert compile_pattern(f"(?:{pattern})", ECMA, whole=False).matches(text) is matches, "also where it is no literal"


@pytest.mark.parametrize("dialect", BOTH, ids=_ids)
@pytest.mark.parametrize(
    "pattern",
    [
        "^(a+)+$",
        "^(a|aa)+$",
        "^(a|a)*$",
        "^([a-z]+)*$",
        "^(.*)*$",
        r"^(\w+\s?)*$",
        "^(x+x+)+y$",
        "^(a?){50}a{50}$",
        "^(?=(a+)+$)a+$",
        r"^([a-zA-Z0-9])(([\-.]|[_]+)?([a-zA-Z0-9]+))*(@){1}[a-z0-9]+[.]{1}(([a-z]{2,3})|([a-z]{2,3}[.]{1}[a-z]{2,3}))$",
    ],
)
def test_patterns_that_take_exponential_time_elsewhere_take_none(dialect: Dialect, pattern: str) -> None:
    compiled = compile_pattern(pattern, dialect, whole=True)
    began = time.process_time()

    assert not compiled.matches("a" * 100_000 + "\n!")

    assert time.process_time() - began < 10, "elsewhere, longer than the universe"


def test_more_work_than_one_match_may_take_is_not_begun() -> None:
    pattern = compile_pattern("[ab]*a[ab]{900}", JAVA, whole=True, most_steps=1_000_000)
    longest = 1_000_000 // pattern.size

    assert not pattern.matches("b" * longest)
    with pytest.raises(TooMuchToMatch):
        pattern.matches("a" * (longest + 1))
    assert not pattern.surely_matches("a" * (longest + 1))


def test_places_are_found_with_their_groups_and_paid_for() -> None:
    finder = compile_finder(r"(\w)(-)?", JAVA)
    steps: list[int] = []

    found = [(one.start, one.end, one.groups) for one in finder.find_all("é a- b", steps.append)]

    assert found == [(2, 4, ("a", "-")), (5, 6, ("b", None))]
    assert len(steps) == 3
    assert steps == sorted(steps, reverse=True)


@st.composite
def patterns(draw: st.DrawFn) -> str:
    """Patterns that Python, Java and ECMA 262 write alike, on letters where they mean the same."""
    atoms = st.sampled_from(["a", "b", "-", ".", r"\d", r"\w", "[ab]", "[^a]", "[a-c-]", r"\.", r"[\w.]"])
    quantifiers = st.sampled_from(["", "", "", "*", "+", "?", "{2}", "{1,2}", "{1,}", "*?", "+?"])
    alternatives = []
    for _ in range(draw(st.integers(1, 2))):
        parts = []
        for _ in range(draw(st.integers(0, 4))):
            atom = draw(atoms)
            if draw(st.booleans()) and draw(st.booleans()):
                atom = draw(st.sampled_from(["(", "(?:"])) + atom + draw(atoms) + draw(quantifiers) + ")"
            parts.append(atom + draw(quantifiers))
        looks = draw(st.sampled_from(["", "", "^", "^(?=.*a)", "^(?!b)", "^(?=a.)(?!.*b)"]))
        end = draw(st.sampled_from(["", "", "$", "(?<!a)$", "(?<=b)$"]))
        alternatives.append(looks + "".join(parts) + end)
    return "|".join(alternatives)


@given(pattern=patterns(), text=st.text(alphabet="ab-.c1 ", max_size=8), whole=st.booleans())
def test_where_the_dialects_agree_with_python_so_do_we(pattern: str, text: str, whole: bool) -> None:
    theirs = re.compile(pattern, re.ASCII)
    expected = (theirs.fullmatch(text) if whole else theirs.search(text)) is not None

    for dialect in BOTH:
        assert compile_pattern(pattern, dialect, whole=whole).matches(text) is expected


@given(text=st.text(alphabet="ab(|)[]{}?*+^$\\.-<>=!,01dwsQEpu&:i", max_size=12), dialect=st.sampled_from(BOTH))
def test_every_text_is_a_pattern_or_refused(text: str, dialect: Dialect) -> None:
    try:
        pattern = compile_pattern(text, dialect, whole=False)
    except PatternRefused:
        return

    assert pattern.matches("") in {True, False}
