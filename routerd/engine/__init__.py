"""The state machine at work: what comes in takes its place in the log, and the state follows.

writer keeps a state and its log together, with fold from the log back to a state; verify derives
all of it again.
The calls on it: sequencer has those of decisions and outcomes, batch many of them at once,
registry, rules, trials and warm_start the others; texts says what is kept of texts.
For an event loop: committer, and crowd.
"""
