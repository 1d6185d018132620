"""The gRPC edge: wire to values, the engine, values to wire."""
