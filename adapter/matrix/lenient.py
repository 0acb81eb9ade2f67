"""Decodes JSON so that an odd optional part costs that part only. Pure.

JSON of the expected shape is decoded by msgspec alone. Any other JSON is decoded once more, part by
part: an optional field with a value of another type gets its default, and an odd entry of a list or
an object is left out. A required field stays required. Null means a missing field or an empty list
or object, because some homeservers write it for these; it does not count as malformed.
"""

import math
import re
from dataclasses import dataclass, field
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Generic, TypeAlias, TypeVar, Union, get_args, get_origin

import msgspec

UNDECODABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""Errors that decoding JSON from outside can raise."""

_PLACES_LIMIT: Final = 10
_DEPTH_LIMIT: Final = 100
_INT_LIMIT: Final = 2**53
_EMPTY: Final = frozenset({b"null", b"{}", b"[]"})
_TOKEN: Final = re.compile(
    r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]|-?[0-9][0-9.eE+-]*|-?Infinity|NaN', re.DOTALL
)
_ESCAPE: Final = re.compile(
    r"\\u[dD][89abAB]..\\u[dD][c-fC-F]..|(?P<lone>\\u[dD][89a-fA-F]..)|\\.", re.DOTALL
)

_MISSING: Final = msgspec.Raw(b"null")
_Fields: TypeAlias = dict[str, msgspec.Raw]

T = TypeVar("T")


@dataclass(slots=True)
class Malformed:
    """The parts that were left out: their number, and where the first ones stood.

    A place consists of field names, never of a value.
    """

    count: int = 0
    places: list[str] = field(default_factory=list)

    def note(self, place: str) -> None:
        """Count a part."""
        self.count += 1
        self._add_place(place)

    def add(self, other: "Malformed", owner: str = "") -> None:
        """Count the parts of another value; `owner` is what they belong to, such as a room id."""
        self.count += other.count
        for place in other.places:
            self._add_place(f"{owner} {place}".strip())

    def _add_place(self, place: str) -> None:
        if len(self.places) < _PLACES_LIMIT and place not in self.places:
            self.places.append(place)


class Decoder(Generic[T]):
    """Decodes one type from JSON."""

    def __init__(self, kind: type[T]) -> None:
        self._kind = kind
        self._fast = msgspec.json.Decoder(kind)

    def decode(self, raw: bytes | msgspec.Raw, malformed: Malformed, place: str = "") -> T:
        """Decode a value, and note what is left out of it. Raises one of UNDECODABLE."""
        try:
            return self._fast.decode(raw)
        except UNDECODABLE:
            value: T = _decoded(bytes(raw), self._kind, malformed, place)
            return value


def _decoded(raw: bytes, kind: Any, malformed: Malformed, place: str) -> Any:  # noqa: ANN401
    """Decode a value part by part."""
    origin, args = get_origin(kind), get_args(kind)
    if origin in {Union, UnionType}:
        if NoneType in args and _is_null(raw):
            return None
        return _decoded(raw, _first_type(args), malformed, place)
    if origin is list:
        return _list(raw, args[0], malformed, place)
    if origin is dict:
        return _dict(raw, args[1], malformed, place)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return _struct(raw, kind, malformed, place)
    if kind is int or (origin is Annotated and args[0] is int):
        return _integer(raw, kind)
    return _parsed(raw, kind, malformed, place)


def _is_null(raw: bytes | msgspec.Raw) -> bool:
    return bytes(raw).strip() == b"null"


def _is_empty(raw: bytes, place: str) -> bool:
    """Whether a value stands for an empty list or object. A whole answer is not that odd."""
    return raw.strip() in _EMPTY if place else _is_null(raw)


def _first_type(args: tuple[Any, ...]) -> Any:  # noqa: ANN401
    return next(each for each in args if each not in {NoneType, msgspec.UnsetType})


def _list(raw: bytes, kind: Any, malformed: Malformed, place: str) -> list[Any]:  # noqa: ANN401
    if _is_empty(raw, place):
        return []
    entries = []
    for entry in _parsed(raw, list[msgspec.Raw], malformed, place):
        try:
            entries.append(_entry(entry, kind, malformed, f"{place}[]"))
        except UNDECODABLE:
            malformed.note(f"{place}[]")
    return entries


def _dict(raw: bytes, kind: Any, malformed: Malformed, place: str) -> dict[str, Any]:  # noqa: ANN401
    if _is_empty(raw, place):
        return {}
    entries = {}
    for key, entry in _parsed(raw, _Fields, malformed, place).items():
        try:
            entries[key] = _entry(entry, kind, malformed, f"{place}{{}}")
        except UNDECODABLE:
            malformed.note(f"{place}{{}}")
    return entries


def _struct(raw: bytes, kind: Any, malformed: Malformed, place: str) -> Any:  # noqa: ANN401
    parsed = {} if _is_empty(raw, place) else _parsed(raw, _Fields, malformed, place)
    values: dict[str, Any] = {}
    for each in msgspec.structs.fields(kind):
        entry = parsed.get(each.encode_name, _MISSING)
        inner = f"{place}.{each.encode_name}".removeprefix(".")
        is_absent = entry is _MISSING or (_is_null(entry) and NoneType not in get_args(each.type))
        if is_absent and not each.required:
            continue
        if entry is _MISSING:
            raise msgspec.ValidationError(f"`{inner}` is missing")
        try:
            values[each.name] = _entry(entry, each.type, malformed, inner)
        except UNDECODABLE:
            if each.required:
                raise
            malformed.note(inner)
    return kind(**values)


def _entry(entry: msgspec.Raw, kind: Any, malformed: Malformed, place: str) -> Any:  # noqa: ANN401
    """Decode a part. A part that stays undecoded is copied, because it refers to the whole."""
    return entry.copy() if kind is msgspec.Raw else _decoded(bytes(entry), kind, malformed, place)


def _integer(raw: bytes, kind: Any) -> Any:  # noqa: ANN401
    """An integer; some homeservers write it as a float."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError:
        value = msgspec.json.decode(raw, type=float)
        if not value.is_integer() or abs(value) > _INT_LIMIT:
            raise
        return msgspec.convert(int(value), kind)


