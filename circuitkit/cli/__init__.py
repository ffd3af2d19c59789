"""The command line. It imports everything and is imported by nothing."""
