"""Whether a message has the form that the dictionary describes (the session-level reject table).

Answers with the first problem in reading order, so that a client sees its mistake where it is.
What a well-formed message asks for is nobody's business here.
"""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from augury.gateways.fix.codec import Message, parse_timestamp
from augury.gateways.fix.dictionary import (
    HEADER,
    MESSAGES,
    TRAILER,
    Group,
    MessageType,
    Use,
    walk,
)
from augury.gateways.fix.fields import FIELDS, Field, pattern_of

INVALID_TAG_NUMBER: Final = 0
REQUIRED_TAG_MISSING: Final = 1
TAG_NOT_DEFINED_FOR_MESSAGE: Final = 2
UNDEFINED_TAG: Final = 3
TAG_WITHOUT_VALUE: Final = 4
INCORRECT_VALUE: Final = 5
INCORRECT_FORMAT: Final = 6
COMP_ID_PROBLEM: Final = 9
SENDING_TIME_ACCURACY: Final = 10
INVALID_MSG_TYPE: Final = 11
TAG_MORE_THAN_ONCE: Final = 13
TAG_OUT_OF_ORDER: Final = 14
GROUP_OUT_OF_ORDER: Final = 15
GROUP_COUNT_WRONG: Final = 16
DELIMITER_IN_VALUE: Final = 17

_TEXTS: Final[Mapping[int, str]] = {
    INVALID_TAG_NUMBER: "Invalid tag number",
    REQUIRED_TAG_MISSING: "Required tag missing",
    TAG_NOT_DEFINED_FOR_MESSAGE: "Tag not defined for this message type",
    UNDEFINED_TAG: "Undefined tag received",
    TAG_WITHOUT_VALUE: "Tag specified without a value",
    INCORRECT_VALUE: "Value is incorrect for this tag",
    INCORRECT_FORMAT: "Incorrect data format for value",
    TAG_MORE_THAN_ONCE: "Tag appears more than once",
    TAG_OUT_OF_ORDER: "Tag specified out of required order",
    GROUP_OUT_OF_ORDER: "Repeating group fields out of order",
    GROUP_COUNT_WRONG: "Incorrect NumInGroup count for repeating group",
    DELIMITER_IN_VALUE: "Non-data value includes field delimiter",
}

_FREE_FIRST_FIELD: Final = frozenset({146})
"""Groups whose entries need not begin with their first field: a request for a combination names
legs instead of a symbol. They have one entry."""

_HEADER_PART: Final = 0
_BODY_PART: Final = 1
_TRAILER_PART: Final = 2


class Problem(NamedTuple):
    """``reason`` is a SessionRejectReason; ``tag`` what it is about, or 0."""

    reason: int
    tag: int
    text: str


_Check = Callable[[str], int]
"""0 when a value is fine, else the reason why not."""


def _check_of(field: Field) -> _Check:
    if field.values:
        allowed = frozenset(field.values)
        form = pattern_of(field)

        def among(text: str) -> int:
            if text in allowed:
                return 0
            return INCORRECT_VALUE if form.fullmatch(text) else INCORRECT_FORMAT

        return among
    matches = pattern_of(field).fullmatch
    # A text that is only too long, or an id with odd characters, is a value, not a format.
    reason = INCORRECT_FORMAT if field.type != "STRING" else INCORRECT_VALUE
    if field.type == "UTCTIMESTAMP":
        return lambda text: (
            0 if matches(text) and parse_timestamp(text) is not None else INCORRECT_FORMAT
        )
    return lambda text: 0 if matches(text) else reason


_CHECKS: Final[Mapping[int, _Check]] = {tag: _check_of(field) for tag, field in FIELDS.items()}


class _Form:
    """What the fields of one type of message must be, by their tags as text."""

    __slots__ = ("checks", "groups", "required", "type")

    def __init__(self, known: MessageType) -> None:
        self.type = known.type
        self.checks: dict[str, tuple[int, _Check]] = {}
        for part, uses in ((_HEADER_PART, HEADER), (_TRAILER_PART, TRAILER)):
            for use in uses:
                self.checks[str(use.tag)] = (part, _CHECKS[use.tag])
        for tag in (*(use.tag for use in walk(known.uses)), *known.ignored):
            self.checks[str(tag)] = (_BODY_PART, _CHECKS[tag])
        if known.type == "A":
            # An older number of SkipPendingExecReports, which other messages use otherwise.
            self.checks["21003"] = (_BODY_PART, _CHECKS[21011])
        self.required = [str(use.tag) for use in (*HEADER, *known.uses, *TRAILER) if use.required]
        self.groups = {str(use.tag): use.group for use in known.uses if use.group is not None}


_FORMS: Final[Mapping[str, _Form]] = {name: _Form(known) for name, known in MESSAGES.items()}


