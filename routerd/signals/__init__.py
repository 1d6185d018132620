"""From a description to a work type: rules, models behind HTTP, and what is remembered of both."""
