"""Learn an encoder of astronomical morphology without labels."""
