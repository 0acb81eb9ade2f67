"""The error of an answer that is no status."""


class NotASnapshot(Exception):
    """The content is not a snapshot of this program. The text says why."""
