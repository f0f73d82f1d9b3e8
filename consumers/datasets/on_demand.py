"""The encoder, loaded only if something has to be encoded."""

from consumers.datasets.cache.memory import Memory
from consumers.datasets.identity import identity_of
from matcher.encoders import Encoder, EncoderSpec, load_encoder
from matcher.model.bundle import EncoderFacts


class EncoderChangedError(Exception):
    """The encoder is not the one that was remembered: what was looked up belongs to another one."""


class EncoderOnDemand:
    """Knows the encoder's fingerprint, from memory where that is certain, and loads it when it is first used."""

    def __init__(self, spec: EncoderSpec, memory: Memory) -> None:
        """Loads it at once where the memory has nothing about it. Raises `EncoderUnavailable`."""
        self._spec = spec
        self._memory = memory
        self._identity = identity_of(spec)
        self._encoder: Encoder | None = None
        known = memory.encoder(self._identity) if self._identity is not None else None
        self.facts: EncoderFacts = known or self._load()

    @property
    def loaded(self) -> bool:
        return self._encoder is not None

    def get(self) -> Encoder:
        """The encoder. Raises `EncoderUnavailable`, and `EncoderChangedError` when `facts` turned out to be wrong; they
        are right from then on."""
        if self._encoder is None:
            promised = self.facts
            self.facts = self._load()
            if self.facts != promised:
                raise EncoderChangedError
        assert self._encoder is not None
        return self._encoder

    def _load(self) -> EncoderFacts:
        self._encoder = load_encoder(self._spec)
        about = self._encoder.describe()
        facts = EncoderFacts(
            model=about.name, fingerprint=about.fingerprint, image_dim=about.image_dim, text_dim=about.text_dim
        )
        if self._identity is not None:
            self._memory.remember_encoder(self._identity, facts)
        return facts
