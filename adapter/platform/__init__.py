"""Chat platforms behind the rooms."""
