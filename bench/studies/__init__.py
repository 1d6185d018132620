"""Studies of the default policy: its parts, its settings, streams that nothing was chosen on."""
