"""Names for the array types that the signatures speak of."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

F16Array = NDArray[np.float16]
F32Array = NDArray[np.float32]
F64Array = NDArray[np.float64]
I32Array = NDArray[np.int32]
I64Array = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
AnyArray = NDArray[Any]
