"""Weights of red, green and blue in grey (encoded sRGB values): every grey of this package is one of these."""

Weights = tuple[float, float, float]

BT601: Weights = (0.299, 0.587, 0.114)
"""Luma of JPEG and of Pillow's `L`: grey that models are given (colorization, degradations), and that SSIM compares."""

BT601_IN_REAL_ESRGAN: Weights = (0.2989, 0.587, 0.114)
"""The same as Real-ESRGAN's noise rounds it, which its published numbers depend on."""

BT709: Weights = (0.2126, 0.7152, 0.0722)
"""Luma of sRGB's own primaries: what a grey photo's restoration is made grey with again."""

BT2020: Weights = (0.2627, 0.6780, 0.0593)
"""Luminance of BT.2020's primaries, in which HLG is defined."""
