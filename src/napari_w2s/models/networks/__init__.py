"""One network per module, each rebuilt from its state dict."""
