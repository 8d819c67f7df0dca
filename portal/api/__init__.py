"""The HTTP API for integrators: JSON, bearer keys, one shape of refusal, safe to retry."""

from portal.api import deliveries, routes
from portal.api.document import document
from portal.api.gate import blueprint

__all__ = ["blueprint", "deliveries", "document", "routes"]
