"""The tasks, one a folder; a folder `tasks` on Python's path, without an `__init__.py`, adds those of a user.

They are found like any module, and are as trusted: a checkpoint may name what they define.
"""

from pkgutil import extend_path

__path__ = extend_path(__path__, __name__)
