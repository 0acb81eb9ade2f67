"""How the commands format their output: tables, timelines and diagrams."""
