"""The page of `routerd bench report`: what result files hold, for people."""
