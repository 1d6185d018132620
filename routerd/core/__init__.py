"""The deterministic state machine: values, state, decide, apply. No I/O, no clock, no chance."""
