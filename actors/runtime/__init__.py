"""What runs actors: mailboxes, restarts, quarantine, timers, state tables."""
