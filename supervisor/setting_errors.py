"""The sentences for what pydantic refuses. Each continues the name of a variable. Pure."""

from collections.abc import Callable, Mapping
from typing import Final

from pydantic_core import ErrorDetails


def sentence_for(detail: ErrorDetails, advice: str) -> str:
    """What is wrong with a value, and what to write instead.

    `advice` says what to set a variable to that is not set.
    """
    if detail["type"] == "missing":
        return f"is not set: {advice}"
    sentence = _SENTENCES.get(detail["type"])
    if sentence is not None:
        return sentence(detail)
    message = detail["msg"].replace("Input should", "it should")
    return f"is refused: {message}"


def _unknown_choice(detail: ErrorDetails) -> str:
    return f"is {detail['input']!r}: use {detail['ctx']['expected']}"


def _validator_message(detail: ErrorDetails) -> str:
    return str(detail["ctx"]["error"])


def _limited(detail: ErrorDetails) -> str:
    limits = {"ge": "{} or more", "le": "{} or less", "gt": "more than {}", "lt": "less than {}"}
    ((name, limit),) = [(name, detail["ctx"][name]) for name in limits if name in detail["ctx"]]
    return f"is out of range: use {limits[name].format(limit)}"


_SENTENCES: Final[Mapping[str, Callable[[ErrorDetails], str]]] = {
    "literal_error": _unknown_choice,
    "enum": _unknown_choice,
    "value_error": _validator_message,
    "int_parsing": lambda _: "is not a whole number: write it with digits alone",
    "float_parsing": lambda _: "is not a number",
    "bool_parsing": lambda _: "is neither yes nor no: use true or false",
    "greater_than": _limited,
    "greater_than_equal": _limited,
    "less_than": _limited,
    "less_than_equal": _limited,
}
