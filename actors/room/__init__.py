"""The room actor: one for each joined room."""
