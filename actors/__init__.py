"""The domain: pure decisions first, then the actors. Imports neither of the other packages."""
