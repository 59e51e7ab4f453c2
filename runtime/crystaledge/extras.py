"""The one border where modules are imported late, so that a missing package is one clear sentence.

Everywhere else imports stand at the top of the file. Here a name given as `module:attribute` is
loaded when it is first needed; if a third-party package is absent, the error names the extra.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

from crystaledge.errors import MissingExtraError


def load(target: str, *, extra: str | None, purpose: str) -> object:
    """Import `module:attribute` and return the attribute.

    Args:
        extra: the extra of this distribution that brings what the module needs.
        purpose: what it is needed for, at the start of the message.

    Raises:
        MissingExtraError: a package that the module needs is not installed.
    """
    module_name, _, attribute = target.partition(":")
    try:
        module = import_module(module_name)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if not missing or missing.startswith("crystaledge"):
            raise
        cure = f"pip install 'crystaledge[{extra}]'" if extra else f"pip install {missing}"
        msg = f"{purpose} needs the package {missing!r}, which is not installed; get it with: {cure}"
        raise MissingExtraError(msg) from error
    except ImportError as error:
        msg = f"{purpose} needs a package that is installed but cannot be loaded: {error}."
        raise MissingExtraError(msg) from error
    return getattr(module, attribute)


def installed(package: str) -> bool:
    """Whether a package can be imported; it is not."""
    return find_spec(package) is not None
