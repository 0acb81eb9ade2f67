"""The status of the running bot: a web page for people, probes and metrics for programs."""
