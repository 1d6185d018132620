"""What routerd costs: time per decision and per call, memory, and what others pay for a crowd."""
