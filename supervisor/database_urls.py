"""The URL of a PostgreSQL database, as a setting. Pure."""

import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from typing_extensions import override

from supervisor.secret import Secret

_URL: Final = re.compile(r"(postgres(?:ql)?)://", re.IGNORECASE)
_OTHER_FORM: Final = re.compile(
    r"://|(?:^|\s)(?:host|hostaddr|port|dbname|user|password|service)\s*=", re.IGNORECASE
)
"""A URL of something else, or libpq's other way to name a database. It may have a password."""
_BROKEN_ESCAPE: Final = re.compile(r"%(?!(?!00)[0-9A-Fa-f]{2})")
_EXAMPLE: Final = "write it like postgresql://user:password@host/name"
_PASSWORDS: Final = re.compile(r"[?&](?:ssl)?password=([^&]*)")


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """The libpq URL of a database. As text, it is its address alone: no user, no password."""

    secret: Secret = field(repr=False)
    address: str

    @override
    def __str__(self) -> str:
        return self.address

    @property
    def name(self) -> str:
        """The address, where a path has its last part."""
        return self.address

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not appear in the log: the URL, and each password in it, as it is meant too."""
        url = self.secret.get_secret_value()
        passwords = [urlsplit(url).password or "", *_PASSWORDS.findall(url)]
        return tuple(filter(None, (url, *passwords, *map(unquote, passwords))))


def is_database_url(value: object) -> bool:
    """Whether a setting names a database by its URL, rather than a file."""
    return isinstance(value, str) and _URL.match(value) is not None


def names_no_file(value: str) -> bool:
    """Whether a setting is meant as a database, in a form that the bot does not take."""
    return not is_database_url(value) and _OTHER_FORM.search(value) is not None


def database_url(url: str) -> DatabaseUrl:
    """The value of a URL. The text of its ValueError continues the name of the variable."""
    url = _URL.sub(lambda scheme: scheme[0].lower(), url, count=1)  # libpq wants small letters
    if _BROKEN_ESCAPE.search(url):
        raise ValueError("has a % that begins no character's code: write %25 for %")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError(f"is not a URL: {_EXAMPLE}") from None
    if re.search(r"\s", url):
        raise ValueError(f"has a blank in it: {_EXAMPLE}")
    if parts.netloc.count("@") > 1 or "@" in parts.path:
        raise ValueError(
            "has an @ or a / in the user name or the password: write %40 for @ and %2F for /"
        )
    name = parts.path.lstrip("/")
    if not name or parts.fragment:
        raise ValueError(
            f"names no database: {_EXAMPLE}, with %23 for # and %3F for ? in the password"
        )
    return DatabaseUrl(Secret(url), f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/{name}")


def in_schema(url: str, schema: str) -> str:
    """The URL of the same database, with the tables in this schema."""
    option = quote(f"-csearch_path={schema}", safe="")
    base, _, query = url.partition("?")
    given = [each for each in query.split("&") if each]
    options = next((each for each in given if each.startswith("options=")), None)
    if options is None:
        return f"{base}?{'&'.join([*given, f'options={option}'])}"
    merged = f"{options}%20{option}"  # the last one counts
    return f"{base}?{'&'.join(merged if each is options else each for each in given)}"
