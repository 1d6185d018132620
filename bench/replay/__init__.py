"""Recorded tasks served again: who takes part, on which stream, and what they earned."""
