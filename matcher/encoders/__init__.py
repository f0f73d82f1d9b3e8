"""Frozen encoders: photos and texts in, raw feature vectors out (paper, "Encoder").

Importing this package is cheap; torch is loaded by `load_encoder`, and only for encoders that need it.
"""

from matcher.encoders.base import Encoder, EncoderDescription
from matcher.encoders.load import load_encoder
from matcher.encoders.spec import EncoderSpec, EncoderUnavailable

__all__ = ["Encoder", "EncoderDescription", "EncoderSpec", "EncoderUnavailable", "load_encoder"]
