"""The errors that come from outside.

The adapter that implements a port translates every error into this family, once.
"""

from typing import Final

from actors.runtime.errors import ExpectedError, errors_in


class PortError(ExpectedError):
    """Base class of every error that a port raises on purpose."""


def is_expected(raised: BaseException) -> bool:
    """Whether a port has raised this on purpose; anything else is a bug of its adapter."""
    found = errors_in(raised)
    return bool(found) and all(isinstance(error, PortError) for error in found)


class HomeserverUnavailable(PortError):
    """No usable answer: a lost connection, a timeout, a 5xx status, or a body that is not Matrix.

    The homeserver may have carried out the request. Wait, and look before repeating it.
    """


class RequestNotSent(HomeserverUnavailable):
    """The bot did not send the request, so nothing of it can take effect."""


class RefusedForNow(HomeserverUnavailable):
    """The homeserver refuses for the sake of the account or of itself, until a person lifts that.

    The account is suspended or locked, terms are not agreed to, or the server is over a limit.
    Nothing was done, and the refused request is not to blame: keep everything and wait. `remedy`
    says what ends it; `consent_uri` is a page to open for that.
    """

    def __init__(
        self, reason: str, remedy: str, *, consent_uri: str | None = None, retry_after_s: float = 0
    ) -> None:
        super().__init__(f"{reason}: {remedy}")
        self.reason = reason
        self.remedy = remedy
        self.consent_uri = consent_uri
        self.retry_after_s = retry_after_s


class RateLimited(PortError):
    """Status 429: nothing was done. Try again after `retry_after_s` seconds."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(f"rate limited for {retry_after_s:g} s")
        self.retry_after_s = retry_after_s


class HomeserverRefused(PortError):
    """The homeserver refused the request with a 4xx status. Do not repeat it unchanged."""

    def __init__(self, status: int, errcode: str, message: str) -> None:
        super().__init__(f"{status} {errcode}: {message}")
        self.status = status
        self.errcode = errcode
        self.message = message


class RefusedUnclearly(HomeserverRefused):
    """A refusal that may pass, or that gives no reason: an unknown code, or M_UNKNOWN.

    Nothing was done. Keep what was to be done, say so, and try it again later; only the answer to
    a person's command may tell the reason instead.
    """


class SessionRevoked(PortError):
    """The access token is no longer valid (M_UNKNOWN_TOKEN). Log in again with the same device."""


class CredentialsRefused(PortError):
    """The homeserver refuses the login. Waiting does not help; the text says what does."""


class PositionLost(PortError):
    """The homeserver does not know the sync position any more. Hydrate all rooms."""


class StoreUnavailable(PortError):
    """The database is locked or read-only, or the disk is full. Wait and retry."""


class StoreRefused(StoreUnavailable):
    """The database refuses this program: a password, a name, a right, or newer tables.

    Only its operator can end that. A program that starts gives up; one that runs waits.
    """


class LeaseLost(StoreUnavailable):
    """Another process leads the bot now: nothing was written. Stop, and stand by."""


class OutdatedWrite(PortError):
    """A write rests on what the database does not have any more: nothing was written.

    A message that was to be finished has ended otherwise, or the position is another: a failover
    lost commits. Forget what was to be written, and read again what the database has.
    """


class StoreCorrupt(PortError):
    """The database file is damaged. Move it aside and rebuild from the homeserver."""


class PlatformFailed(PortError):
    """The platform gave no whole answer: a 5xx status, a broken stream, silence, or garbage.

    Ask again with the same key. It counts as an attempt at the question.
    """


class PlatformUnreachable(PlatformFailed):
    """No connection to the platform could be made: no question is to blame. Wait, then ask again.

    It counts as no attempt.
    """


class PlatformBusy(PortError):
    """The platform is overloaded, loads its model, or limits requests: nothing was done.

    Ask again after `retry_after_s` seconds. It counts as no attempt.
    """

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(f"busy for {retry_after_s:g} s")
        self.retry_after_s = retry_after_s


class ContextTooLong(PortError):
    """The conversation does not fit into the model's context. Cut it, and ask again at once.

    `limit` and `sent` are in tokens; None if the platform does not say them.
    """

    def __init__(self, limit: int | None = None, sent: int | None = None) -> None:
        super().__init__(f"{sent or 'too many'} tokens for a context of {limit or 'unknown size'}")
        self.limit = limit
        self.sent = sent


class PlatformRefused(PortError):
    """The platform refuses this question for good. `say` is a sentence for the person."""

    def __init__(self, say: str) -> None:
        super().__init__(say)
        self.say = say


class Unsupported(PortError):
    """The platform cannot take attachments of these MIME types; with none named, no attachments.

    Leave them out, and ask again. It counts as no attempt.
    """

    def __init__(self, mime_types: tuple[str, ...] = ()) -> None:
        super().__init__(f"cannot take {', '.join(mime_types) or 'attachments'}")
        self.mime_types = mime_types


class ConversationLost(PortError):
    """A platform that keeps the history has not this conversation's. Ask again with `fresh`."""


class PlatformMisconfigured(PortError):
    """The platform refuses the bot itself: its key, its model, its address.

    `say` is a sentence for the operator: what is wrong, and what to do. All questions wait; it
    counts as no attempt.
    """

    def __init__(self, say: str) -> None:
        super().__init__(say)
        self.say = say


PLATFORM_ERRORS: Final = (
    PlatformFailed,
    PlatformBusy,
    ContextTooLong,
    PlatformRefused,
    Unsupported,
    ConversationLost,
    PlatformMisconfigured,
)
"""All that a platform raises; PlatformUnreachable is a PlatformFailed."""
