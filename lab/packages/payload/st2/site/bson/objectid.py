"""The id of a document: 24 hexadecimal digits, of which the first 8 are the second of its making."""

import re


class InvalidId(Exception):
    """The text is no id."""


class ObjectId(str):
    """One id."""

    def __new__(cls, text: str) -> "ObjectId":
        """Refuse what is none."""
        if not re.fullmatch("[0-9a-f]{24}", text):
            raise InvalidId(f"{text!r} is not a valid ObjectId")
        return super().__new__(cls, text)
