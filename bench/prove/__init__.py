"""What `routerd prove` runs, finds and tells: would routing have paid on these tasks?"""
