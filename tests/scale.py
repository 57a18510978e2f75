"""How often what is left to chance is tried: ``DIGEST_TEST_SCALE=5 make test-all`` does five times as much."""

import os

SCALE = float(os.environ.get("DIGEST_TEST_SCALE") or 1)


def scaled(number: int) -> int:
    return max(1, round(number * SCALE))
