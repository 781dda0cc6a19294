"""What holds for every test: properties get the same examples each time, and no example is judged by the clock.

``pytest --hypothesis-profile=explore`` looks for new examples instead; ``--hypothesis-seed`` says which.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

_COMMON = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None, print_blob=True)

settings.register_profile("same", _COMMON, derandomize=True)
settings.register_profile("explore", _COMMON, derandomize=False)
settings.load_profile("same")
