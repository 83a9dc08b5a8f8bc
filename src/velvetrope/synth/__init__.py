"""An app file becomes a SAM template: what an AWS engineer would have written by hand.

`app_file` reads the declarations of one Python file, `sam` writes them down as a template, `packaging` makes the zip of
the function's code, and `child` runs all of it in a process of its own, so that the app's code is never imported by the
server (which holds the master keys) and a reload starts from nothing. No endpoint and no credential is known here.
"""

from velvetrope.synth.app_file import AppDeclaration, AppFileError, load_app
from velvetrope.synth.child import SynthesizedApp, start_synth, synthesize
from velvetrope.synth.packaging import CodePackage, package_folder
from velvetrope.synth.sam import DevUserDeclaration, render_template, sam_template

__all__ = [
    "AppDeclaration",
    "AppFileError",
    "CodePackage",
    "DevUserDeclaration",
    "SynthesizedApp",
    "load_app",
    "package_folder",
    "render_template",
    "sam_template",
    "start_synth",
    "synthesize",
]
