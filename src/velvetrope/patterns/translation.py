"""A pattern of Java or ECMA 262 rewritten for RE2, construct by construct.

RE2 writes many constructs like the other two and means something else by them (`.` takes a carriage return, `\\s`
leaves out vertical tabs, `(?i)` folds beyond ASCII). So nothing is passed on as it is: each construct is read, and
written as RE2 spells what it means in its own dialect. What is not read here is refused.

Lookaround needs more than one pass over the text, but for two places: at the beginning of a pattern and at its end the
position is known, so that "looking" is one more match of its own. `^(?=.*\\d)(?!.*\\s).{8,}$` is three matches.

`$` is the end of the text. Java's also stands before a last line break, which differs only in patterns that take the
line break behind it, and in a negative lookahead, where it must not be overlooked: `(?!admin$)` forbids "admin\\n" too.

Sources: Java SE API, java.util.regex.Pattern; ECMA 262, "Patterns" and annex B.1.2; RE2, "Syntax".
"""

from dataclasses import dataclass, field
from typing import Final

from velvetrope.patterns.classes import read_class, read_property
from velvetrope.patterns.dialects import Dialect, complement, fold_ascii, in_class, spell
from velvetrope.patterns.source import Source

__all__ = ["Alternative", "Condition", "translate"]

_MAX_DEPTH: Final = 100
_MAX_REPEAT: Final = 1000
"""RE2 takes no repetition beyond this one, nor nested ones whose product is."""
_MAX_CHARACTERS: Final = 100_000
_ANYTHING: Final = "[\\x{0}-\\x{10ffff}]"


@dataclass(frozen=True)
class Condition:
    """Something that a text must match, or must not, beside the pattern proper. RE2 searches for it."""

    pattern: str
    wanted: bool


@dataclass(frozen=True)
class Alternative:
    """One of a pattern's alternatives."""

    pattern: str
    """For RE2. It contains the anchors that were written."""
    conditions: tuple[Condition, ...]
    literal: str | None
    """The text itself, where the alternative is nothing but one (anchors aside)."""
    starts: bool
    ends: bool
    """Whether `^` and `$` were written at the two ends."""


@dataclass(frozen=True)
class _Piece:
    """A part of a pattern, and the greatest product of repetitions in it."""

    text: str
    repeats: int = 1
    literal: str | None = None


@dataclass
class _Flags:
    fold: bool = False
    dot_takes_all: bool = False


@dataclass
class _Branch:
    """An alternative while it is read."""

    pieces: list[_Piece] = field(default_factory=list)
    conditions: list[Condition] = field(default_factory=list)
    last_look: bool = False
    """A lookbehind was read: only the end may follow."""
    starts: bool = False
    ends: bool = False


def translate(text: str, dialect: Dialect, *, whole: bool, captures: bool = False) -> tuple[Alternative, ...]:
    """The alternatives of `text`, one of which must match: the whole text if `whole`, else some part of it.

    With `captures` there is one alternative, and no conditions.

    Raises:
        PatternRefused: it is not a pattern of the dialect, or not one for RE2.
    """
    return _Translator(Source(text), dialect, whole=whole, captures=captures).translate()


