"""Recognising files that are not networks, with advice for the error message."""

import zipfile
from codecs import getincrementaldecoder
from collections.abc import Mapping
from pathlib import Path

_Finding = tuple[str, str] | None
_HEAD, _SHOWN = 4096, 40
_ARCHIVE = "unpack it, and give the network that is in it"
_AGAIN = "the download or the copy did not finish; fetch it again"
_PICTURE = "a picture", "a network comes first, as in `stylelayers project NETWORK PICTURE FOLDER`"
_HTML = "a web page", "the link showed a page rather than the file; fetch the file itself and look at its size"
_STARTS: dict[bytes, tuple[str, str]] = {
    b"\x89PNG": _PICTURE,
    b"\xff\xd8\xff": _PICTURE,
    b"GIF8": _PICTURE,
    b"II*\0": _PICTURE,
    b"MM\0*": _PICTURE,
    b"version https://git-lfs": ("a Git LFS pointer", "fetch the file that it stands for with `git lfs pull`"),
    b"\x1f\x8b": ("a gzip archive", _ARCHIVE),
    b"BZh": ("a bzip2 archive", _ARCHIVE),
    b"\xfd7zXZ": ("an xz archive", _ARCHIVE),
    b"7z\xbc\xaf": ("a 7z archive", _ARCHIVE),
    b"Rar!": ("a RAR archive", _ARCHIVE),
    b"\x93NUMPY": ("a NumPy array", "give the network rather than its latents or features"),
    b"\x89HDF": ("an HDF5 file", "networks of Keras and TensorFlow are not read"),
    b"%PDF": ("a PDF document", "give the network itself"),
}
_IN_ZIP: dict[str, tuple[str, str]] = {
    "constants.pkl": ("a TorchScript program", "give the checkpoint or generator file that it was made of"),
    "archive_format": ("a torch.export program", "give the generator file that it was exported from"),
    ".npy": ("a NumPy archive", "give the network rather than its arrays"),
    "saved_model.pb": ("a TensorFlow model", "networks of TensorFlow are not read"),
}
_TENSORFLOW = (
    "a pickle of StyleGAN's TensorFlow code",
    "convert it with `legacy.py` of the StyleGAN2-ADA-PyTorch or StyleGAN3 project, which runs what is in it",
)


_ENCODER = (
    "a checkpoint of an encoder (pSp, e4e, ReStyle), which maps pictures to styles",
    "give the generator file that it was trained for, which its opts may name as stylegan_weights",
)


def describe_other_contents(contents: Mapping[object, object]) -> str | None:
    """The kind of a checkpoint that is of other networks, with advice; None if it may be of ours."""
    state = contents.get("state_dict", contents)
    names = [name for name in state if isinstance(name, str)] if isinstance(state, Mapping) else []
    parts = {name.partition(".")[0] for name in names}
    if "encoder" in parts and ("decoder" in parts or "latent_avg" in contents):
        return f"{_ENCODER[0]}: {_ENCODER[1]}"
    return None


def describe_other_file(path: Path) -> str | None:
    """The kind of a file that is not a network, with advice; None if it may be a network."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    found = next((finding for start, finding in _STARTS.items() if head.startswith(start)), None)
    for kind in (_empty, _cut_safetensors, _zip, _of_content):
        found = found or kind(head, path)
    return None if found is None else f"{found[0]}: {found[1]}"


def _empty(head: bytes, path: Path) -> _Finding:
    if not head:
        return "an empty file", _AGAIN
    return None if head.strip(b"\0") else ("a file of zeros", _AGAIN)


def _cut_safetensors(head: bytes, path: Path) -> _Finding:
    length = int.from_bytes(head[:8], "little")
    is_header = head[8:9] == b"{" and length < 1 << 40
    return ("a safetensors file that was cut off", _AGAIN) if is_header and 8 + length > path.stat().st_size else None


def _zip(head: bytes, path: Path) -> _Finding:
    """A whole archive that ``torch.save`` did not write."""
    if not head.startswith(b"PK\x03\x04") or not zipfile.is_zipfile(path):
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError):
        return None
    finding = next((finding for end, finding in _IN_ZIP.items() if any(name.endswith(end) for name in names)), None)
    if finding is not None or any(name.endswith("data.pkl") for name in names):
        return finding
    return "a zip archive", _ARCHIVE


def _of_content(head: bytes, path: Path) -> _Finding:
    bitmap = head.startswith(b"BM") and int.from_bytes(head[2:6], "little") == path.stat().st_size
    if bitmap or (head.startswith(b"RIFF") and head[8:12] == b"WEBP"):
        return _PICTURE
    if head.startswith(b"\x80") and b"dnnlib.tflib" in head:
        return _TENSORFLOW
    if head[:1] == b"\x08" and head[2:3] == b"\x12":
        return "an ONNX file", "give the generator file that it was exported from"
    if head[257:262] == b"ustar":
        return "a tar archive", _ARCHIVE
    if head.lstrip().lower().startswith((b"<!doctype html", b"<html", b"<?xml", b"<head", b"<body")):
        return _HTML
    return _text(head)


def _text(head: bytes) -> _Finding:
    try:
        text = getincrementaldecoder("utf-8")().decode(head)  # the last character may be cut off
    except UnicodeDecodeError:
        return None
    if not all(letter.isprintable() or letter.isspace() for letter in text):
        return None
    return f"text that begins with {' '.join(text.split())[:_SHOWN]!r}", "give the network itself"
