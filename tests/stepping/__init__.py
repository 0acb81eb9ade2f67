"""The bot driven a step at a time, on both event loops and on virtual clocks."""
