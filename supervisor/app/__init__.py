"""The composition root: from settings to a bot that runs, is looked at or is reset."""
