"""What is said, to whom, when and how. May import ``tracking``; never Flask."""
