"""What is where, and when it arrives. Knows SQLAlchemy and itsdangerous; never Flask, never a provider."""
