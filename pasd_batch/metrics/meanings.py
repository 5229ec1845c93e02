"""Meanings of metrics in plain sentences, for the columns of scores and the report.

In brackets is the set of photos whose ratings by people a network learned. Ranges are those of pyiqa 0.1.16's table of
metrics (`score_range`; "about" for its `~`).
"""

METRIC_MEANINGS: dict[str, str] = {
    "psnr": "Peak signal-to-noise ratio in dB, over red, green and blue: how close pixels are; about 0 to 40 and more",
    "psnry": "Peak signal-to-noise ratio in dB of brightness alone: how close pixels are; about 0 to 60",
    "ssim": "Structural similarity of brightness in windows of 11 pixels; 0 to 1",
    "ssimc": "Structural similarity in windows of 11 pixels, over red, green and blue; 0 to 1",
    "ms_ssim": "Structural similarity at five scales together; 0 to 1",
    "fsim": "Similarity of features (phase congruency and gradients); 0 to 1",
    "gmsd": "Scatter of how gradients differ over the photo; 0 to about 1",
    "vif": "Share of the visual information that is kept; 0 to about 1",
    "vsi": "Similarity weighted by where the eye looks; 0 to about 1",
    "nlpd": "Distance of contrast-normalised Laplacian pyramids; 0 to 1",
    "cw_ssim": "Structural similarity of complex wavelets, which forgives small shifts; 0 to 1",
    "mad": "Distance by what is most apparent: errors seen in good photos, changed appearance in bad ones; from 0 up",
    "piqe": "Visible distortion and noise of blocks, without any training; 0 to 100",
    "entropy": "Information of the grey levels in bits, which detail and noise both raise; 0 to 8",
    "niqe": "Distance from the statistics of undamaged photos; about 0 to 100, good photos 2 to 5",
    "niqe_matlab": "Distance from the statistics of undamaged photos, as first published; about 0 to 100",
    "ilniqe": "Distance from the statistics of undamaged photos, with colour and gradients; about 0 to 100",
    "brisque": "Damage by the statistics of brightness, learned from people's ratings; about 0 to 150",
    "brisque_matlab": "Damage by the statistics of brightness, as the published program gives it; about 0 to 100",
    "cnniqa": "Quality by a small convolutional network that learned people's ratings (KonIQ-10k); about 0 to 1",
    "musiq": "Quality by a transformer over several scales (KonIQ-10k); about 0 to 100",
    "musiq-ava": "How beautiful people find a photo, by a transformer over several scales (AVA); 1 to 10",
    "musiq-paq2piq": "Quality by a transformer over several scales (PaQ-2-PiQ); about 0 to 100",
    "musiq-spaq": "Quality by a transformer over several scales (SPAQ, smartphone photos); about 0 to 100",
    "stlpips": "Perceptual distance of AlexNet's features that forgives small shifts; 0 to 1",
    "stlpips-vgg": "Perceptual distance of VGG's features that forgives small shifts; 0 to 1",
    "lpips": "Perceptual distance of AlexNet's features, weighted as people judge; 0 to 1",
    "lpips-vgg": "Perceptual distance of VGG's features, weighted as people judge; 0 to 1",
    "dists": "Distance of structure and texture in VGG's features; 0 to 1",
    "maniqa": "Quality by a transformer with attention over channels and space (KonIQ-10k); about 0 to 1",
    "maniqa-kadid": "Quality by a transformer with attention over channels and space (KADID-10k); about 0 to 1",
    "maniqa-pipal": "Quality by a transformer that learned ratings of restored photos (PIPAL); about 0 to 1",
    "hyperiqa": "Quality by a network that adapts its judgement to what the photo shows (KonIQ-10k); about 0 to 1",
    "topiq_nr": "Quality from what is seen to its details, by ResNet-50's features (KonIQ-10k); about 0 to 1",
    "topiq_nr-flive": "Quality from what is seen to its details, by ResNet-50's features (FLIVE); about 0 to 1",
    "topiq_nr-spaq": "Quality from what is seen to its details, by ResNet-50's features (SPAQ); about 0 to 1",
    "topiq_fr": "Likeness from what is seen to its details, by ResNet-50's features (KADID-10k); about 0 to 1",
    "topiq_fr-pipal": "Likeness from what is seen to its details, learned from restored photos (PIPAL); about 0 to 1",
    "clipiqa": 'How much nearer CLIP sees the photo to "good photo" than to "bad photo"; 0 to 1',
    "clipiqa+": "CLIP-IQA with prompts that were learned from people's ratings (KonIQ-10k); 0 to 1",
}
"""By pyiqa's names; which direction is better says the metric itself."""
