"""Recorded tasks: files that people bring, sets by name, and worlds that are made up."""
