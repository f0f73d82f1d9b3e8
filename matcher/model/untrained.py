"""A bundle without training: normalised concatenation. It shows the stream at work and promises nothing."""

from matcher.encoders import EncoderDescription
from matcher.model.bundle import Bundle, Concatenation, EncoderFacts, Logistic, Search, Thresholds

NOTE = (
    "untrained: raw features of frozen encoders put side by side; the calibration was fitted to 600 simulated offers "
    "of the starter encoder and promises no precision anywhere else"
)


def untrained_bundle(
    encoder: EncoderDescription,
    *,
    image_weight: float = 0.9,
    text_weight: float = 0.436,
    even_score: float = 0.8,
    slope: float = 26.0,
) -> Bundle:
    """A bundle for any encoder. `even_score` is the score at which match and no match are called equally likely."""
    return Bundle(
        name="untrained",
        trained=False,
        note=NOTE,
        encoder=EncoderFacts(
            model=encoder.name,
            fingerprint=encoder.fingerprint,
            image_dim=encoder.image_dim,
            text_dim=encoder.text_dim,
        ),
        projection=Concatenation(image_weight=image_weight, text_weight=text_weight),
        calibration=Logistic(slope=slope, intercept=-slope * even_score),
        thresholds=Thresholds(accept=0.9, review=0.4, margin=0.02),
        search=Search(),
        match_rate=0.5,
    )
