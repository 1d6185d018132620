"""The wire contract: code generated from proto/routerd/v1 by `make proto`."""
