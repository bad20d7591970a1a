"""Read st2 releases and package versions: the one place that parses them."""

import re
from dataclasses import dataclass

from packaging.version import InvalidVersion, Version

from rollout.errors import UnknownRelease

_PACKAGE = re.compile(r"^(?:(?P<epoch>\d+|\(none\)):)?(?P<upstream>[^:]+?)(?:-(?P<revision>[^-]+))?$")


@dataclass(frozen=True)
class PackageVersion:
    """A version as apt or rpm writes it, e.g. 1:2.2.1-8.el7; `text` is that writing."""

    text: str
    epoch: int
    upstream: str
    revision: str

    @classmethod
    def parse(cls, text: str) -> "PackageVersion":
        """Split TEXT into epoch, upstream version and revision; rpm's `(none)` epoch is 0."""
        match = _PACKAGE.match(text.strip())
        if not match:
            raise UnknownRelease(
                f"{text!r} is not a package version", "expected something like 2.2.1-8 or 1:2.2.1-8.el7"
            )
        epoch = match["epoch"]
        upstream, revision = match["upstream"], match["revision"] or ""
        if upstream.endswith("dev"):  # 2.3dev-44: a development build, its number is the build's
            revision = revision or "0"
        return cls(text.strip(), int(epoch) if epoch and epoch.isdigit() else 0, upstream, revision)

    @property
    def release(self) -> str:
        """The st2 release that this package belongs to, e.g. 2.2.1, or 2.3dev for a development build."""
        return self.upstream


def order(release: str) -> Version:
    """RELEASE as a value that sorts as versions do: 2.10.0 after 2.9.3, 2.3dev before 2.3.0."""
    try:
        return Version(release)
    except InvalidVersion:
        raise UnknownRelease(f"{release!r} is not a release", "expected something like 2.2.1") from None


def minor(release: str) -> str:
    """The minor that RELEASE belongs to: 2.10 for 2.10.4."""
    version = order(release)
    return f"{version.major}.{version.minor}"
