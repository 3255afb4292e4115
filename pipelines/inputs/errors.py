"""Errors of sources, permanent or temporary."""

from humove.reasons import Reason


class SourceUnavailable(OSError):
    """A source that is gone, refused or changed. A property of the input, so that it is rejected."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason

    def __reduce__(self):
        return type(self), (self.reason, str(self))


class RetryableError(Exception):
    """A failure of the server that a later attempt may not meet."""

    def __init__(self, message: str, *, wait_s: float | None = None) -> None:
        super().__init__(message)
        self.wait_s = wait_s
        """How long the server asks to wait; None where it does not state it."""


def make_not_found_error() -> SourceUnavailable:
    return SourceUnavailable(Reason.UNREADABLE, "not found")


def make_not_allowed_error(why: str) -> SourceUnavailable:
    return SourceUnavailable(Reason.UNREADABLE, f"not allowed ({why})")


def make_changed_error() -> SourceUnavailable:
    return SourceUnavailable(Reason.UNREADABLE, "the file has changed since this build first read it")
