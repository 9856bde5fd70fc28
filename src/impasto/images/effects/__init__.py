"""Effects: last touches on a painted picture, such as thick paint or grain.

An effect is a pure function (picture, strength) -> picture. Pictures are (3, h, w) float32 or
float64, sRGB in [0, 1]; strength is 0 (no change) to 1. One that looks at neighbours of a pixel
has a parameter `wraps`, whether rows and columns are circles (`impasto.images.circles`), so
that seamless pictures stay seamless. `impasto.settings.variants.EFFECTS` names them for the setting
`finish`; a new one is a file that registers its function:

    from impasto.settings.variants import EFFECTS

    @EFFECTS.registered("sepia")
    def sepia(picture: Tensor, strength: float) -> Tensor: ...

One that looks at the photograph too has a parameter `content`, (3, h, w) as the picture.
"""
