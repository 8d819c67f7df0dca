"""The ways out: one module a provider, whose words stop there."""
