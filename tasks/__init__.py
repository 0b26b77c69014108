"""The tasks, one a folder; a folder `tasks` on Python's path, without an `__init__.py`, adds those of a user.

They are found like any module, and are as trusted: a checkpoint may name what they define. A package of the same name,
which has an `__init__.py`, is another's and left alone.
"""

from pathlib import Path
from pkgutil import extend_path

__path__ += [folder for folder in extend_path(__path__, __name__) if not Path(folder, "__init__.py").exists()]
