"""What people and machines see and touch: pages, streams, webhooks, the HTTP API and the command line."""
