"""The command line: one module for each command, with its options and what it prints.

The work of a command is elsewhere: in `supervisor.app`, or in the adapter whose files it reads.
"""
