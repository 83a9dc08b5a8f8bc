"""What an owner sets: pools, app clients and their secrets, domains, tags. What is not built is refused by its name."""
