"""The place where the official code compiles extensions; here nothing is compiled."""

from typing import Any, NoReturn

verbosity = "brief"


def get_plugin(module_name: str, sources: Any = (), *_: Any, **build_options: Any) -> NoReturn:
    """Tell that extensions are not compiled.

    Raises:
        RuntimeError: always; the operators of this package need no extension.
    """
    raise RuntimeError(
        f"get_plugin: the extension {module_name!r} is not compiled under stylelayers.compat; "
        "its operators upfirdn2d, bias_act and filtered_lrelu need none, others need the project's own custom_ops"
    )
