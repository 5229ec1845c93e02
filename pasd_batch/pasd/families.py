"""Model families other than Stable Diffusion 1.5, for error messages about weights that do not fit."""

REMEDY = "give one made from Stable Diffusion 1.5"

KINDS = {
    "v2": "Stable Diffusion 2",
    "inpainting": "an inpainting model of Stable Diffusion 1.5",
    "inpainting_v2": "an inpainting model of Stable Diffusion 2",
    "instruct-pix2pix": "InstructPix2Pix",
    "upscale": "Stable Diffusion's x4 upscaler",
    "xl_base": "Stable Diffusion XL",
    "xl_refiner": "Stable Diffusion XL's refiner",
    "xl_inpaint": "an inpainting model of Stable Diffusion XL",
    "playground-v2-5": "Playground 2.5, of Stable Diffusion XL's family",
    "sd3": "Stable Diffusion 3",
    "sd35_medium": "Stable Diffusion 3.5",
    "sd35_large": "Stable Diffusion 3.5",
    "flux-dev": "Flux",
    "flux-schnell": "Flux",
    "flux-fill": "Flux",
    "flux-depth": "Flux",
    "controlnet": "a ControlNet",
    "animatediff_v1": "AnimateDiff",
    "animatediff_v2": "AnimateDiff",
    "animatediff_v3": "AnimateDiff",
}
"""Names of families by diffusers' identifier (`infer_diffusers_model_type`)."""

TEXT_WIDTHS = {1024: "Stable Diffusion 2", 2048: "Stable Diffusion XL"}
"""Widths of the text states that a UNet attends to; 768 in Stable Diffusion 1.5."""

INPUT_CHANNELS = {8: "InstructPix2Pix", 9: "an inpainting model"}
"""Input channels of a UNet; 4 in Stable Diffusion 1.5."""
