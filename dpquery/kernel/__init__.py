"""The protected kernel: the only code that sees exact values."""
