"""Online learners and sampling laws: arrays in, arrays out.

Knows no agent, no request, no file and no clock. Every function is deterministic for the bits it
is given.
"""
