"""Off-policy evaluation: what a policy would have earned, by a log of what another one did."""
