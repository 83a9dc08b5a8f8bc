"""An app file becomes a SAM template: what an AWS engineer would have written by hand.

`app_file` reads the declarations of one Python file, `sam` writes them down as a template, `packaging` makes the zip of
the function's code, and `child` runs all of it in a process of its own, so that the app's code is never imported by the
server (which holds the master keys) and a reload starts from nothing. No endpoint and no credential is known here.

Names are imported from these modules: the server needs two of them within its first tenth of a second, and the other
two never.
"""
