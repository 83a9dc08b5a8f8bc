"""The server as a whole: settings, the state folder, the wiring of all rooms, and its life from start to stop.

This is the only place that picks a database, a clock, randomness and keys. `running.run` is what the CLI calls;
`Server` in `assembly` is every room wired. Names are imported from these modules, so that a start loads what it needs,
when it needs it.
"""
