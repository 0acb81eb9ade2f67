"""Matrix: the homeserver behind the core's ports, and the cache made from its rooms."""
