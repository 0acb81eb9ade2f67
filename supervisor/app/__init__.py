"""The composition root: builds from settings what each command runs.

- `run`: the bot, and a single reconciliation.
- `status`: the observer of a running bot, for the status page and the service manager.
- `check`: the checks of `check` that need the account.
- `findings`: the checks of `check` that need no account.
- `reset`: removes local files and leaves the bot's rooms.
- `gateway`: creates gateways from settings.
"""
