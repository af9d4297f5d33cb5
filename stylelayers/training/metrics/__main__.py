"""``python -m stylelayers.training.metrics``."""

from .command import main

main()
