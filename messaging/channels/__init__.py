"""One module a provider; the provider's words stop there."""
