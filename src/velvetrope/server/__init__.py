"""The server as a whole: settings, the state folder, the wiring of all rooms, and its life from start to stop.

This is the only place that picks a database, a clock, randomness and keys. `run` is what the CLI calls.
"""

from velvetrope.server.narration import Narration, Ready, Refusal
from velvetrope.server.running import run
from velvetrope.server.settings import RootAccessKey, Settings, SettingsError
from velvetrope.server.state_folder import StateFolderError

__all__ = ["Narration", "Ready", "Refusal", "RootAccessKey", "Settings", "SettingsError", "StateFolderError", "run"]
