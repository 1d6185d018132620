"""Measurements of routerd: how fast it decides and learns."""
