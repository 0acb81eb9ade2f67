"""The activities of the lifecycle's states, over the ports.

- `activities`: one method per state.
- `pump`: follows /sync while the bot is live.
- `outbox`: delivers queued messages while the bot is live.
- `second_instance`: detects another process on the same account.
- `live_only`: refuses writing requests unless the bot is live.
- `assembly`: builds a bot from these parts and the actors.
"""
