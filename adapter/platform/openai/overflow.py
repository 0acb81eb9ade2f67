"""Recognises the many sentences for a conversation that is too long for a model. Pure."""

import re
from typing import Final

from actors.port_errors import ContextTooLong
from adapter.platform.openai.problems import Problem

_KINDS: Final = frozenset(
    {"exceed_context_size_error", "context_length_exceeded", "string_above_max_length"}
)
# Each sentence names the context length, and the tokens that were sent without the answer.
_LIMIT: Final = r"(?P<limit>\d+)"
_SENT: Final = r"(?P<sent>\d+)"
_LENGTH: Final = rf"maximum context length is {_LIMIT}.*?"
_SENTENCES: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"{_LENGTH}\({_SENT} in the messages.{{0,40}}?, \d+ in the completion",
        rf"passed {_SENT} input tokens and requested \d+ output.*?length is only {_LIMIT}",
        rf"{_LENGTH}(?:resulted in|has|contains|requested|at least)\D{{0,30}}{_SENT}",
        rf"{_SENT} tokens\) exceeds the available context size \({_LIMIT}",
        rf"prompt is too long: {_SENT} tokens > {_LIMIT}",
        rf"input token count \({_SENT}\) exceeds the maximum .{{0,40}}?\({_LIMIT}\)",
        rf"prompt \(length {_SENT}\) is longer than the maximum model length of {_LIMIT}",
        rf"input \({_SENT} tokens\) is longer than the model's context length \({_LIMIT}",
        rf"prompt contains {_SENT} tokens.*?too large for model with {_LIMIT}",
        rf"must be <= {_LIMIT}\. given: {_SENT} `inputs` tokens",
        rf"keep the first {_SENT} tokens when context.*?context length of only {_LIMIT}",
    )
)
_WITHOUT_NUMBERS: Final = re.compile(
    r"context (?:length|window|size).{0,60}(?:exceed|too (?:long|large)|larger|longer|maximum)"
    r"|(?:exceed|too long|larger than|longer than).{0,60}context (?:length|window|size)"
    r"|reduce the length of (?:the messages|your prompt)|prompt is too long|input is too long",
    re.IGNORECASE,
)


def context_too_long(problem: Problem) -> ContextTooLong | None:
    """The error if a server refuses a conversation for its length; None for another refusal.

    Its `limit` is the whole context, with what is kept for the answer.
    """
    for pattern in _SENTENCES:
        if found := pattern.search(problem.words):
            return ContextTooLong(int(found["limit"]), int(found["sent"]))
    is_named = problem.kind in _KINDS or problem.code in _KINDS
    if is_named or _WITHOUT_NUMBERS.search(problem.message):
        return ContextTooLong(problem.limit, problem.sent)
    return None
