"""One module for each command. What a command does lives elsewhere; here is what it says."""
