"""The lifecycle that drives the bot, and the composition root."""
