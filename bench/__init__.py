"""The proving ground: replays, off-policy estimates, and what routerd costs in time and memory."""
