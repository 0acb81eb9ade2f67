"""What the bot does in each state of its lifecycle.

`activities` has one method for each state. While live, `pump` follows /sync, `outbox` delivers what
waits to be sent, and `second_instance` notices another process on the same account; `live_only`
refuses writing requests in every other state. `assembly` puts them together with the actors.
"""
