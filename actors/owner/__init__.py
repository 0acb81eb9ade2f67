"""The user actor: one for each owner."""
