"""What the body of a refusal says, and the text for a refusal that a person can end. Pure."""

import re
from dataclasses import dataclass
from typing import Final

from actors.port_errors import RefusedForNow
from adapter.matrix.codes import stable_code

_TEXT_LIMIT: Final = 200
_LINK_LIMIT: Final = 1_000
_LINK: Final = re.compile(r"https?://[^\s<>\"']*[^\s<>\"'.,;:!?)]")

_TEXTS: Final = {
    "M_USER_SUSPENDED": (
        "the homeserver has suspended this account",
        "its administrator can lift the suspension",
    ),
    "M_USER_LOCKED": (
        "the homeserver has locked this account",
        "its administrator can unlock it",
    ),
    "M_EXPIRED_ACCOUNT": (
        "this account has expired on the homeserver",
        "its administrator can renew it",
    ),
    "M_USER_AWAITING_APPROVAL": (
        "this account is not approved on the homeserver yet",
        "its administrator can approve it",
    ),
}
"""The reason and the remedy of each code that says all by itself."""


@dataclass(frozen=True, slots=True)
class Problem:
    """The fields of an error body. A field of another type counts as absent."""

    errcode: str = ""
    error: str = ""
    retry_after_ms: float | None = None
    consent_uri: str | None = None
    admin_contact: str | None = None
    limit_type: str | None = None
    named_page: str | None = None
    """The first link in the text of the error."""

    @property
    def page(self) -> str | None:
        """The page to open; some homeservers name it in the text of the error alone."""
        return self.consent_uri or self.named_page

    @property
    def code(self) -> str:
        """The error code without a vendor's prefix."""
        return stable_code(self.errcode)

    @property
    def names_limit(self) -> bool:
        """Whether the body names a limit of the whole server, or whom to ask about it."""
        return self.limit_type is not None or self.admin_contact is not None


def problem_in(found: object) -> Problem:
    """The error body in decoded JSON; empty if it is none."""
    if not isinstance(found, dict):
        return Problem()
    wait_ms = found.get("retry_after_ms")
    return Problem(
        errcode=_text(found.get("errcode"), _TEXT_LIMIT) or "",
        error=_text(found.get("error"), _TEXT_LIMIT) or "",
        retry_after_ms=wait_ms if type(wait_ms) in {int, float} else None,
        consent_uri=_text(found.get("consent_uri"), _LINK_LIMIT),
        admin_contact=_text(found.get("admin_contact"), _TEXT_LIMIT),
        limit_type=_text(found.get("limit_type"), _TEXT_LIMIT),
        named_page=_link_in(found.get("error")),
    )


def refusal_for_now(problem: Problem, retry_after_s: float = 0) -> RefusedForNow:
    """The error for a code that is about the account or the server, for now."""
    reason, remedy = _TEXTS.get(problem.code) or _composed(problem)
    return RefusedForNow(
        f"{reason} ({problem.errcode})",
        remedy,
        consent_uri=problem.page,
        retry_after_s=retry_after_s,
    )


def _composed(problem: Problem) -> tuple[str, str]:
    """The reason and the remedy of a code with further fields."""
    if problem.code == "M_RESOURCE_LIMIT_EXCEEDED":
        limit = f", {problem.limit_type}" if problem.limit_type else ""
        whom = f" ({problem.admin_contact})" if problem.admin_contact else ""
        said = f", {problem.error}" if problem.error else ""
        return (
            f"the homeserver is over a limit or switched off{limit}{said}",
            f"its administrator{whom} can change that",
        )
    link = problem.page
    remedy = f"open {link} and agree to them" if link else "its administrator knows where"
    return "the homeserver wants its terms agreed to first", remedy


def _link_in(value: object) -> str | None:
    link = _LINK.search(value) if isinstance(value, str) else None
    return _text(link[0], _LINK_LIMIT) if link else None


def _text(value: object, limit: int) -> str | None:
    """A text of the homeserver on one line; None for any other value."""
    if not isinstance(value, str):
        return None
    return "".join(each if each.isprintable() else " " for each in value)[:limit]
