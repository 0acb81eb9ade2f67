"""The names of files in the store folder that are looked for elsewhere."""

from typing import Final

CHECKLIST_NAME: Final = "unfinished-reset.jsonl"
"""The file is there while a reset that leaves rooms is not finished."""