def _parsed(raw: bytes, kind: Any, malformed: Malformed, place: str) -> Any:  # noqa: ANN401
    try:
        return msgspec.json.decode(raw, type=kind)
    except UNDECODABLE:
        value = msgspec.json.decode(_mended(raw), type=kind)
        malformed.note(place or "text")
        return value


def _mended(raw: bytes) -> bytes:
    """JSON without what msgspec refuses: deep nesting, lone surrogates, numbers out of range."""
    text = raw.decode("utf-8", "replace")
    pieces: list[str] = []
    depth = taken = 0
    for found in _TOKEN.finditer(text):
        token, instead = found[0], None
        if token in {"[", "{"}:
            depth += 1
            if depth == _DEPTH_LIMIT + 1:
                pieces += (text[taken : found.start()], "null")
        elif token in {"]", "}"}:
            taken = found.end() if depth == _DEPTH_LIMIT + 1 else taken
            depth -= 1
        elif depth <= _DEPTH_LIMIT:
            instead = _mended_string(token) if token.startswith('"') else _mended_number(token)
        if instead not in {None, token}:
            pieces += (text[taken : found.start()], str(instead))
            taken = found.end()
    pieces.append(text[taken:])
    return "".join(pieces).encode()


def _mended_string(token: str) -> str:
    return _ESCAPE.sub(lambda found: r"\ufffd" if found["lone"] else found[0], token)


def _mended_number(token: str) -> str:
    try:
        return token if math.isfinite(float(token)) else "null"
    except ValueError:
        return token
