"""What holds for every test, beside the code and in `tests/`."""

from hypothesis import settings

# A test that is slow on a busy machine has not failed. Everything else is as Hypothesis has it, here or in CI.
settings.register_profile("velvetrope", settings(), deadline=None)
settings.load_profile("velvetrope")
