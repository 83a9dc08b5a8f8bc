"""Which object is given which: the one place that knows all rooms.

    server = await Server.open(settings, folder, port=4800)
    await server.apply_app(synthesized, code, progress=print)
    await server.start(sockets)
    ...
    await server.stop()

Rooms on the service floor are strangers to each other; each declares small protocols, and the objects behind them are
handed over here, a file for each group of rooms. A file's `assemble_…` takes what the group needs and returns what it
gives; the order is `Server.open`'s:

    foundation      settings, addresses, state, database, clock, randomness, decisions
    callers         IAM and STS: who calls, and which policies are theirs
    workloads       functions, and the keys, queues and logs that they use
    user_pools      user pools
    federation      identity pools, and whose tokens and assertions count
    deployed_apis   the request lanes, and what they serve
    control_plane   every AWS operation behind one dispatcher; stacks
    front           what the server's one address answers: lanes, operations, pages, files

No rule is decided here.
"""

from velvetrope.server.assembly.server import Server

__all__ = ["Server"]
