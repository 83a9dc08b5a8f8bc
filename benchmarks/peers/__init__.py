"""velvetrope and other programs that stand in for AWS, asked the same things: see `docs/peers.md`."""
