"""What holds for every test, beside the code and in `tests/`."""

import os

from hypothesis import HealthCheck, settings

# What the tester's own shell says of AWS, of us and of proxies is none of a test's business. Processes that a test
# starts inherit the rest.
for _name in list(os.environ):
    if _name.startswith(("AWS_", "VELVETROPE_")) and _name != "VELVETROPE_SOAK_INVOCATIONS":
        del os.environ[_name]
os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
for _name in ("no_proxy", "NO_PROXY"):  # the network may need a proxy; what is here does not
    os.environ[_name] = ",".join(filter(None, (os.environ.get(_name), "localhost,127.0.0.1,::1")))

# A test that is slow on a busy machine has not failed, and one that passed passes again: the same examples each time.
# `--hypothesis-profile chance` looks for others.
settings.register_profile("chance", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("velvetrope", settings.get_profile("chance"), derandomize=True)
settings.load_profile("velvetrope")
