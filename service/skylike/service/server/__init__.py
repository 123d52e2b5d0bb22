"""The gRPC face of the engine: translates, and decides nothing."""
