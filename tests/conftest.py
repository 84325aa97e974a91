"""No test depends on the clock: Hypothesis may take as long as a busy machine needs."""

from hypothesis import settings

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
