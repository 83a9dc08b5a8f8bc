"""What runs inside a sandbox's process before and below a function: the zygote, and what it forks.

    python -s -P -m velvetrope.zygote CONTROL_FD

The zygote is a process of its own, executed fresh with an empty environment: no memory of the server is in it, so none
can be in a function. It has AWS's runtime client imported already and does nothing but fork, and tell the server how
its children ended. What a function must know and others must not (variables, credentials) never passes through it: the
forked child reads that from its own end of a socketpair whose other end the server holds.

`__main__` is the zygote's loop; `launch` is what a child does before it becomes the runtime: `isolation` takes rights
away, then `python_runtime` runs AWS's client over `frames`, or another program is executed.

This package imports the standard library and `awslambdaric`, and nothing else of velvetrope (a contract says so). Of it
the server's side imports `frames` only.
"""
