r"""Text from strangers, disarmed: ids, attributes and header cards may hold anything.

Whatever does not print (control characters, line breaks, marks that turn the writing
round, halves of characters) is spelled out, such as ``\x1b``; so it cannot move a
cursor, forge a line or break a file.
"""


def printable(text: str) -> str:
    r"""The text with everything that does not print spelled out, such as ``\x1b``."""
    if text.isprintable():
        return text
    return "".join(
        character
        if character.isprintable()
        else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


def spelled(text: str) -> str:
    r"""The text if it prints; else all of it spelled out behind ``\\``, for `unspelled`."""
    if text.isprintable() and not text.startswith("\\"):
        return text
    return "\\" + text.encode("unicode_escape").decode("ascii")


def unspelled(text: str) -> str:
    """What `spelled` was given."""
    if not text.startswith("\\"):
        return text
    try:
        return text[1:].encode("ascii").decode("unicode_escape")
    except UnicodeError:  # nobody spelled it out
        return text
