"""The HTTP door: from a gateway's event to a handler's request, and from its answer or error back to JSON."""
