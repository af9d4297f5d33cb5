"""Which direction of a number of quality is better: known without the packages that measure it."""

DIRECTIONS: dict[str, str | None] = {
    "fid": "min",
    "kid": "min",
    "kid_deviation": None,
    "precision": "max",
    "recall": "max",
    "density": "max",
    "coverage": "max",
    "ppl": "min",
    "recognised": "max",
    "asked_recognised": "max",
    "smallest_class": "max",
    "eq_t": "max",
    "eq_t_frac": "max",
    "eq_r": "max",
}
"""All numbers, and the better direction of each; None for a number that only qualifies another one."""
