"""``python -m stylelayers`` is the command ``stylelayers``."""

from .cli import main

if __name__ == "__main__":
    main()
