"""Every setting, and nothing else: frozen, keyword-only, self-validating values."""
