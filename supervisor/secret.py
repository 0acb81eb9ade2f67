"""A text that does not show itself. Pure."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Secret:
    """A password or a token. Neither its text nor its representation has it."""

    _value: str = field(repr=False)

    def get_secret_value(self) -> str:
        """The secret itself."""
        return self._value
