"""The first name of `diptych.collection`, for scripts that were written with it."""

from diptych.collection import *  # noqa: F403
