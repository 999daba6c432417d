"""The FIX dictionary: that the tables agree with each other, and the XML with them."""

from xml.etree import ElementTree

import pytest

from augury.gateways.fix import dictionary_xml
from augury.gateways.fix.dictionary import HEADER, MESSAGES, TRAILER, Kind, walk
from augury.gateways.fix.fields import FIELDS, PATTERNS, pattern_of


def test_names_and_values_are_good_for_a_dictionary() -> None:
    names = [field.name for field in FIELDS.values()]
    assert len(names) == len(set(names))
    for field in FIELDS.values():
        assert field.type in PATTERNS
        for value in field.values:
            assert pattern_of(field).fullmatch(value), (field.name, value)


def test_every_message_has_a_sender_and_every_session_its_messages() -> None:
    assert len({message.name for message in MESSAGES.values()}) == len(MESSAGES)
    for message in MESSAGES.values():
        assert message.from_client | message.from_server, message.name
        tags = [use.tag for use in message.uses] + list(message.ignored)
        assert len(tags) == len(set(tags)), message.name
    orders = {name for name, known in MESSAGES.items() if Kind.NR in known.from_client}
    assert orders >= {"A", "0", "1", "5", "D", "F", "G", "q", "UOG"}
    assert "2" not in orders


@pytest.mark.parametrize("path", dictionary_xml.PATHS)
def test_a_document_defines_what_it_names(path: str) -> None:
    root = ElementTree.fromstring(dictionary_xml.document(path))
    defined = {field.get("name"): field for field in root.findall("fields/field")}
    named = {
        node.get("name")
        for place in ("header", "messages", "trailer")
        for node in root.findall(f"{place}//field") + root.findall(f"{place}//group")
    }
    assert named <= set(defined)
    whole = path == dictionary_xml.WHOLE
    is_transport = path == dictionary_xml.TRANSPORT
    messages = {node.get("msgtype") for node in root.findall("messages/message")}
    assert messages == {
        name for name, known in MESSAGES.items() if whole or known.is_admin == is_transport
    }
    framed = len(root.findall("header/field")) + len(root.findall("trailer/field"))
    assert framed == (len(HEADER) + len(TRAILER) if whole or is_transport else 0)
    assert root.get("type") == ("FIXT" if is_transport else "FIX")


def test_the_whole_document_has_every_field_of_every_message() -> None:
    root = ElementTree.fromstring(dictionary_xml.document(dictionary_xml.WHOLE))
    for known in MESSAGES.values():
        node = root.find(f"messages/message[@msgtype='{known.type}']")
        assert node is not None
        written = [item.get("name") for item in node.iter() if item.tag in ("field", "group")]
        expected = [FIELDS[use.tag].name for use in walk(known.uses)]
        assert written == expected + [FIELDS[tag].name for tag in known.ignored]
