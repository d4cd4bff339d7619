"""What talks to a service. The domain, one package up, knows nothing of it."""
