"""Photos by URL, within limits: whatever a seller sends, the answer is a photo or the reason why there is none."""

from consumers.photos.loader import PhotoLoader
from consumers.photos.outcome import REASONS, TRANSIENT, Photo, PhotoLimits, PhotoProblem, Reason

__all__ = ["REASONS", "TRANSIENT", "Photo", "PhotoLimits", "PhotoLoader", "PhotoProblem", "Reason"]
