"""Weight patterns, one a file, each with its derivation on top."""
