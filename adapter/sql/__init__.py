"""The store and the journal in SQL: what does not depend on the engine.

- `store`: the StateStore port over a database of any engine.
- `statements`, `outbox_statements`: every statement on the store's tables, and how rows become
  values. Pure.
- `row_trust`, `trust_statements`: which rows are in line with their rooms.
- `values`, `details`: statements, queries and the JSON in columns as values.
- `journal_rows`, `inbox_rows`: the journal's statements, and what the shell commands read.
- `group`: the group commit.
- `migrations`: the order of the steps between schema versions.
- `pruning`: which settled rows are deleted in time.
"""
