"""The shell for people: one command a file, over the same gRPC and files that programs use."""
