"""Learning from offers whose products are known: splits, contrastive training, calibration. Arrays in, a bundle out."""
