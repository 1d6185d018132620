"""The audit: a log folded into tables that people and programs can question."""
