"""The service over HTTP and JSON: every question becomes a call of the gRPC server.

So both faces have one contract, one check of who may ask what, one limit of how much at
once, and one place where a question is decided.
"""

from skylike.service.gateway.gateway import Gateway

__all__ = ["Gateway"]
