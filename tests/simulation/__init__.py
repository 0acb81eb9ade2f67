"""A simulated homeserver, and simulations of the bot on it that replay exactly from a seed."""
