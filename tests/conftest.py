"""What holds for every test: none depends on the clock, so Hypothesis sets no deadline."""

from hypothesis import settings

settings.register_profile("no clock", deadline=None)
settings.load_profile("no clock")
