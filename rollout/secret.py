"""Secrets that cannot be printed, and the one sink that keeps them out of what is shown or kept."""

import re

MASK = "[secret]"
# All of a URL's userinfo, up to the last @: tokens stand before the colon too, and passwords hold @ and quotes.
_USERINFO = re.compile(r"(?P<head>[a-z][a-z0-9+.-]*://)[^\s/]+(?=@)", re.IGNORECASE)


class Secret:
    """A value that shows itself as a mask everywhere; reveal() is for the wire alone."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself; only remote/ may ask for it."""
        return self._value

    def __repr__(self) -> str:
        return MASK

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __reduce__(self) -> str:
        raise TypeError("a secret is not pickled")


class Mask:
    """Replaces every known secret, and the password of every URL, in text that leaves the tool."""

    def __init__(self) -> None:
        self._values: set[str] = set()

    def learn(self, secret: Secret) -> Secret:
        """Remember SECRET so that it is masked from now on; gives it back."""
        if secret.reveal():
            self._values.add(secret.reveal())
        return secret

    def __call__(self, text: str) -> str:
        """TEXT with every secret replaced."""
        for value in sorted(self._values, key=len, reverse=True):
            text = text.replace(value, MASK)
        return _USERINFO.sub(lambda match: match["head"] + MASK, text)
