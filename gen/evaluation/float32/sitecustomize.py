"""Torch without autocast: Python runs this before a program where this folder stands in PYTHONPATH.

Builds that compute in bfloat16 wherever they run take fifty times as long on a processor that has to emulate it; timed
beside another build there, they would say nothing about either.
"""

import importlib.util
import sys
from importlib.abc import MetaPathFinder
from types import ModuleType
from typing import Any

_AUTOCAST = "torch.amp.autocast_mode"


class _Waiting(MetaPathFinder):
    """Waits for torch, which most commands import late or never."""

    def find_spec(self, fullname: str, path: Any, target: ModuleType | None = None) -> Any:
        if fullname != _AUTOCAST:
            return None
        sys.meta_path.remove(self)
        found = importlib.util.find_spec(fullname)
        if found is None or found.loader is None:
            return found
        load = found.loader.exec_module

        def without(module: ModuleType) -> None:
            load(module)
            start = module.autocast.__init__

            def disabled(self: Any, device_type: str, dtype: Any = None, *_: Any, **_also: Any) -> None:
                start(self, device_type, dtype, enabled=False)

            module.autocast.__init__ = disabled

        found.loader.exec_module = without  # type: ignore[method-assign]
        return found


sys.meta_path.insert(0, _Waiting())
