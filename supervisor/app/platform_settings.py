"""Reads the settings of a platform: a pydantic-settings class, from the environment and `.env`.

A platform's settings are read as those of the bot: an empty variable means its default, and each
error is a line that names the variable.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar, cast

from pydantic import AliasChoices, BaseModel, SecretBytes, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsError

from supervisor.setting_errors import sentence_for
from supervisor.settings import SettingsRefused, hints
from supervisor.variables import DOTENV, ENCODING

_Read = TypeVar("_Read", bound=BaseSettings)


def read_settings(kind: type[_Read], platform: str) -> _Read:
    """The settings of a platform. Raises SettingsRefused with all errors at once."""
    try:
        return _read(kind)
    except ValidationError as error:
        details = [each for each in error.errors(include_url=False) if not _is_foreign(kind, each)]
        slips = hints(variables_of(kind), prefix_of(kind))
        told = {slip.partition(":")[0] for slip in slips}
        lines = [_line(kind, platform, detail) for detail in details]
        new = [line for line in dict.fromkeys(lines) if line.partition(":")[0] not in told]
        raise SettingsRefused(*new, *slips) from None
    except SettingsError as error:
        raise SettingsRefused(_about_form(kind, platform, error)) from None


def _read(kind: type[_Read]) -> _Read:
    """The settings. `.env` has the variables of the bot as well: no class has to ignore them."""
    try:
        return _taken(kind)
    except ValidationError as error:
        if not all(_is_foreign(kind, each) for each in error.errors(include_url=False)):
            raise
    tolerant = {"model_config": {"extra": "ignore"}, "__module__": kind.__module__}
    return _taken(cast("type[_Read]", type(kind.__name__, (kind,), tolerant)))


def _taken(kind: type[_Read]) -> _Read:
    return kind(_env_file=DOTENV, _env_file_encoding=ENCODING, _env_ignore_empty=True)


def _is_foreign(kind: type[BaseSettings], detail: ErrorDetails) -> bool:
    """Whether an error is about a variable in `.env` that is not one of this platform."""
    is_extra = detail["type"] == "extra_forbidden"
    return is_extra and not str(detail["loc"][0]).lower().startswith(prefix_of(kind).lower())


def prefix_of(kind: type[BaseSettings]) -> str:
    """What the names of a platform's variables begin with."""
    return str(kind.model_config.get("env_prefix", ""))


def variables_of(kind: type[BaseSettings]) -> frozenset[str]:
    """The names of all variables of a platform."""
    return frozenset(_variable(kind, *item) for item in kind.model_fields.items())


def secrets_in(settings: object) -> Iterator[str]:
    """The secrets among some settings, at any depth; one of several words also word by word."""
    match settings:
        case SecretStr():
            value = settings.get_secret_value()
            yield from {value, *value.split()}
        case SecretBytes():
            yield settings.get_secret_value().decode(errors="replace")
        case BaseModel():
            yield from _secrets_in_all(value for _, value in settings)
        case Mapping():
            yield from _secrets_in_all(settings.values())
        case list() | tuple() | set() | frozenset():
            yield from _secrets_in_all(settings)
        case _:
            return


def _secrets_in_all(values: Iterable[object]) -> Iterator[str]:
    for value in values:
        yield from secrets_in(value)


def _variable(kind: type[BaseSettings], name: str, field: FieldInfo) -> str:
    alias = field.validation_alias
    if isinstance(alias, AliasChoices):
        alias = next((each for each in alias.choices if isinstance(each, str)), None)
    if isinstance(alias, str):
        return alias
    variable = f"{prefix_of(kind)}{name}"
    return variable if kind.model_config.get("case_sensitive") else variable.upper()


def _line(kind: type[BaseSettings], platform: str, detail: ErrorDetails) -> str:
    if not detail["loc"]:  # an error of all settings together
        return f"BOT_PLATFORM: the settings of {platform} are refused: {sentence_for(detail, '')}"
    place = str(detail["loc"][0])
    if detail["type"] == "extra_forbidden":
        return _about_unknown(kind, platform, place)
    field = kind.model_fields.get(place)
    variable = place if field is None else _variable(kind, place, field)
    described = field.description if field is not None else None
    return (
        f"{variable}: {sentence_for(detail, f'set it to {described}' if described else 'set it')}"
    )


def _about_unknown(kind: type[BaseSettings], platform: str, place: str) -> str:
    """A line of `.env` has a variable with the right prefix that the platform does not know."""
    known = ", ".join(sorted(variables_of(kind)))
    return f"{place.upper()}: is not a variable of {platform}: it has {known}"


def _about_form(kind: type[BaseSettings], platform: str, error: SettingsError) -> str:
    """A value of several parts is no JSON. The error names the field, but not the variable."""
    for name, field in kind.model_fields.items():
        if f'"{name}"' in str(error):
            return f'{_variable(kind, name, field)}: is not JSON: write it like ["one", "two"]'
    return f"BOT_PLATFORM: the settings of {platform} cannot be read: {error}"
