"""From a spec to an encoder that is ready to use."""

from matcher.encoders.base import Encoder
from matcher.encoders.spec import EncoderSpec, EncoderUnavailable


def load_encoder(spec: EncoderSpec) -> Encoder:
    """Loads the encoder; takes seconds, and memory for its weights (once more while precisions are compared).

    Raises EncoderUnavailable when the model, its weights or the device cannot be had.
    """
    if spec.name == "dummy":
        from matcher.encoders.dummy import DummyEncoder

        if spec.image_size not in (None, DummyEncoder.IMAGE_SIZE):
            raise EncoderUnavailable(f"the dummy encoder has an image size of {DummyEncoder.IMAGE_SIZE} pixels only")
        return DummyEncoder()
    # torch takes seconds to import: only those who encode for real pay for it.
    from matcher.encoders.clip import load_clip
    from matcher.encoders.device import pick_device
    from matcher.encoders.starter import load_starter
    from matcher.encoders.towers import TowerEncoder

    device = pick_device(spec.device)
    model = load_starter(spec.image_size) if spec.name == "starter" else load_clip(spec)
    return TowerEncoder(model, device, spec.precision)
