"""What the bot costs beside the homeserver: every way measured side by side, in one run."""
