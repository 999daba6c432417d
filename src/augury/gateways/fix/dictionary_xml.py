"""The dictionary as XML, in the format that QuickFIX made common.

Three documents from one table: all in one for engines that load one file, and the pair of transport
(FIXT.1.1: header, trailer, session messages) and application (FIX 5.0 SP2) for those that keep them
apart.
"""

from collections.abc import Iterable
from functools import cache
from typing import Final
from xml.sax.saxutils import quoteattr

from augury.gateways.fix.dictionary import HEADER, MESSAGES, TRAILER, MessageType, Use, walk
from augury.gateways.fix.fields import FIELDS

WHOLE: Final = "/fix-dictionary.xml"
TRANSPORT: Final = "/fix-dictionary/FIXT11.xml"
APPLICATION: Final = "/fix-dictionary/FIX50SP2.xml"
PATHS: Final = (WHOLE, TRANSPORT, APPLICATION)

_INDENT: Final = "  "


@cache
def document(path: str) -> bytes:
    """The document at one of ``PATHS``."""
    messages = list(MESSAGES.values())
    if path == TRANSPORT:
        opening = "<fix type='FIXT' major='1' minor='1' servicepack='0'>"
        messages = [message for message in messages if message.is_admin]
        frame = True
    elif path == APPLICATION:
        opening = "<fix type='FIX' major='5' minor='0' servicepack='2'>"
        messages = [message for message in messages if not message.is_admin]
        frame = False
    else:
        opening = "<fix type='FIX' major='5' minor='0' servicepack='2'>"
        frame = True
    used = {use.tag for message in messages for use in walk(message.uses)}
    used.update(tag for message in messages for tag in message.ignored)
    lines = ["<?xml version='1.0' encoding='UTF-8'?>", opening]
    for name, uses in (("header", HEADER), ("trailer", TRAILER)):
        if not frame:
            lines.append(f"  <{name}/>")
            continue
        used.update(use.tag for use in uses)
        lines += [f"  <{name}>", *_fields(uses, 2), f"  </{name}>"]
    lines.append("  <messages>")
    for message in messages:
        lines += _message(message)
    lines += ["  </messages>", "  <components/>", "  <fields>"]
    lines += [line for tag in sorted(used) for line in _definition(tag)]
    lines += ["  </fields>", "</fix>", ""]
    return "\n".join(lines).encode()


def _message(message: MessageType) -> list[str]:
    category = "admin" if message.is_admin else "app"
    attributes = f"name={quoteattr(message.name)} msgtype={quoteattr(message.type)}"
    return [
        f"    <message {attributes} msgcat='{category}'>",
        *_fields(message.uses, 3),
        *_fields((Use(tag, False) for tag in message.ignored), 3),
        "    </message>",
    ]


def _fields(uses: Iterable[Use], depth: int) -> list[str]:
    lines = []
    space = _INDENT * depth
    for use in uses:
        required = "Y" if use.required else "N"
        attributes = f"name={quoteattr(FIELDS[use.tag].name)} required='{required}'"
        if use.group is None:
            lines.append(f"{space}<field {attributes}/>")
        else:
            lines.append(f"{space}<group {attributes}>")
            lines += _fields(use.group.uses, depth + 1)
            lines.append(f"{space}</group>")
    return lines


def _definition(tag: int) -> list[str]:
    field = FIELDS[tag]
    attributes = f"number='{tag}' name={quoteattr(field.name)} type={quoteattr(field.type)}"
    values = dict(field.values)
    if tag == 35:
        # Headers are checked with the transport's document, whatever message they belong to.
        values = {known.type: known.name.upper() for known in MESSAGES.values()}
    if not values:
        return [f"    <field {attributes}/>"]
    return [
        f"    <field {attributes}>",
        *(
            f"      <value enum={quoteattr(value)} description={quoteattr(name)}/>"
            for value, name in values.items()
        ),
        "    </field>",
    ]
