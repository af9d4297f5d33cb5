"""Networks composed of `stylelayers.layers`."""

from .alias_free import AliasFreeGenerator, AliasFreeSynthesis
from .alias_free_plan import AliasFreePlan
from .discriminator import Discriminator
from .generator import Generator
from .mapping import MappingNetwork
from .style_generator import StyleGenerator, StyleSynthesis
from .summary import Summary, summarize
from .synthesis import SynthesisNetwork

__all__ = [
    "AliasFreeGenerator",
    "AliasFreePlan",
    "AliasFreeSynthesis",
    "Discriminator",
    "Generator",
    "MappingNetwork",
    "StyleGenerator",
    "StyleSynthesis",
    "Summary",
    "SynthesisNetwork",
    "summarize",
]
