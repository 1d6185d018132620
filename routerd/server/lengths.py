"""Lists and maps that are longer than they may be.

A definition is held to the schema of the configuration, entry by entry. A message has room for two
million of them: to tell what is wrong with each would keep every other call waiting for a minute.
"""

from __future__ import annotations

from google.protobuf.message import Message

from routerd.core.errors import Violation


def cut(message: Message, path: str, **most: int) -> list[Violation]:
    """Shorten the lists and empty the maps of these names with more entries than that.

    Returns a violation for each. path: of the message in the request.
    """
    wrong: list[Violation] = []
    for name, limit in most.items():
        entries = getattr(message, name)
        if len(entries) > limit:
            text = f"must have at most {limit} entries, not {len(entries)}"
            wrong.append(Violation(f"{path}.{name}", text))
            if hasattr(entries, "keys"):
                message.ClearField(name)
            else:
                del entries[limit:]
    return wrong