def problem_of(message: Message) -> Problem | None:
    """The first thing that is wrong with the form of ``message``; None when nothing is."""
    form = _FORMS.get(message.type)
    if form is None:
        return Problem(INVALID_MSG_TYPE, 35, "Invalid MsgType")
    checks = form.checks
    reached = 0
    for tag, text in message.fields:
        found = checks.get(tag)
        if found is None:
            return _unknown(tag)
        part, check = found
        if part != reached:
            if part < reached:
                return _problem(TAG_OUT_OF_ORDER, tag)
            reached = part
        if text == "":
            return _problem(TAG_WITHOUT_VALUE, tag)
        reason = check(text)
        if reason:
            return _problem(reason, tag)
    values = message.get_all()
    for tag in form.required:
        if tag not in values:
            return _problem(REQUIRED_TAG_MISSING, tag)
    if form.groups and any(tag in values for tag in form.groups):
        return _problem_of_groups(message.fields, form.groups)
    if len(values) != len(message.fields):
        return _repeated(message.fields)
    if form.type in ("D", "G", "F", "R", "S", "UA", "UE") and not form.groups.keys() & values:
        return _stray(values, form)
    return None


def _problem(reason: int, tag: str) -> Problem:
    return Problem(reason, int(tag), _TEXTS[reason])


def _unknown(tag: str) -> Problem:
    if tag == "":
        return Problem(DELIMITER_IN_VALUE, 0, _TEXTS[DELIMITER_IN_VALUE])
    if not (tag.isascii() and tag.isdigit()) or tag[0] == "0" or len(tag) > 9:
        return Problem(INVALID_TAG_NUMBER, 0, _TEXTS[INVALID_TAG_NUMBER])
    known = int(tag) in FIELDS
    return _problem(TAG_NOT_DEFINED_FOR_MESSAGE if known else UNDEFINED_TAG, tag)


def _repeated(fields: list[list[str]]) -> Problem:
    seen: set[str] = set()
    for tag, _ in fields:
        if tag in seen:
            return _problem(TAG_MORE_THAN_ONCE, tag)
        seen.add(tag)
    raise AssertionError("no tag is repeated")


def _stray(values: Mapping[str, str], form: _Form) -> Problem | None:
    """A field of a group without the group."""
    for group in form.groups.values():
        for use in group.uses:
            tag = str(use.tag)
            if tag in values and not _is_outside(form, use.tag):
                return _problem(GROUP_OUT_OF_ORDER, tag)
    return None


def _is_outside(form: _Form, tag: int) -> bool:
    """Whether the message may have the field outside its groups, too."""
    known = MESSAGES[form.type]
    return tag in known.ignored or any(use.tag == tag for use in known.uses)


def _problem_of_groups(fields: list[list[str]], groups: Mapping[str, Group]) -> Problem | None:
    """Walk the fields in order: each group must follow its count, as often as that says."""
    seen: set[str] = set()
    inside = {str(use.tag) for group in groups.values() for use in walk(group.uses)}
    place = 0
    while place < len(fields):
        tag, text = fields[place]
        if tag in seen:
            return _problem(GROUP_COUNT_WRONG if tag in inside else TAG_MORE_THAN_ONCE, tag)
        seen.add(tag)
        place += 1
        group = groups.get(tag)
        if group is not None:
            found = _read_group(fields, place, group, int(text))
            if isinstance(found, Problem):
                return found
            place = found
    return None


def _read_group(fields: list[list[str]], place: int, group: Group, count: int) -> int | Problem:
    """The place behind the group's last entry, or what is wrong with it."""
    order = {str(use.tag): (number, use) for number, use in enumerate(group.uses)}
    first = str(group.delimiter)
    if group.count_tag in _FREE_FIRST_FIELD and count == 1:
        first = fields[place][0] if fields[place][0] in order else first
    entries = 0
    while place < len(fields) and fields[place][0] == first:
        entries += 1
        if entries > count:
            return _problem(GROUP_COUNT_WRONG, str(group.count_tag))
        seen = {first}
        found = _after_use(fields, place, order[first][1])
        if isinstance(found, Problem):
            return found
        place = found
        while place < len(fields) and fields[place][0] in order and fields[place][0] != first:
            tag = fields[place][0]
            if tag in seen:
                return _problem(TAG_MORE_THAN_ONCE, tag)
            seen.add(tag)
            found = _after_use(fields, place, order[tag][1])
            if isinstance(found, Problem):
                return found
            place = found
        for use in group.uses:
            if use.required and str(use.tag) not in seen:
                return _problem(REQUIRED_TAG_MISSING, str(use.tag))
    if entries != count:
        if place < len(fields) and fields[place][0] in order:
            return _problem(GROUP_OUT_OF_ORDER, fields[place][0])
        return _problem(GROUP_COUNT_WRONG, str(group.count_tag))
    return place


def _after_use(fields: list[list[str]], place: int, use: Use) -> int | Problem:
    """Behind the field at ``place``, and behind the group that it counts."""
    if use.group is None:
        return place + 1
    return _read_group(fields, place + 1, use.group, int(fields[place][1]))
