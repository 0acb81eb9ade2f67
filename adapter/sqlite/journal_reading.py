"""Reading a journal file while a bot writes it."""

from contextlib import closing
from pathlib import Path

from adapter.sql.journal_rows import JournalMissing, JournalRow, decode_rows, journal_query
from adapter.sqlite.connecting import connect
from adapter.sqlite.errors import translated_with_path


def read_journal(
    path: Path | str, *, machine: str | None = None, limit: int | None = None, after_seq: int = 0
) -> list[JournalRow]:
    """The journal, oldest first: of one machine or all, the newest `limit` rows or all.

    With `after_seq`, only rows with a higher number. Opens the file read-only, so a bot may write
    it at the same time. Blocks. Raises JournalMissing, StoreUnavailable, StoreCorrupt.
    """
    path = Path(path)
    if not path.is_file():
        raise JournalMissing(f"there is no journal at {path}")
    query = journal_query(machine, limit, after_seq)
    uri = f"{path.absolute().as_uri()}?mode=ro"
    with translated_with_path(path), closing(connect(uri)) as connection:
        if not connection.execute("SELECT 1 FROM pragma_table_info('journal')").fetchone():
            raise JournalMissing(f"{path} holds no journal")
        return decode_rows(connection.execute(query.sql, query.params).fetchall())
