"""Reading official network pickles of either kind, StyleGAN2 or StyleGAN3."""

from ..models import StyleGenerator
from . import stylegan2, stylegan3
from ._building import join_names
from ._official import is_stylegan3, network_record
from ._records import read_records
from .networks import Networks


def read_official(data: bytes) -> Networks:
    """Read the generator, and the discriminator if possible; otherwise the generator still loads and `notes` says why.

    Raises:
        ValueError: as :func:`load_stylegan2` and :func:`load_stylegan3`, except for the discriminator.
    """
    contents = read_records(data)
    record, notes = network_record(contents, "G_ema"), list[str]()
    is_alias_free = is_stylegan3(record)
    generator: StyleGenerator = (stylegan3 if is_alias_free else stylegan2).generator_of(record)
    try:
        discriminator = stylegan2.discriminator_of(network_record(contents, "D"))
    except ValueError as error:
        discriminator, notes = None, [f"the discriminator was not understood: {error}"]
    if ignored := [str(key) for key in contents if key not in ("G_ema", "D")]:
        notes.append(f"not kept: {join_names(ignored)}")
    if any(part.state.get("use_fp16") is True for part in record.tree().values()):
        notes.append("settings of float16 are ignored: everything is float32")
    kind = "official StyleGAN3 pickle" if is_alias_free else "official pickle"
    return Networks(kind, generator, discriminator, notes=tuple(notes))
