"""A small actor runtime over anyio. It knows no room and no Matrix, and imports no other package.

The files, in reading order:

- `letters`: addresses, and the base classes of messages and reports. Delivery rules belong to the
  message's class.
- `cells`: the `Actor` protocol, and one cell for each address: its mailbox and its failures.
- `system`: `ActorSystem`, the entry point. Its docstring lists what the runtime guarantees.
- `asking`: which `ask` the present code works for.
- `runners`: the tasks that work through mailboxes.
- `handling`: calls one actor's handler for one message after the other.
- `boundary`: catches what may fail, and tells a real cancellation from one by itself.
- `apart`: a task group that can be left although a task in it does not end.
- `recovery`: what follows a failed handler: a pause and a restart, or quarantine and probes.
- `policy`: the decisions about failures that a program makes, and the runtime's bounds.
- `restart`: backoff, streaks of failures, crash window and breaker. Pure.
- `timers`: actions that run after a delay.
- `background`: work that may fail without consequence for any actor.
- `counting`: the numbers that the runtime counts.
- `table`: a state machine as one table, and the transition that a trigger makes.
- `transition_log`: logs and journals every transition.
- `errors`: the base class of expected errors, and the errors in a group.
"""
