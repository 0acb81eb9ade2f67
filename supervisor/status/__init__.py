"""What the running bot says about itself: a page for people, probes and metrics for programs."""