class _Translator:
    def __init__(self, source: Source, dialect: Dialect, *, whole: bool, captures: bool) -> None:
        self._source = source
        self._dialect = dialect
        self._whole = whole
        self._captures = captures
        self._flags = _Flags()
        self._depth = 0
        self._denied = False
        """Inside of Java's negative lookahead, where what is overlooked lets a text in."""

    def translate(self) -> tuple[Alternative, ...]:
        branches = self._branches(top=True)
        if not self._source.at_end:
            raise self._source.refusal("an unmatched )")
        alternatives = tuple(self._alternative(branch) for branch in branches)
        if self._captures and len(alternatives) > 1:
            joined = "|".join(one.pattern for one in alternatives)
            return (Alternative(f"(?:{joined})", (), None, starts=False, ends=False),)
        return alternatives

    def _alternative(self, branch: _Branch) -> Alternative:
        pattern = _joined(branch.pieces)
        literals = [piece.literal for piece in branch.pieces]
        start, end = "\\A" if branch.starts else "", "\\z" if branch.ends else ""
        return Alternative(
            pattern=f"{start}(?:{pattern}){end}",
            conditions=tuple(branch.conditions),
            literal=None if None in literals else "".join(one for one in literals if one is not None),
            starts=branch.starts or self._whole,
            ends=branch.ends or self._whole,
        )

    def _branches(self, *, top: bool) -> list[_Branch]:
        """Alternatives up to the end or the closing bracket, which is left."""
        branches = [self._branch(top=top)]
        while self._source.take("|"):
            branches.append(self._branch(top=top))
        return branches

    def _branch(self, *, top: bool) -> _Branch:
        source, branch = self._source, _Branch()
        while not source.at_end and source.peek() not in "|)":
            if source.starts("(?") and self._is_look():
                self._look(branch, top=top)
                continue
            if branch.ends:
                # Not the end after all: an anchor in the middle is a piece like others.
                branch.pieces.append(_Piece("\\z"))
                branch.ends = False
            if source.take("^"):
                if top and not branch.pieces and not branch.last_look:
                    branch.starts = True
                else:
                    branch.pieces.append(_Piece("\\A"))
                self._refuse_repeat()
            elif source.take("$"):
                if top:
                    branch.ends = True
                else:
                    branch.pieces.append(self._end())
                self._refuse_repeat()
            else:
                if branch.last_look:
                    raise source.refusal("lookbehind anywhere but at the end")
                piece = self._repeated(self._atom())
                if piece.text:
                    branch.pieces.append(piece)
        if branch.conditions:
            self._check_looks(branch)
        return branch

    def _is_look(self) -> bool:
        return any(self._source.starts(opening) for opening in ("(?=", "(?!", "(?<=", "(?<!"))

    def _look(self, branch: _Branch, *, top: bool) -> None:
        source = self._source
        start = source.position
        behind = source.starts("(?<")
        wanted = source.text[start + 2 + behind] == "="
        if not top or self._captures or (not behind and branch.pieces):
            raise source.refusal(
                f"look{'behind' if behind else 'ahead'} that is not at the {'end' if behind else 'beginning'} "
                "of the whole pattern"
            )
        source.position += 3 + behind
        self._denied = self._dialect is Dialect.JAVA and not (wanted or behind)
        body = self._group_body(start)
        self._denied = False
        self._refuse_repeat()
        pattern = f"(?:{body.text})\\z" if behind else f"\\A(?:{body.text})"
        branch.conditions.append(Condition(pattern, wanted))
        branch.last_look = branch.last_look or behind

    def _check_looks(self, branch: _Branch) -> None:
        if branch.last_look and not (branch.ends or self._whole):
            raise self._source.refusal("lookbehind that no $ follows")
        ahead = any(condition.pattern.startswith("\\A") for condition in branch.conditions)
        if ahead and not (branch.starts or self._whole):
            raise self._source.refusal("lookahead without ^ before it")

    def _atom(self) -> _Piece:
        source = self._source
        character = source.next()
        match character:
            case "(":
                return self._group()
            case "[":
                return _Piece(read_class(source, self._dialect, fold=self._flags.fold))
            case ".":
                return _Piece(_ANYTHING if self._flags.dot_takes_all else f"[^{in_class(self._dialect.line_ends)}]")
            case "\\":
                return self._escape()
            case "*" | "+" | "?":
                raise source.refusal(f"a {character} with nothing to repeat", 1)
            case "{" if self._dialect is Dialect.JAVA or source.counts_follow():
                raise source.refusal("a { with nothing to repeat", 1)
            case _:
                return self._character(ord(character))

    def _character(self, code_point: int) -> _Piece:
        if 0xD800 <= code_point <= 0xDFFF:
            raise self._source.refusal("half of a surrogate pair")
        if self._flags.fold and chr(code_point).isascii() and chr(code_point).isalpha():
            return _Piece(f"[{in_class(fold_ascii(((code_point, code_point),)))}]")
        return _Piece(spell(code_point), literal=chr(code_point))

    def _escape(self) -> _Piece:
        source, dialect = self._source, self._dialect
        if source.at_end:
            raise source.refusal("a backslash at the end")
        letter = source.peek()
        lower = letter.lower()
        if lower in dialect.classes:
            source.next()
            meant = dialect.classes[lower]
            return _Piece(f"[{in_class(meant if letter == lower else complement(meant))}]")
        if letter in "bB":
            source.next()
            return _Piece(f"\\{letter}")
        if dialect is Dialect.JAVA:
            if letter in "AzZ":
                source.next()
                return self._end() if letter == "Z" else _Piece(f"\\{letter}")
            if letter == "Q":
                source.next()
                return self._quoted()
            if letter in "pP":
                source.next()
                return _Piece(read_property(source, negated=letter == "P", fold=self._flags.fold))
        return self._character(source.escaped_character(dialect))

    def _end(self) -> _Piece:
        """A `$` inside of a group, or Java's `\\Z`."""
        if not self._denied:
            return _Piece("\\z")
        if self._depth > 1 or not (self._source.starts(")") or self._source.starts("|")):
            raise self._source.refusal("a $ in the middle of a negative lookahead", 1)
        return _Piece(f"(?:\\r\\n|[{in_class(self._dialect.line_ends)}])?\\z")

    def _quoted(self) -> _Piece:
        """Java's `\\Q…\\E`. What repeats it repeats its last character only, so that it is refused."""
        source = self._source
        end = source.text.find("\\E", source.position)
        quoted = source.text[source.position : end if end >= 0 else len(source.text)]
        source.position = len(source.text) if end < 0 else end + 2
        self._refuse_repeat()
        pieces = [self._character(ord(one)) for one in quoted]
        return _Piece(_joined(pieces), literal=None if self._flags.fold else quoted)

    def _group(self) -> _Piece:
        """A group whose opening bracket has been read."""
        source = self._source
        start = source.position - 1
        if not source.take("?"):
            return self._captured(start)
        if source.take(":"):
            return self._grouped(self._group_body(start))
        if source.take(">"):
            raise source.refusal("an atomic group", 3)
        if self._is_look_here():
            raise source.refusal("lookaround inside a group", 2)
        if source.take("<"):
            name = source.until(">", "the name of a group")
            if not (name.isascii() and name.isalnum() and name[0].isalpha()):
                raise source.refusal(f"the name {name} of a group")
            return self._captured(start)
        if self._dialect is Dialect.JAVA:
            return self._flagged(start)
        raise source.refusal("a group that begins with (?" + ("" if source.at_end else source.peek()), 2)

    def _is_look_here(self) -> bool:
        return any(self._source.starts(opening) for opening in ("=", "!", "<=", "<!"))

    def _captured(self, start: int) -> _Piece:
        body = self._group_body(start)
        return _Piece(f"({body.text})" if self._captures else f"(?:{body.text})", body.repeats)

    def _flagged(self, start: int) -> _Piece:
        """Java's `(?i)`, to the end of the group that it stands in, and `(?i:…)`."""
        source = self._source
        flags, before, on = _Flags(self._flags.fold, self._flags.dot_takes_all), self._flags, True
        while not source.at_end and source.peek() not in ":)":
            flag = source.next()
            match flag:
                case "-" if on:
                    on = False
                case "i":
                    flags.fold = on
                case "s":
                    flags.dot_takes_all = on
                case _:
                    raise source.refusal(f"the flag {flag}", 1)
        self._flags = flags
        if source.take(")"):
            self._refuse_repeat()
            return _Piece("", literal="")
        if not source.take(":"):
            raise source.refusal("a group that is not closed", source.position - start)
        body = self._group_body(start)
        self._flags = before
        return self._grouped(body)

    def _grouped(self, body: _Piece) -> _Piece:
        return _Piece(f"(?:{body.text})", body.repeats)

    def _group_body(self, start: int) -> _Piece:
        """What stands in a group, with the closing bracket."""
        source, flags = self._source, self._flags
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise source.refusal(f"groups more than {_MAX_DEPTH} deep")
        branches = self._branches(top=False)
        if not source.take(")"):
            raise source.refusal("a group that is not closed", source.position - start)
        self._depth -= 1
        self._flags = flags
        text = "|".join(_joined(branch.pieces) for branch in branches)
        return _Piece(text, max((piece.repeats for branch in branches for piece in branch.pieces), default=1))

    def _repeated(self, piece: _Piece) -> _Piece:
        source = self._source
        if source.at_end:
            return piece
        if source.peek() in "*+?":
            sign = source.next()
            made = _Piece(f"(?:{piece.text}){sign}", piece.repeats)
        elif source.counts_follow():
            made = self._counted(piece, *source.counts())
        else:
            return piece
        if source.take("?"):
            # Lazy or greedy finds the same texts; only where a find ends differs.
            made = _Piece(f"{made.text}?" if self._captures else made.text, made.repeats)
            if self._captures and not made.text.endswith(("*?", "+?", "??", "}?")):
                raise source.refusal("a lazy repetition of that size", 1)
        elif source.take("+"):
            raise source.refusal("a possessive repetition", 1)
        self._refuse_repeat()
        if len(made.text) > _MAX_CHARACTERS:
            raise source.refusal("repetitions that multiply to too large a pattern")
        return made

    def _counted(self, piece: _Piece, least: int, most: int | None) -> _Piece:
        """`{n}`, `{n,}`, `{n,m}`; written out where RE2 would find the number too large."""
        if most is not None and most < least:
            raise self._source.refusal(f"the repetition {{{least},{most}}}")
        if (most or least) > _MAX_CHARACTERS:
            raise self._source.refusal(f"a repetition of more than {_MAX_CHARACTERS}")
        whole = f"(?:{piece.text})"
        step = max(_MAX_REPEAT // piece.repeats, 1)
        if max(least, most or 0) <= step:
            counts = f"{least}" if most == least else f"{least},{'' if most is None else most}"
            return _Piece(f"{whole}{{{counts}}}", piece.repeats * max(least, most or 0, 1))
        parts = []
        for count, form in ((least, "{{{}}}"), (0 if most is None else most - least, "{{0,{}}}")):
            full, rest = divmod(count, step)
            size = len(whole) * (full + 1)
            if size > _MAX_CHARACTERS:
                raise self._source.refusal("repetitions that multiply to too large a pattern")
            parts += [whole + form.format(step)] * full + [whole + form.format(rest)] * (rest > 0)
        if most is None:
            parts.append(f"{whole}*")
        return _Piece(f"(?:{''.join(parts)})", step * piece.repeats)

    def _refuse_repeat(self) -> None:
        source = self._source
        if not source.at_end and (source.peek() in "*+?" or source.counts_follow()):
            raise source.refusal("a repetition of what cannot be repeated")


def _joined(pieces: list[_Piece]) -> str:
    return "".join(piece.text for piece in pieces)
